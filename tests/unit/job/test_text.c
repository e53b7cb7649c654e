#include <criterion/criterion.h>

#include <string.h>

#include "base/mem.h"
#include "job/pointer.h"
#include "job/text.h"

Test(text, utf8_is_what_unicode_says)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{ "a", 1 },
		{ "\xc3\xa9", 2 },
		{ "\xe2\x82\xac", 3 },
		{ "\xf0\x9f\x98\x80", 4 },
		{ "\xed\x9f\xbf", 3 },
		{ "\xee\x80\x80", 3 },
		{ "\xf4\x8f\xbf\xbf", 4 },
		{ "\x80", 0 },
		{ "\xc0\x80", 0 },
		{ "\xc1\xbf", 0 },
		{ "\xe0\x80\x80", 0 },
		{ "\xed\xa0\x80", 0 },
		{ "\xf0\x80\x80\x80", 0 },
		{ "\xf4\x90\x80\x80", 0 },
		{ "\xf5\x80\x80\x80", 0 },
		{ "\xff", 0 },
		{ "\xc3", 0 },
		{ "\xe2\x82", 0 },
		{ "\xc3(", 0 },
		{ "\xf0\x9f\x98(", 0 },
		{ "", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect(text_char_len(rows[i].bytes, strlen(rows[i].bytes)) == rows[i].len,
			"row %zu", i);
}

Test(text, printable_is_without_controls)
{
	cr_expect(text_is_printable("", 0));
	cr_expect(text_is_printable("Z\xc3\xbcrich \xf0\x9f\x98\x80~", 13));
	cr_expect(!text_is_printable("a\tb", 3));
	cr_expect(!text_is_printable("a\x7f", 2));
	cr_expect(!text_is_printable("a\0b", 3));
	cr_expect(!text_is_printable("\xc2\x85", 2));
	cr_expect(text_is_printable("\xc2\xa0", 2));
	cr_expect(!text_is_printable("\xc2", 1));
}

Test(text, cleaning_keeps_the_length_of_what_is_good)
{
	char text[] = "a\xff\xc3\xa9\n\xc2\x85z";

	text_clean(text);
	cr_expect_str_eq(text, "a?\xc3\xa9???z");
}

Test(text, names)
{
	char longest[66];

	memset(longest, 'x', 65);
	longest[65] = '\0';
	cr_expect(text_is_name("a", 1) && text_is_name("A-_9", 4) && text_is_name(longest, 64));
	cr_expect(!text_is_name("", 0) && !text_is_name("a.b", 3) &&
		  !text_is_name("\xc3\xa9", 2));
	cr_expect(!text_is_name(longest, 65) && !text_is_name("a\0", 2));
}

Test(text, whole_numbers)
{
	static const struct {
		const char *text;
		unsigned long long max;
		bool good;
		unsigned long long value;
	} rows[] = {
		{ "0", 10, true, 0 },
		{ "10", 10, true, 10 },
		{ "11", 10, false, 0 },
		{ "007", 10, true, 7 },
		{ "5", 3, false, 0 },
		{ "", 10, false, 0 },
		{ "-1", 10, false, 0 },
		{ "+1", 10, false, 0 },
		{ " 1", 10, false, 0 },
		{ "1 ", 10, false, 0 },
		{ "1e1", 10, false, 0 },
		{ "18446744073709551615", ~0ull, true, ~0ull },
		{ "18446744073709551616", ~0ull, false, 0 },
		{ "99999999999999999999", ~0ull, false, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned long long value = 0;

		cr_expect(text_to_uint(rows[i].text, rows[i].max, &value) == rows[i].good, "%s",
			rows[i].text);
		cr_expect(value == rows[i].value, "%s", rows[i].text);
	}
}

static const char *near(const char *word)
{
	static const char *const words[] = { "aggregate", "explode", "fail", "filter", "pass",
		"pick", "range", "sha256", "sleep" };
	struct nearest nearest;

	nearest_init(&nearest, word);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		nearest_offer(&nearest, words[i]);
	return nearest_best(&nearest);
}

Test(nearest, finds_misspelt_words_and_nothing_else)
{
	static const struct {
		const char *word, *best;
	} rows[] = {
		{ "sha265", "sha256" },
		{ "SHA256", "sha256" },
		{ "sha-256", "sha256" },
		{ "filtr", "filter" },
		{ "fliter", "filter" },
		{ "pas", "pass" },
		{ "aggregat", "aggregate" },
		{ "agregates", "aggregate" },
		{ "sleeep", "sleep" },
		{ "agg", "aggregate" },
		{ "md5", NULL },
		{ "zebra", NULL },
		{ "", NULL },
		{ "p", NULL },
		{ "aggregate-by-the-city-and-then-by-something-else-again", NULL },
		{ "0123456789012345678901234567890123456789012345678901234567890123456789",
			NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *best = near(rows[i].word);

		cr_expect((best == NULL) == (rows[i].best == NULL), "%s", rows[i].word);
		if (best != NULL && rows[i].best != NULL)
			cr_expect_str_eq(best, rows[i].best);
	}
}

Test(pointer, escapes_and_stays_within_its_size)
{
	char key[700];
	struct pointer pointer;

	cr_expect_str_eq(pointer_at("", "a").text, "/a");
	cr_expect_str_eq(pointer_at("/a", "b/c~d").text, "/a/b~1c~0d");
	cr_expect_str_eq(pointer_at("/a", "").text, "/a/");
	cr_expect_str_eq(pointer_index("/stages", 12).text, "/stages/12");
	for (size_t len = 480; len < sizeof(key) - 1; len++) {
		memset(key, 'x', len);
		key[len] = '\0';
		pointer = pointer_at("/a", key);
		cr_expect(strlen(pointer.text) < POINTER_MAX);
		if (len > 520)
			cr_expect(strcmp(pointer.text + strlen(pointer.text) - 3, "…") == 0);
		pointer = pointer_at(pointer.text, key);
		cr_expect(strlen(pointer.text) < POINTER_MAX);
	}
}
