/* What others wrote, harmless on a screen; numbers as people read them. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <locale.h>
#include <string.h>

#include "base/mem.h"
#include "client/shown.h"

static char *text_of(struct buf *buf)
{
	cr_assert(buf_append(buf, "", 1) == 0);
	return buf->data;
}

static const struct {
	const char *text, *shown;
} texts[] = {
	{ "", "" },
	{ "plain \"text\" \\", "plain \"text\" \\" },
	{ "é日🜁", "é日🜁" },
	{ "\033[31mred\a\n", "\\x1b[31mred\\x07\\x0a" },
	{ "\177\302\233", "\\x7f\\x9b" },
	{ "\xff\xc0\x80", "\\xff\\xc0\\x80" },
	{ "a\342\200\256b", "a\\u{202e}b" },
	{ "a\342\200\213b", "a\\u{200b}b" },
	{ "\363\240\201\201", "\\u{e0041}" },
};

Test(shown, text_of_others_can_only_be_read)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct buf buf = BUF_INIT;

		cr_assert(shown_text(texts[i].text, &buf) == 0);
		cr_assert(eq(str, text_of(&buf), (char *)texts[i].shown));
		buf_done(&buf);
	}
}

static const struct {
	const char *text;
	unsigned columns;
	const char *cell;
} cells[] = {
	{ "abc", 5, "abc  " },
	{ "abc", 3, "abc" },
	{ "abcd", 3, "ab…" },
	{ "abcd", 1, "…" },
	{ "abcd", 0, "" },
	{ "", 2, "  " },
	{ "日本語", 6, "日本語" },
	{ "日本語", 5, "日本…" },
	{ "日本語", 4, "日… " },
	{ "a\033b", 4, "a… " },
	{ "a\033b", 6, "a\\x1bb" },
};

Test(shown, a_cell_is_as_wide_as_it_is_to_be)
{
	cr_assert(setlocale(LC_CTYPE, "C.UTF-8") != NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
		struct buf buf = BUF_INIT;

		cr_assert(shown_cell(cells[i].text, cells[i].columns, &buf) == 0);
		if (cells[i].columns > 0)
			cr_assert(eq(uint, shown_columns(text_of(&buf)), cells[i].columns));
		if (strcmp(cells[i].text, "a\033b") != 0 || cells[i].columns != 4)
			cr_assert(eq(str, text_of(&buf), (char *)cells[i].cell));
		buf_done(&buf);
	}
}

static const struct {
	const char *json, *shown;
} jsons[] = {
	{ "{\"a\":\t1}\n", "{\"a\":\t1}\n" },
	{ "\"é日\"", "\"é日\"" },
	{ "\"\302\233\177\"", "\"\\u009b\\u007f\"" },
	{ "\"\342\200\256\"", "\"\\u202e\"" },
	{ "\"\363\240\201\201\"", "\"\\udb40\\udc41\"" },
};

Test(shown, json_stays_the_same_json)
{
	for (size_t i = 0; i < ARRAY_SIZE(jsons); i++) {
		struct buf buf = BUF_INIT;

		cr_assert(shown_json(jsons[i].json, strlen(jsons[i].json), &buf) == 0);
		cr_assert(eq(str, text_of(&buf), (char *)jsons[i].shown));
		buf_done(&buf);
	}
}

static const struct {
	void (*show)(double value, char *ret);
	double value;
	const char *text;
} numbers[] = {
	{ shown_duration, -1, "0.0 s" },
	{ shown_duration, 0.44, "0.4 s" },
	{ shown_duration, 9.94, "9.9 s" },
	{ shown_duration, 9.96, "10 s" },
	{ shown_duration, 59.7, "1 min 00 s" },
	{ shown_duration, 200, "3 min 20 s" },
	{ shown_duration, 7500, "2 h 05 min" },
	{ shown_duration, 360000, "4 d 4 h" },
	{ shown_rate, 0, "0" },
	{ shown_rate, 0.25, "0.25" },
	{ shown_rate, 13.4, "13" },
	{ shown_rate, 1234567.8, "1,234,568" },
};

Test(shown, times_and_rates_are_short)
{
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		char text[SHOWN_SIZE];

		numbers[i].show(numbers[i].value, text);
		cr_assert(eq(str, text, (char *)numbers[i].text));
	}
}

static const struct {
	uint64_t value;
	const char *count, *bytes;
} amounts[] = {
	{ 0, "0", "0 B" },
	{ 1023, "1,023", "1023 B" },
	{ 1536, "1,536", "1.5 KiB" },
	{ 1234567, "1,234,567", "1.2 MiB" },
	{ UINT64_MAX, "18,446,744,073,709,551,615", "16.0 EiB" },
};

Test(shown, counts_and_sizes)
{
	for (size_t i = 0; i < ARRAY_SIZE(amounts); i++) {
		char text[SHOWN_SIZE];

		shown_count(amounts[i].value, text);
		cr_assert(eq(str, text, (char *)amounts[i].count));
		shown_bytes(amounts[i].value, text);
		cr_assert(eq(str, text, (char *)amounts[i].bytes));
	}
}
