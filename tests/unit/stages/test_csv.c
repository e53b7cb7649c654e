/* stage_csv: rows into objects, whatever the pieces; what is refused, and with which words. */
#include <criterion/criterion.h>

#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"

/* The n-th allocation fails, from 1; 0: none does. */
static unsigned fail_at, allocations;

static void *counted_realloc(void *old, size_t size)
{
	if (++allocations == fail_at)
		return NULL;
	return realloc(old, size);
}

#define STAGE_CSV_REALLOC counted_realloc
#define STAGE_CSV_FREE    free
#include "stages/stage_csv.h"

static void write_down(struct stage_csv *csv, struct buf *out)
{
	enum stage_csv_result got;
	struct stage_csv_row row;

	while ((got = stage_csv_next(csv, &row)) != STAGE_CSV_MORE) {
		cr_assert_neq(got, STAGE_CSV_NOMEM);
		if (got == STAGE_CSV_ROW)
			buf_printf(out, "%s", row.json);
		else
			buf_printf(out, "!%d@%d%s %s", (int)row.row, (int)row.line,
				row.fatal ? "!" : "", row.error);
		buf_append(out, "\n", 1);
	}
}

static void read_in_pieces(const struct stage_csv_options *options, const char *text,
	size_t len, size_t piece, struct buf *out)
{
	struct stage_csv csv;
	char *copy;

	buf_clear(out);
	stage_csv_init(&csv, options);
	for (size_t at = 0; at < len; at += piece) {
		size_t part = MIN(piece, len - at);

		copy = malloc(part); /* of exact size: reading beyond it is seen */
		memcpy(copy, text + at, part);
		stage_csv_feed(&csv, copy, part);
		write_down(&csv, out);
		free(copy);
	}
	stage_csv_feed(&csv, NULL, 0);
	stage_csv_end(&csv);
	write_down(&csv, out);
	stage_csv_done(&csv);
	buf_append(out, "", 1);
}

/* However it is cut. */
static void expect_n(
	struct stage_csv_options options, const char *text, size_t len, const char *expected)
{
	struct buf out = BUF_INIT;

	if (options.row_max == 0)
		options.row_max = 1000;
	for (size_t piece = 1; piece <= len + 1; piece++) {
		read_in_pieces(&options, text, len, piece, &out);
		cr_assert_str_eq(out.data, expected, "in pieces of %zu:\n%s\ninstead of\n%s",
			piece, out.data, expected);
	}
	buf_done(&out);
}

static void expect(struct stage_csv_options options, const char *text, const char *expected)
{
	expect_n(options, text, strlen(text), expected);
}

#define PLAIN                      \
	(struct stage_csv_options) \
	{                          \
		0                  \
	}
#define INFER                      \
	(struct stage_csv_options) \
	{                          \
		.infer = true      \
	}

Test(csv, a_row_is_an_object_of_strings_named_by_the_header)
{
	expect(PLAIN, "a,b\n1,x y\n2,\n",
		"{\"a\":\"1\",\"b\":\"x y\"}\n{\"a\":\"2\",\"b\":\"\"}\n");
	expect(PLAIN, "a\n1", "{\"a\":\"1\"}\n");
	expect(PLAIN, "", "");
	expect(PLAIN, "\r\n\n", "");
	expect(PLAIN, "a,b\n", "");
}

Test(csv, quotes_commas_and_line_ends_as_rfc_4180_has_them)
{
	expect(PLAIN, "a,b\r\n\"x,y\",\"he said \"\"hi\"\"\"\r\n\"two\r\nlines\",\"\"\r\n",
		"{\"a\":\"x,y\",\"b\":\"he said \\\"hi\\\"\"}\n"
		"{\"a\":\"two\\u000d\\u000alines\",\"b\":\"\"}\n");
	expect(PLAIN, "\"a,\"\"1\"\"\",\"b\nc\"\n1,2\n",
		"{\"a,\\\"1\\\"\":\"1\",\"b\\u000ac\":\"2\"}\n");
}

Test(csv, a_quote_inside_an_unquoted_field_is_a_character)
{
	expect(PLAIN, "a,b\n5\" pipe,it\"s\n", "{\"a\":\"5\\\" pipe\",\"b\":\"it\\\"s\"}\n");
}

Test(csv, what_json_escapes_is_escaped)
{
	expect(PLAIN, "a\nx\\y\t\x01é\n", "{\"a\":\"x\\\\y\\u0009\\u0001é\"}\n");
}

Test(csv, a_byte_order_mark_and_blank_lines_are_passed_over)
{
	expect(PLAIN,
		"\xef\xbb\xbf"
		"a\n\n1\n\r\n2\n",
		"{\"a\":\"1\"}\n{\"a\":\"2\"}\n");
}

Test(csv, a_column_without_name_is_named_by_its_number)
{
	expect(PLAIN, ",b,\n1,2,3\n", "{\"c1\":\"1\",\"b\":\"2\",\"c3\":\"3\"}\n");
}

Test(csv, another_delimiter_is_obeyed)
{
	expect((struct stage_csv_options){ .delimiter = ';' }, "a;b\n1,5;\"x;y\"\n",
		"{\"a\":\"1,5\",\"b\":\"x;y\"}\n");
	expect((struct stage_csv_options){ .delimiter = '\t' }, "a\tb\n1\t2\n",
		"{\"a\":\"1\",\"b\":\"2\"}\n");
}

Test(csv, without_header_columns_are_named_or_numbered)
{
	expect((struct stage_csv_options){ .header_absent = true }, "1,2\n3,4\n",
		"{\"c1\":\"1\",\"c2\":\"2\"}\n{\"c1\":\"3\",\"c2\":\"4\"}\n");
	expect(
		(struct stage_csv_options){
			.header_absent = true, .columns = "x,\"y,z\"", .delimiter = ';' },
		"1;2\n", "{\"x\":\"1\",\"y,z\":\"2\"}\n");
}

Test(csv, unquoted_literals_are_inferred_when_asked_for)
{
	expect(INFER, "a,b\n1,-0.5e+3\n007,1.\ntrue,null\nTRUE,\n\"1\",\"\"\n-,1e\n+1,.5\n",
		"{\"a\":1,\"b\":-0.5e+3}\n{\"a\":\"007\",\"b\":\"1.\"}\n"
		"{\"a\":true,\"b\":null}\n{\"a\":\"TRUE\",\"b\":null}\n"
		"{\"a\":\"1\",\"b\":\"\"}\n{\"a\":\"-\",\"b\":\"1e\"}\n"
		"{\"a\":\"+1\",\"b\":\".5\"}\n");
}

Test(csv, a_wrong_row_says_what_is_wrong_and_the_next_one_is_read)
{
	expect(PLAIN, "a,b\n1\n1,2,3\n1,\n",
		"!1@2 1 field where there are 2 columns\n"
		"!2@3 3 fields where there are 2 columns\n"
		"{\"a\":\"1\",\"b\":\"\"}\n");
	expect(PLAIN, "a\n1,2,\n", "!1@2 3 fields where there is 1 column\n");
	expect(PLAIN, "a,b\n\"x\"y,1\n1,2\n",
		"!1@2 field 1 \"a\": there is text behind its closing quote; a quote inside a "
		"quoted field is written twice\n{\"a\":\"1\",\"b\":\"2\"}\n");
	expect(PLAIN, "a,b\n\"1\n\n\",2\n\xff,1\n3,4\n",
		"{\"a\":\"1\\u000a\\u000a\",\"b\":\"2\"}\n!2@5 not UTF-8 at byte 1\n"
		"{\"a\":\"3\",\"b\":\"4\"}\n");
	expect(PLAIN, "a,b\n1,\"2\n3,4\n", "!1@2 field 2 \"b\": its quote is not closed\n");
	expect_n(PLAIN, "a\nx\0y\nz\n", 8,
		"!1@2 it holds a NUL byte; perhaps the file is UTF-16: send UTF-8\n"
		"{\"a\":\"z\"}\n");
}

Test(csv, a_row_that_is_too_long_is_refused_without_being_kept)
{
	expect((struct stage_csv_options){ .row_max = 12 },
		"a\n1234\n12345\n\"\n\n123456789012\"\n1\n",
		"{\"a\":\"1234\"}\n"
		"!2@3 longer than the 12 bytes allowed for an item; is a quote not closed?\n"
		"!3@4 longer than the 12 bytes allowed for an item; is a quote not closed?\n"
		"{\"a\":\"1\"}\n");
	/* Six times as long as JSON. */
	expect((struct stage_csv_options){ .row_max = 14 }, "a\n\x01\n\x01\x01\n",
		"{\"a\":\"\\u0001\"}\n"
		"!2@3 longer than the 14 bytes allowed for an item; is a quote not closed?\n");
}

Test(csv, a_wrong_header_is_fatal)
{
	expect(PLAIN, "a,b,a\n1,2,3\n",
		"!0@1! the header: field 3 \"a\": another column (1) has this name\n");
	expect(PLAIN, "c2,\n1,2\n",
		"!0@1! the header: field 2 \"c2\": another column (1) has this name\n");
	expect(PLAIN, "a\xff\n1\n", "!0@1! the header: not UTF-8 at byte 2\n");
	expect(PLAIN, "\"a\n1\n", "!0@1! the header: field 1: its quote is not closed\n");
	expect((struct stage_csv_options){ .row_max = 4 }, "abcdef\n1\n",
		"!0@1! the header: longer than the 4 bytes allowed for an item; is a quote not "
		"closed?\n");
}

Test(csv, has_a_bound_for_columns)
{
	struct stage_csv_options options = { .row_max = 1 << 20 };
	struct buf text = BUF_INIT, out = BUF_INIT;

	for (int i = 0; i < STAGE_CSV_COLUMNS_MAX; i++)
		buf_append(&text, ",", 1);
	buf_append(&text, "\n", 1);
	read_in_pieces(&options, text.data, text.len, text.len, &out);
	cr_assert_str_eq(out.data, "!0@1! the header: more than 10000 columns\n");
	buf_done(&text);
	buf_done(&out);
}

/* In pieces of three bytes; true: it went to the end. */
static bool survives(const char *text)
{
	enum stage_csv_result got = STAGE_CSV_MORE;
	size_t len = strlen(text);
	struct stage_csv_row row;
	struct stage_csv csv;

	stage_csv_init(&csv, &(struct stage_csv_options){ .row_max = 2000 });
	for (size_t at = 0; at < len && got == STAGE_CSV_MORE; at += 3) {
		stage_csv_feed(&csv, text + at, MIN((size_t)3, len - at));
		do
			got = stage_csv_next(&csv, &row);
		while (got == STAGE_CSV_ROW || got == STAGE_CSV_ERROR);
	}
	stage_csv_done(&csv);
	return got == STAGE_CSV_MORE;
}

Test(csv, says_when_there_is_no_memory_and_keeps_none)
{
	char text[1200] = "a,b\n1,2\n3\n";
	unsigned failures = 0;

	memset(text + strlen(text), 'x', 1000);
	strcat(text, ",2\n");
	for (fail_at = 1; fail_at < 100; fail_at++) {
		allocations = 0;
		failures += !survives(text);
		if (allocations < fail_at)
			break;
	}
	/* Giving memory back may fail, too: that is no failure. */
	cr_assert_geq(failures, 6);
	cr_assert_leq(fail_at - 1 - failures, 1);
	fail_at = 0;
	cr_assert(survives(text));
}
