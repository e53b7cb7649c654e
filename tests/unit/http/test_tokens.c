/* tokens: the file's lines, garbage too; whose token is it; one file after another. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "http/tokens_file.h"

#define SECRET                                                                            \
	"\"id\":\"0123456789ab\",\"salt\":\"00112233445566778899aabbccddeeff\",\"hash\":" \
	"\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\""

static struct tokens *parsed(const char *text)
{
	struct tokens *tokens = NULL;
	struct error err = { 0 };

	cr_assert_eq(tokens_parse(text, strlen(text), "f", &tokens, &err), 0, "%s", err.text);
	return tokens;
}

static const struct {
	const char *line, *why;
} wrong[] = {
	{ "x", "f, line 1: line 1, column 1" },
	{ "[]", "an object" },
	{ "{}", "name is missing" },
	{ "null", "an object" },
	{ "{\"name\":\"\",\"scopes\":[\"read\"]}", "1 to 63 characters" },
	{ "{\"name\":\" a\",\"scopes\":[\"read\"]}", "space" },
	{ "{\"name\":\"a\\\"b\",\"scopes\":[\"read\"]}", "printable ASCII" },
	{ "{\"name\":\"\\u00e4\",\"scopes\":[\"read\"]}", "printable ASCII" },
	{ "{\"name\":7,\"scopes\":[\"read\"]}", "name" },
	{ "{\"name\":\"a\"}", "scopes must be an array" },
	{ "{\"name\":\"a\",\"scopes\":[]}", "scopes must be an array" },
	{ "{\"name\":\"a\",\"scopes\":\"read\"}", "scopes must be an array" },
	{ "{\"name\":\"a\",\"scopes\":[\"none\"]}", "not \"none\"" },
	{ "{\"name\":\"a\",\"scopes\":[7]}", "not 7" },
	{ "{\"name\":\"a\",\"scopes\":[\"read\"],\"scope\":1}", "scope" },
	{ "{\"name\":\"a\",\"name\":\"b\",\"scopes\":[\"read\"]}", "already" },
	{ "{\"name\":\"a\",\"scopes\":[\"read\"],\"labels\":[]}", "labels must be an object" },
	{ "{\"name\":\"a\",\"scopes\":[\"read\"],\"labels\":{\"t\":null}}",
		"labels/t must be" },
	{ "{\"name\":\"a\",\"scopes\":[\"admin\"],\"labels\":{\"t\":\"x\"}}",
		"spans all labels" },
	{ "{\"name\":\"a\",\"scopes\":[\"read\"],\"id\":\"0123456789ab\"}", "salt is missing" },
	{ "{\"name\":\"a\",\"scopes\":[\"read\"],\"hash\":\"00\"}", "id is missing" },
	{ "{\"name\":\"a\",\"scopes\":[\"read\"],\"id\":\"0123456789AB\",\"salt\":\"\",\"hash\":\"\"}",
		"id must be 12 hex digits" },
	{ "{\"name\":\"a\",\"scopes\":[\"read\"],\"id\":\"0123456789ab\",\"salt\":\"zz\",\"hash\":\"\"}",
		"salt must be 32 hex digits" },
	{ "{\"name\":\"a\",\"scopes\":[\"read\"],\"created\":\"a text that is far too long for a date\"}",
		"created" },
	{ "{\"name\":\"a\",\"scopes\":[\"read\"]}\n\n{\"name\":\"a\",\"scopes\":[\"read\"]}",
		"f: the name 'a' stands there twice" },
	{ "{\"name\":\"a\",\"scopes\":[\"read\"]," SECRET
	  "}\n{\"name\":\"b\",\"scopes\":[\"read\"]," SECRET "}",
		"f: the id '0123456789ab' stands there twice" },
	{ "{\"name\":\"a\",\"scopes\":[\"read\"]}\n{", "f, line 2: " },
};

Test(tokens, every_mistake_is_named_with_its_line)
{
	for (size_t at = 0; at < ARRAY_SIZE(wrong); at++) {
		struct tokens *tokens = NULL;
		struct error err = { 0 };

		cr_expect(tokens_parse(wrong[at].line, strlen(wrong[at].line), "f", &tokens,
				  &err) < 0,
			"%s", wrong[at].line);
		cr_expect(strstr(err.text, wrong[at].why) != NULL, "%s: %s", wrong[at].line,
			err.text);
		cr_expect_eq(err.code, ERR_BAD_REQUEST);
		cr_expect_null(tokens);
	}
}

Test(tokens, blank_lines_and_an_empty_file_are_no_mistakes)
{
	struct tokens *none = parsed(""), *blank = parsed("\n \r\n\t\n");
	struct tokens *one = parsed("\n{\"name\":\"a\",\"scopes\":[\"read\",\"operate\"]}");

	cr_expect_eq(none->count, 0);
	cr_expect_eq(blank->count, 0);
	cr_assert_eq(one->count, 1);
	cr_expect_eq(one->items[0].principal->scopes, SCOPE_READ | SCOPE_OPERATE);
	cr_expect_null(tokens_by_text(none, "leat_0123456789ab_"));
	cr_expect_null(tokens_by_name(none, ""));
	tokens_free(none);
	tokens_free(blank);
	tokens_free(one);
}

/* A new token in a file of its own. */
static struct tokens *made(const char *name, unsigned scopes, char text[TOKEN_TEXT_SIZE])
{
	struct token token = { .created = "2026-11-23T07:00:00.000Z" };
	struct tokens *tokens = tokens_new();
	struct error err;

	token.principal = principal_new(name, scopes, NULL);
	token_make(&token, text);
	cr_assert_eq(tokens_add(tokens, &token, &err), 0);
	cr_assert_eq(tokens_index(tokens, &err), 0);
	return tokens;
}

Test(tokens, only_the_very_text_is_the_token)
{
	char text[TOKEN_TEXT_SIZE], other[TOKEN_TEXT_SIZE + 8];
	struct tokens *tokens = made("me", SCOPE_READ, text);

	cr_assert_eq(strlen(text), TOKEN_TEXT_SIZE - 1);
	cr_expect_eq(tokens_by_text(tokens, text), tokens->items[0].principal);
	for (size_t at = 0; at < TOKEN_TEXT_SIZE - 1; at++) {
		strcpy(other, text);
		other[at] = other[at] == 'x' ? 'y' : 'x';
		cr_expect_null(tokens_by_text(tokens, other), "%s", other);
		other[at] = '\0';
		cr_expect_null(tokens_by_text(tokens, other), "%s", other);
	}
	snprintf(other, sizeof(other), "%s ", text);
	cr_expect_null(tokens_by_text(tokens, other));
	cr_expect_null(tokens_by_text(tokens, ""));
	tokens_free(tokens);
}

Test(tokens, no_two_are_alike_and_the_file_holds_none)
{
	char first[TOKEN_TEXT_SIZE], second[TOKEN_TEXT_SIZE];
	struct tokens *a = made("a", SCOPE_READ, first), *b = made("b", SCOPE_ALL, second);
	struct buf text = BUF_INIT;
	struct error err;

	cr_expect_str_neq(first, second);
	cr_assert_eq(tokens_format(a, &text, &err), 0);
	cr_assert_eq(tokens_format(b, &text, &err), 0);
	cr_assert_eq(buf_append(&text, "", 1), 0);
	cr_expect_null(strstr(text.data, first + 18), "the secret stands in the file");
	cr_expect_null(strstr(text.data, second + 18));
	tokens_free(a);
	tokens_free(b);
	a = parsed(text.data);
	cr_assert_eq(a->count, 2);
	cr_expect_str_eq(tokens_by_text(a, first)->name, "a");
	cr_expect_str_eq(tokens_by_text(a, second)->name, "b");
	cr_expect_eq(tokens_by_name(a, "b")->scopes, SCOPE_ALL);
	cr_expect_null(tokens_by_name(a, "c"));
	tokens_free(a);
	buf_done(&text);
}

#define LINE(name, hash, more)                                                               \
	"{\"name\":\"" name "\",\"id\":\"00000000000" hash                                   \
	"\",\"salt\":\"00112233445566778899aabbccddeef" hash                                 \
	"\",\"hash\":\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1" hash \
	"\"," more "}\n"

Test(tokens, who_stands_in_both_files_with_the_same_token_stays_who_he_is)
{
	struct tokens *old = parsed(LINE("same", "1", "\"scopes\":[\"read\",\"submit\"]")
			LINE("token", "2", "\"scopes\":[\"read\"]") LINE(
				"label", "3", "\"scopes\":[\"read\"],\"labels\":{\"t\":\"a\"}")
				LINE("gone", "4", "\"scopes\":[\"read\"]"));
	struct tokens *fresh = parsed(LINE("new", "4", "\"scopes\":[\"read\"]")
			LINE("label", "3", "\"scopes\":[\"read\"],\"labels\":{\"t\":\"b\"}")
				LINE("token", "5", "\"scopes\":[\"read\"]")
					LINE("same", "1", "\"scopes\":[\"operate\"]"));
	struct principal *was[4];

	for (size_t at = 0; at < 4; at++)
		was[at] = principal_ref(old->items[at].principal);
	tokens_succeed(fresh, old);
	tokens_free(old);
	cr_expect_eq(fresh->items[3].principal, was[0]);
	cr_expect_eq(was[0]->scopes, SCOPE_OPERATE, "the scopes are those of now");
	cr_expect(!was[0]->revoked);
	for (size_t at = 1; at < 4; at++)
		cr_expect(was[at]->revoked, "%s", was[at]->name);
	for (size_t at = 0; at < 4; at++) {
		cr_expect(!fresh->items[at].principal->revoked);
		principal_unref(was[at]);
	}
	tokens_free(fresh);
}

/* ---- principals ---- */

Test(principal, admin_may_everything_and_one_of_several_scopes_is_enough)
{
	struct principal *one = principal_new("one", SCOPE_SUBMIT, NULL);
	struct principal *all = principal_new("all", SCOPE_ADMIN, NULL);

	cr_expect(principal_may(one, SCOPE_NONE));
	cr_expect(principal_may(one, SCOPE_SUBMIT));
	cr_expect(principal_may(one, SCOPE_READ | SCOPE_SUBMIT));
	cr_expect(!principal_may(one, SCOPE_READ | SCOPE_OPERATE));
	cr_expect(!principal_may(one, SCOPE_ADMIN));
	for (unsigned scopes = 0; scopes <= SCOPE_ALL; scopes++)
		cr_expect(principal_may(all, scopes));
	principal_unref(one);
	principal_unref(all);
}

Test(principal, sees_what_has_all_its_labels)
{
	json_t *mine = json_pack("{s:s,s:s}", "team", "a", "env", "prod");
	json_t *both = json_pack("{s:s,s:s,s:s}", "team", "a", "env", "prod", "x", "y");
	json_t *half = json_pack("{s:s}", "team", "a"), *none = json_object();
	struct principal *some = principal_new("some", SCOPE_READ, mine);
	struct principal *any = principal_new("any", SCOPE_READ, NULL);
	struct mistakes mistakes;
	struct error err;

	cr_expect(principal_sees(some, both));
	cr_expect(!principal_sees(some, half));
	cr_expect(!principal_sees(some, none));
	cr_expect(!principal_sees(some, NULL));
	cr_expect(principal_sees(any, none) && principal_sees(any, both));
	mistakes_init(&mistakes);
	cr_expect_eq(principal_mark(some, half, &mistakes, &err), 0);
	cr_expect(principal_sees(some, half), "what was missing is added");
	json_object_set_new(half, "env", json_string("test"));
	cr_expect(principal_mark(some, half, &mistakes, &err) < 0);
	cr_expect_eq(err.code, ERR_FORBIDDEN);
	cr_assert_eq(mistakes.count, 1);
	cr_expect_str_eq(mistakes.items[0].pointer, "/labels/env");
	mistakes_done(&mistakes);
	principal_unref(some);
	principal_unref(any);
	json_decref(mine);
	json_decref(both);
	json_decref(half);
	json_decref(none);
}

Test(principal, names_of_scopes_go_both_ways)
{
	char text[SCOPES_TEXT_SIZE];

	for (unsigned scope = SCOPE_READ; scope <= SCOPE_ADMIN; scope <<= 1)
		cr_expect_eq(scope_parse(scope_name((enum scope)scope)), scope);
	cr_expect_eq(scope_parse(""), SCOPE_NONE);
	cr_expect_eq(scope_parse("none"), SCOPE_NONE);
	cr_expect_eq(scope_parse("Read"), SCOPE_NONE);
	scopes_text(SCOPE_ALL, " or ", text);
	cr_expect_str_eq(text, "read or submit or operate or admin");
	scopes_text(SCOPE_NONE, ",", text);
	cr_expect_str_eq(text, "");
}
