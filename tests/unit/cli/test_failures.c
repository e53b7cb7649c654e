/* A failure as a person reads it, and as JSON. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <string.h>

#include "cli/failures.h"

static struct failure_view view(unsigned attempts, const char *error, const char *input)
{
	return (struct failure_view){
		.head = { .kind = FAILURE_TIMEOUT,
			.attempts = (uint16_t)attempts,
			.item = 17,
			.at_ms = 1795363740123,
			.error_len = (uint32_t)strlen(error),
			.input_len = (uint32_t)strlen(input) },
		.error = error,
		.input = input,
	};
}

static void expect_text(const struct failure_view *failure, const char *where, const char *text)
{
	struct buf to = BUF_INIT;

	cr_assert(failure_to_text(failure, "sha256", where, &to) == 0);
	cr_assert(eq(sz, to.len, strlen(text)));
	cr_assert(memcmp(to.data, text, to.len) == 0, "%.*s", (int)to.len, to.data);
	buf_done(&to);
}

Test(failures, say_item_line_stage_attempts_and_reason)
{
	struct failure_view many = view(3, "no string field 'text'", "{}");
	struct failure_view one = view(1, "two\nlines\x1b[m", "{}");

	expect_text(&many, "line 18",
		"failed item 17 (line 18) at sha256 after 3 attempts: no string field 'text'\n");
	expect_text(&many, "",
		"failed item 17 at sha256 after 3 attempts: no string field 'text'\n");
	expect_text(&one, "b.ndjson line 2",
		"failed item 17 (b.ndjson line 2) at sha256 after 1 attempt: two?lines?[m\n");
}

Test(failures, are_one_json_object_with_the_input_as_it_was)
{
	struct failure_view failure = view(2, "a \"quoted\" reason", "{\"n\": 1e3}");
	struct buf to = BUF_INIT;
	json_t *root;

	cr_assert(failure_to_json(&failure, "sha256", "line 18", &to) == 0);
	cr_assert(to.data[to.len - 1] == '\n');
	cr_assert(memmem(to.data, to.len, "\"input\":{\"n\": 1e3}}\n", 20) != NULL);
	root = json_loadb(to.data, to.len, 0, NULL);
	cr_assert(root != NULL, "%.*s", (int)to.len, to.data);
	cr_assert(eq(int, (int)json_integer_value(json_object_get(root, "item")), 17));
	cr_assert(eq(str, (char *)json_string_value(json_object_get(root, "kind")),
		(char *)"timeout"));
	cr_assert(eq(str, (char *)json_string_value(json_object_get(root, "error")),
		(char *)"a \"quoted\" reason"));
	cr_assert(eq(str, (char *)json_string_value(json_object_get(root, "where")),
		(char *)"line 18"));
	cr_assert(eq(str, (char *)json_string_value(json_object_get(root, "at")),
		(char *)"2026-11-22T16:09:00.123Z"));
	json_decref(root);
	buf_clear(&to);
	cr_assert(failure_to_json(&failure, "sha256", "", &to) == 0);
	cr_assert(memmem(to.data, to.len, "where", 5) == NULL);
	buf_done(&to);
}
