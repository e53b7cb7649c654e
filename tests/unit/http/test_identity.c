/* Users of a Unix socket, as the setting says them. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "base/mem.h"
#include "http/identity.h"

Test(identity, users_are_names_or_numbers_each_with_a_name_of_the_tokens_file)
{
	struct identity_users users;
	struct error err = { 0 };

	cr_assert(identity_parse("root=the admin, 1001=ci,4294967293", true, &users, &err) == 0,
		"%s", err.text);
	cr_assert(eq(u32, users.count, 3));
	cr_assert(eq(u32, users.items[0].uid, 0));
	cr_assert(eq(str, users.items[0].name, (char *)"the admin"));
	cr_assert(eq(u32, users.items[1].uid, 1001));
	cr_assert(eq(str, users.items[1].name, (char *)"ci"));
	cr_assert(eq(u32, users.items[2].uid, 4294967293u));
	cr_assert(eq(str, users.items[2].name, (char *)""));
}

Test(identity, nobody_is_listed_by_default)
{
	struct identity_users users = { .count = 9 };
	struct error err;

	cr_assert(identity_parse("", false, &users, &err) == 0);
	cr_assert(eq(u32, users.count, 0));
}

static const struct {
	const char *text, *why;
	bool tokens;
} bad[] = {
	{ "nosuchuser", "no user 'nosuchuser'", true },
	{ "-1", "no user '-1'", true },
	{ "4294967296", "no user '4294967296'", true },
	{ "0=", "a name has 1 to 63 characters", true },
	{ "0=a\tb", "printable ASCII", true },
	{ "=ci", "no user ''", true },
	{ "0=ci", "the setting tokens is not set", false },
};

Test(identity, what_is_wrong_is_said)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct identity_users users;
		struct error err = { 0 };

		cr_assert(identity_parse(bad[i].text, bad[i].tokens, &users, &err) < 0,
			"'%s' is taken", bad[i].text);
		cr_assert(strstr(err.text, bad[i].why) != NULL, "'%s': %s", bad[i].text,
			err.text);
	}
}

Test(identity, more_users_than_there_is_room_for_are_refused)
{
	char text[IDENTITY_USERS_MAX * 2 + 4] = "";
	struct identity_users users;
	struct error err;

	for (int i = 0; i <= IDENTITY_USERS_MAX; i++)
		strcat(text, "1,");
	cr_assert(identity_parse(text, false, &users, &err) < 0);
}
