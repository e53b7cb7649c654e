/* What stages/stage_*.h promise to a stage's author. */
#include <criterion/criterion.h>

#include <float.h>
#include <stdio.h>

#include "base/mem.h"
#include "stages/stage_number.h"
#include "stages/stage_slice.h"
#include "stages/stage_write.h"
#include "stages/stage_yyjson.h"

static struct stage_slice slice(const char *text)
{
	return (struct stage_slice){ text, strlen(text) };
}

/* The slice at `pointer` as a string, "-" where there is none. */
static char *found(const char *text, const char *pointer)
{
	struct stage_path path;
	struct stage_slice value;
	char *copy;

	cr_assert(stage_path_init(&path, pointer));
	value = stage_slice_find(slice(text), &path);
	copy = value.at != NULL ? mem_strndup(value.at, value.len) : mem_strdup("-");
	stage_path_done(&path);
	return copy;
}

Test(slice, finds_what_a_json_pointer_names)
{
	static const struct {
		const char *text, *pointer, *value;
	} rows[] = {
		{ "{\"a\":1}", "", "{\"a\":1}" },
		{ "{\"a\":1}", "/a", "1" },
		{ "{\"a\":1}", "/b", "-" },
		{ "{\"a\":1}", "/a/b", "-" },
		{ "{}", "/a", "-" },
		{ "[]", "/0", "-" },
		{ "[10,[20,30]]", "/1/1", "30" },
		{ "[10,[20,30]]", "/2", "-" },
		{ "[10,[20,30]]", "/01", "-" },
		{ "[10,[20,30]]", "/-", "-" },
		{ "[10,[20,30]]", "/99999999999999999999999", "-" },
		{ "{\"0\":\"x\"}", "/0", "\"x\"" },
		{ "{\"\":{\"\":2}}", "//", "2" },
		{ "{\"a/b\":1,\"m~n\":2}", "/a~1b", "1" },
		{ "{\"a/b\":1,\"m~n\":2}", "/m~0n", "2" },
		{ "{\"~1\":3}", "/~01", "3" },
		{ "{\"x\":\"}],\\\"\",\"a\":[{\"b\":\"]\"},true]}", "/a/1", "true" },
		{ "{\"x\":\"\\\\\",\"a\":\"\\\\\\\"\"}", "/a", "\"\\\\\\\"\"" },
		{ "{ \"a\" : [ 1 , { \"b\" : null } ] }", "/a/1/b", "null" },
		{ "{\"long name of many letters\":1,\"b\":-1.5e3}", "/b", "-1.5e3" },
		{ "{\"\\u0061\":7}", "/a", "7" },
		{ "{\"a\\\\\":7}", "/a\\", "7" },
		{ "{\"a\":1,\"a\":2}", "/a", "1" },
		{ "5", "", "5" },
		{ "5", "/a", "-" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_free_ char *value = found(rows[i].text, rows[i].pointer);

		cr_expect(strcmp(value, rows[i].value) == 0, "%s at '%s': %s", rows[i].text,
			rows[i].pointer, value);
	}
}

/* All lengths, so that every way through the eight-bytes-at-once loops is taken. */
Test(slice, strings_of_any_length_and_place_of_escapes_are_skipped)
{
	char text[160], pad[64];

	for (size_t len = 0; len < 40; len++) {
		for (size_t escape = 0; escape <= len; escape++) {
			_auto_free_ char *value = NULL;

			memset(pad, 'x', len);
			pad[len] = '\0';
			snprintf(text, sizeof(text),
				"{\"k\":\"%.*s\\\"%s\",\"n\":[\"%s\\\\\"],\"v\":42}",
				(int)escape, pad, pad + escape, pad);
			value = found(text, "/v");
			cr_expect(strcmp(value, "42") == 0, "%s: %s", text, value);
		}
	}
}

Test(slice, strings_are_unescaped)
{
	static const struct {
		const char *json, *text;
	} rows[] = {
		{ "\"\"", "" },
		{ "\"abc\"", "abc" },
		{ "\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"", "a\"\\/\b\f\n\r\tz" },
		{ "\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"",
			"A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\"\\u005c\\u0022\"", "\\\"" },
		{ "\"\\ud83d\"", "\xef\xbf\xbd" },
		{ "\"\\ud83dx\"", "\xef\xbf\xbdx" },
	};
	char to[64];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = stage_slice_unescape(slice(rows[i].json), to);

		cr_expect(len == strlen(rows[i].text) && memcmp(to, rows[i].text, len) == 0,
			"%s", rows[i].json);
		cr_expect(stage_slice_is(slice(rows[i].json), rows[i].text, len), "%s",
			rows[i].json);
		cr_expect(!stage_slice_is(slice(rows[i].json), "other", 5), "%s", rows[i].json);
	}
}

Test(slice, text_that_looks_like_an_escape_is_not_one)
{
	cr_expect(!stage_slice_is(slice("\"a\\nb\""), "a\\nb", 4));
	cr_expect(stage_slice_is(slice("\"a\\nb\""), "a\nb", 3));
}

Test(write, numbers_and_escapes)
{
	char to[256], *end;

	end = stage_put_int(to, INT64_MIN);
	end = stage_put(end, " ", 1);
	end = stage_put_uint(end, UINT64_MAX);
	end = stage_put(end, " ", 1);
	end = stage_put_int(end, 0);
	*end = '\0';
	cr_expect_str_eq(to, "-9223372036854775808 18446744073709551615 0");
	end = stage_put_escaped(to, "a\"\\\n\x1f\xc3\xa9", 7);
	*end = '\0';
	cr_expect_str_eq(to, "a\\\"\\\\\\u000a\\u001f\xc3\xa9");
	end = stage_put_hex(to, (const uint8_t *)"\x00\x9f\xff", 3);
	*end = '\0';
	cr_expect_str_eq(to, "009fff");
}

Test(write, decimals_have_as_few_digits_as_say_them_exactly)
{
	static const struct {
		double number;
		const char *text;
	} rows[] = { { 0.1, "0.1" }, { 19.99, "19.99" }, { 25, "25.0" }, { -0.0, "-0.0" },
		{ DBL_MAX, "1.7976931348623157e308" }, { DBL_TRUE_MIN, "5e-324" },
		{ -1.0 / 3, "-0.3333333333333333" }, { HUGE_VAL, "null" }, { NAN, "null" } };
	char to[STAGE_REAL_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		*stage_put_real(to, rows[i].number) = '\0';
		cr_expect_str_eq(to, rows[i].text);
	}
}

static int compared(const char *a, const char *b)
{
	struct stage_number x, y;

	cr_assert(stage_slice_number(slice(a), &x) && stage_slice_number(slice(b), &y));
	return stage_number_compare(&x, &y);
}

Test(number, compares_by_worth)
{
	/* In ascending order; every pair is tried. */
	static const char *const rows[] = { "-1e400", "-1e300", "-18446744073709551615",
		"-9223372036854775809", "-9223372036854775807", "-10", "-1.5", "-1", "-1e-300",
		"0", "5e-324", "0.99", "1", "1.0000000000000002", "10", "123456789012345678",
		"123456789012345679", "9223372036854775807", "9223372036854775808",
		"18446744073709551615", "1e300", "1e400" };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t j = 0; j < ARRAY_SIZE(rows); j++) {
			int wanted = (i > j) - (i < j);

			/* Beyond 64 bits below zero, doubles decide. */
			if (i != j && (i == 2 || i == 3 || j == 2 || j == 3) && i + j < 9 &&
				i > 1 && j > 1)
				continue;
			cr_expect(compared(rows[i], rows[j]) == wanted, "%s, %s", rows[i],
				rows[j]);
		}
	cr_expect(compared("10", "1e1") == 0);
	cr_expect(compared("0", "-0") == 0);
	cr_expect(compared("0", "-0.0") == 0);
	cr_expect(compared("9007199254740993", "9007199254740992") > 0);
}

Test(number, what_is_no_number_is_none)
{
	struct stage_number number;

	cr_expect(!stage_slice_number(slice("\"1\""), &number));
	cr_expect(!stage_slice_number(slice("null"), &number));
	cr_expect(!stage_slice_number((struct stage_slice){ NULL, 0 }, &number));
}
