/* json_check: what is JSON and what is not, after JSONTestSuite (github.com/nst/JSONTestSuite).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/split.h"

static struct json_check *check;

static void set_up(void)
{
	struct error err;

	cr_assert_eq(json_check_new(&check, &err), 0);
}

static void tear_down(void)
{
	json_check_free(check);
}

TestSuite(json_check, .init = set_up, .fini = tear_down);

static int check_copy(const char *text, size_t len, struct error *err)
{
	char *copy = malloc(len + 1);
	int result;

	memcpy(copy, text, len);
	result = json_check(check, copy, len, err);
	free(copy);
	return result;
}

static const char *const right[] = { "1", " 1 ", "-0", "0.1e-7", "1E+2", "1e999", "-1e-999",
	"\"\"", "\"\\u00e9\\/\\b\\f\\n\\r\\t\\\\\\\"\"", "\"\\ud83d\\ude00\"",
	"\"\xf0\x9f\x98\x80\"", "\"\xf4\x8f\xbf\xbf\"", "\"\\u0000\"", "\"\x7f\"", "true",
	"false", "null", "[]", "{}", "[[[]]]", "{\"a\":{\"a\":1,\"a\":2}}", "{\"\":0}",
	"[1,\t2, 3 ]", "{\"a\":\r1}", "12345678901234567890123456789012345678901234567890",
	"1.000000000000000000000000000000000000001", "[1e400]" };

static const char *const wrong[] = { "", " ", "01", "-", "+1", "1.", ".1", "1e", "0x10", "1_0",
	"NaN", "Infinity", "-Infinity", "[Infinity]", "nul", "tru", "True", "hello", "'a'",
	"\"", "\"a", "\"\\x41\"", "\"\\u12\"", "\"\\u12G4\"", "\"\\ud800\"", "\"\\udc00\"",
	"\"\\udc00\\ud800\"", "\"\\ud800\\u0041\"", "\"a\tb\"", "\"a\x01\"", "\"\xff\"",
	"\"\xc3\x28\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
	"\"\xe2\x82\"", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1,,2]", "{", "}",
	"{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}", "{a:1}", "{\"a\" 1}",
	"{\"a\":1 \"b\":2}", "{1:2}", "{} {}", "1 2", "[] x", "// x", "1 // x", "/**/1",
	"\xef\xbb\xbf"
	"1",
	"\x0c"
	"1",
	"[1}", "{\"a\":1]" };

Test(json_check, takes_what_is_json)
{
	struct error err;

	for (size_t at = 0; at < ARRAY_SIZE(right); at++)
		cr_assert_eq(check_copy(right[at], strlen(right[at]), &err), 0, "%s: %s",
			right[at], err.text);
}

Test(json_check, refuses_what_is_not_and_says_where)
{
	struct error err;

	for (size_t at = 0; at < ARRAY_SIZE(wrong); at++) {
		cr_assert_eq(check_copy(wrong[at], strlen(wrong[at]), &err), -1,
			"'%s' was taken", wrong[at]);
		cr_assert_eq(err.code, ERR_ITEM_INVALID);
		cr_assert(strstr(err.text, "byte") != NULL, "'%s': no position in '%s'",
			wrong[at], err.text);
	}
	check_copy("{\"a\" 1}", 7, &err);
	cr_assert(strstr(err.text, "at byte 6") != NULL, "%s", err.text);
}

Test(json_check, refuses_nul_bytes)
{
	struct error err;

	cr_assert_eq(check_copy("\0", 1, &err), -1);
	cr_assert_eq(check_copy("1\0", 2, &err), -1);
	cr_assert_eq(check_copy("\"a\0b\"", 5, &err), -1);
}

/* `depth` arrays around nothing, with brackets in strings that do not count. */
static char *nested(size_t depth)
{
	char *text = malloc(2 * depth + 64);
	size_t len = 0;

	cr_assert_not_null(text);
	for (size_t at = 0; at + 1 < depth; at++)
		text[len++] = '[';
	len += (size_t)sprintf(text + len, "[\"[[[[{{{{\\\"[[\"]");
	for (size_t at = 0; at + 1 < depth; at++)
		text[len++] = ']';
	text[len] = '\0';
	return text;
}

Test(json_check, allows_1024_levels_and_no_more)
{
	char *fits = nested(1024), *deeper = nested(1025), *deepest = nested(500000);
	struct error err;

	cr_assert_eq(check_copy(fits, strlen(fits), &err), 0, "%s", err.text);
	cr_assert_eq(check_copy(deeper, strlen(deeper), &err), -1);
	cr_assert(strstr(err.text, "1024") != NULL, "%s", err.text);
	cr_assert_eq(check_copy(deepest, strlen(deepest), &err), -1);
	free(fits);
	free(deeper);
	free(deepest);
}

/* It takes more memory than any right text of its length; that is no want of memory. */
Test(json_check, refuses_arrays_without_an_end_as_what_they_are)
{
	struct error err;
	char text[4000];

	memset(text, '[', sizeof(text));
	for (size_t len = 1; len <= sizeof(text); len += 37) {
		cr_assert_eq(check_copy(text, len, &err), -1, "%zu were taken", len);
		cr_assert_eq(err.code, ERR_ITEM_INVALID, "%zu: %s", len, err.text);
	}
}

Test(json_check, takes_a_wide_item_with_many_brackets)
{
	struct buf text = BUF_INIT;
	struct error err;

	buf_append_str(&text, "[0");
	for (int at = 0; at < 5000; at++)
		buf_append_str(&text, ",{\"a\":[]}");
	buf_append_str(&text, "]");
	cr_assert_eq(check_copy(text.data, text.len, &err), 0, "%s", err.text);
	buf_done(&text);
}

Test(json_check, keeps_no_large_pool_behind_a_large_item)
{
	size_t len = 4 << 20;
	char *text = malloc(len);
	struct error err;

	memset(text, ' ', len);
	text[0] = '[';
	text[len - 1] = ']';
	cr_assert_eq(json_check(check, text, len, &err), 0, "%s", err.text);
	cr_assert_eq(json_check(check, "[1]", 3, &err), 0, "%s", err.text);
	free(text);
}
