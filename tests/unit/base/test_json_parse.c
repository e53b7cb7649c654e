/* JSON as people write it: taken whole, or refused with its place, or with the lack of memory.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/json_parse.h"
#include "base/mem.h"

static json_t *parse(const char *text, size_t flags, struct error *err)
{
	/* Where the text ends exactly, a step too far is seen. */
	size_t len = strlen(text);
	char *exact = mem_alloc(len + 1);
	json_t *json;

	memcpy(exact, text, len);
	json = json_parse(exact, len, flags, err);
	mem_free(exact);
	return json;
}

static const char *const good[] = {
	"null",
	"true",
	"false",
	"0",
	"-9223372036854775808",
	"9223372036854775807",
	"1.5",
	"\"\"",
	"\"a\\u00e9\xc3\xa9\\n\\\"\\ud83c\\udf41\"",
	"[]",
	"{}",
	"[1,[2,[3,[]]],{}]",
	" {\"a\":{\"b\":[1,2.5,\"c\",null,true]},\"\":7,\"a b\":\"x\"}\n",
};

Test(json_parse, reads_what_jansson_reads)
{
	for (size_t at = 0; at < ARRAY_SIZE(good); at++) {
		struct error err = { 0 };
		json_t *ours = parse(good[at], 0, &err);
		json_t *theirs = json_loads(good[at], JSON_DECODE_ANY, NULL);

		cr_assert_not_null(ours, "%s: %s", good[at], err.text);
		cr_expect(json_equal(ours, theirs), "%s", good[at]);
		json_decref(ours);
		json_decref(theirs);
	}
}

Test(json_parse, a_whole_number_beyond_64_bits_is_a_real)
{
	json_t *json = parse("[18446744073709551615,1e2,-12345678901234567890123]", 0, NULL);

	cr_assert_eq(json_array_size(json), 3);
	for (size_t at = 0; at < 3; at++)
		cr_expect(json_is_real(json_array_get(json, at)), "%zu", at);
	json_decref(json);
}

static const struct {
	const char *text;
	size_t flags;
	const char *why; /* how it begins */
} bad[] = {
	{ "", 0, "line 1, column 1: there is nothing" },
	{ " \n ", 0, "line 2, column 2: there is nothing" },
	{ "{\"a\":", 0, "line 1, column 6: it ends too early" },
	{ "[1,\n 2,\n x]", 0, "line 3, column 2: unexpected character" },
	{ "{\"\xc3\xa9\": y}", 0, "line 1, column 7: unexpected character" },
	{ "{\"a\":1} {", 0, "line 1, column 9: unexpected content" },
	{ "[1,]", 0, "line 1, column " },
	{ "\"\xff\"", 0, "line 1, column " },
	{ "\"\\ud800\"", 0, "line 1, column " },
	{ "{\"a\":1,\n\"a\":2}", JSON_REJECT_DUPLICATES,
		"line 2, column 1: the key stands in this object already" },
	{ "{\"a\":{\"b\":1},\"c\":{\"b\":1,\"b\":2}}", JSON_REJECT_DUPLICATES,
		"line 1, column 25: the key stands" },
	{ "[\"a\",\"b\\u0000\"]", 0, "line 1, column 6: a string holds U+0000" },
	{ "{\"a\\u0000\":1}", JSON_ALLOW_NUL, "line 1, column 2: a key holds U+0000" },
};

Test(json_parse, says_where_and_what_is_wrong)
{
	for (size_t at = 0; at < ARRAY_SIZE(bad); at++) {
		struct error err = { 0 };

		cr_expect_null(parse(bad[at].text, bad[at].flags, &err), "%s", bad[at].text);
		cr_expect_eq(err.code, ERR_BAD_JSON);
		cr_expect_eq(strncmp(err.text, bad[at].why, strlen(bad[at].why)), 0, "'%s': %s",
			bad[at].text, err.text);
	}
}

Test(json_parse, takes_the_last_of_two_where_that_is_allowed_and_nul_likewise)
{
	json_t *json = parse("{\"a\":1,\"a\":\"x\\u0000y\"}", JSON_ALLOW_NUL, NULL);

	cr_expect_eq(json_object_size(json), 1);
	cr_expect_eq(json_string_length(json_object_get(json, "a")), 3);
	json_decref(json);
}

Test(json_parse, does_not_follow_a_text_into_any_depth)
{
	static char text[1 << 20];
	struct error err = { 0 };

	memset(text, '[', sizeof(text) / 2);
	memset(text + sizeof(text) / 2, ']', sizeof(text) / 2 - 1);
	strcpy(text + sizeof(text) / 2 - 1, "]]");
	memset(text + sizeof(text) / 2, ']', sizeof(text) / 2 - 1);
	text[sizeof(text) / 2 - 1] = '1';
	cr_expect_null(json_parse(text, sizeof(text) - 1, 0, &err));
	cr_expect_eq(err.code, ERR_BAD_JSON);
	cr_expect_not_null(strstr(err.text, "deep"), "%s", err.text);
}

Test(json_parse, says_which_file)
{
	char path[] = "/tmp/leat-json-XXXXXX", why[128];
	struct error err = { 0 };
	int fd = mkstemp(path);

	cr_assert_eq(write(fd, "{\"a\":1}\n", 8), 8);
	json_decref(json_parse_file(path, &err));
	cr_expect_eq(err.code, ERR_NONE);
	cr_assert_eq(write(fd, "x", 1), 1);
	close(fd);
	cr_expect_null(json_parse_file(path, &err));
	snprintf(why, sizeof(why), "%s: line 2, column 1: ", path);
	cr_expect_eq(strncmp(err.text, why, strlen(why)), 0, "%s", err.text);
	unlink(path);
	cr_expect_null(json_parse_file(path, &err));
	snprintf(why, sizeof(why), "%s cannot be read: No such file or directory", path);
	cr_expect_str_eq(err.text, why);
	cr_expect_eq(err.code, ERR_BAD_REQUEST);
}

#ifdef LEAT_FAULTS
Test(json_parse, without_memory_it_says_so_and_leaves_nothing)
{
	const char *text = good[ARRAY_SIZE(good) - 1];
	json_t *json = NULL;

	mem_use_for_jansson();
	for (int nth = 1; json == NULL; nth++) {
		struct error err = { 0 };

		cr_assert_lt(nth, 1000);
		fault_arm(FAULT_ALLOC, nth, false);
		json = json_parse(text, strlen(text), 0, &err);
		fault_arm(FAULT_ALLOC, 0, false);
		cr_expect_eq(err.code, json == NULL ? ERR_NO_MEMORY : ERR_NONE, "%d", nth);
	}
	json_decref(json);
}
#endif
