/* split: the same items whatever the pieces; what is refused, and with which number. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/split.h"

/* What came out, as text: items in <>, errors as !line:slug, then the lines behind. */
static void write_down(struct split *split, struct buf *out)
{
	enum split_result got;
	struct split_item item;

	while ((got = split_next(split, &item)) != SPLIT_MORE) {
		cr_assert_neq(got, SPLIT_NOMEM);
		if (got == SPLIT_ITEM)
			buf_printf(out, "%d+%d<%.*s>", (int)item.line, (int)item.lines,
				(int)item.len, item.bytes);
		else
			buf_printf(out, "!%d+%d:%s%s", (int)item.line, (int)item.lines,
				error_info(item.err.code)->slug, item.fatal ? "!" : "");
	}
}

static void split_in_pieces(enum split_shape shape, size_t item_max, const char *body,
	size_t len, size_t piece, struct buf *out)
{
	struct split split;
	char *copy;

	buf_clear(out);
	split_init(&split, shape, item_max);
	for (size_t at = 0; at < len; at += piece) {
		size_t part = MIN(piece, len - at);

		/* A copy of exact size: reading beyond it is seen by the sanitizer. */
		copy = malloc(part);
		memcpy(copy, body + at, part);
		split_feed(&split, copy, part);
		write_down(&split, out);
		memset(copy, 'X', part);
		free(copy);
	}
	split_end(&split);
	write_down(&split, out);
	buf_printf(out, "~%d", (int)split_trailing_lines(&split));
	split_done(&split);
	buf_append(out, "", 1);
}

#define X10  "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

static const struct {
	enum split_shape shape;
	const char *body, *expected;
} oddities[] = {
	{ SPLIT_LINES, "", "~0" },
	{ SPLIT_LINES, "\n", "~1" },
	{ SPLIT_LINES, "1", "1+1<1>~0" },
	{ SPLIT_LINES, "1\n2\n", "1+1<1>2+1<2>~0" },
	{ SPLIT_LINES, "1\n2", "1+1<1>2+1<2>~0" },
	{ SPLIT_LINES, "1\r\n2\r\n\r\n", "1+1<1>2+1<2>~1" },
	{ SPLIT_LINES, "\n\n 1 \n\t\n2\n\n", "3+3< 1 >5+2<2>~1" },
	{ SPLIT_LINES, "\xef\xbb\xbf{}\n\xef\xbb\xbf", "1+1<{}>2+1<\xef\xbb\xbf>~0" },
	{ SPLIT_LINES, "\xef\xbb\xbf\n1", "2+2<1>~0" },
	{ SPLIT_LINES, "1\n\"xxxxxxxx\"\n2\n", "1+1<1>2+1<\"xxxxxxxx\">3+1<2>~0" },
	{ SPLIT_LINES, "1\n\"xxxxxxxxx\"\n2\n", "1+1<1>!2+1:item-too-large3+1<2>~0" },
	{ SPLIT_LINES, "\"xxxxxxxx\"\r\n2", "1+1<\"xxxxxxxx\">2+1<2>~0" },
	{ SPLIT_LINES, "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "!1+1:item-too-large~0" },
	{ SPLIT_LINES, "   \n  ", "~2" },
	{ SPLIT_LINES, "\n\"xxxxxxxxxxxxxxxxxxxx\"\n\n5", "!2+2:item-too-large4+2<5>~0" },
	{ SPLIT_JSON, "", "~0" },
	{ SPLIT_JSON, " \n", "!1+1:item-invalid!~0" },
	{ SPLIT_JSON, "5", "1+1<5>~0" },
	{ SPLIT_JSON, " {\"a\":\r\n1}\n ", "1+1<{\"a\":  1}>~0" },
	{ SPLIT_JSON, "[]", "~0" },
	{ SPLIT_JSON, "\xef\xbb\xbf [ ] \n", "~0" },
	{ SPLIT_JSON, "[1,2]", "1+1<1>2+1<2>~0" },
	{ SPLIT_JSON, "[ [1,2] ,\n{\"a\":[]}\n]", "1+1<[1,2]>2+1<{\"a\":[]}>~0" },
	{ SPLIT_JSON, "[\"a,]\\\"\",\"\\\\\"]", "1+1<\"a,]\\\"\">2+1<\"\\\\\">~0" },
	{ SPLIT_JSON, "[1,]", "1+1<1>!2+1:item-invalid~0" },
	{ SPLIT_JSON, "[,1]", "!1+1:item-invalid2+1<1>~0" },
	{ SPLIT_JSON, "[1,,2]", "1+1<1>!2+1:item-invalid3+1<2>~0" },
	{ SPLIT_JSON, "[1 2]", "1+1<1 2>~0" },
	{ SPLIT_JSON, "[1,2", "1+1<1>!2+1:item-invalid!~0" },
	{ SPLIT_JSON, "[1,", "1+1<1>!1+0:item-invalid!~0" },
	{ SPLIT_JSON, "[1] x", "1+1<1>!1+0:item-invalid!~0" },
	{ SPLIT_JSON, "[1}]", "1+1<1}>~0" },
	{ SPLIT_JSON, "[\"xxxxxxxxxxxx\",2]", "!1+1:item-too-large2+1<2>~0" },
	{ SPLIT_JSON, "\"xxxxxxxxxxxx\"", "!1+1:item-too-large!~0" },
	{ SPLIT_JSON, "1 2", "1+1<1 2>~0" },
	/* So long that it is skipped while it comes, with quotes and brackets on the way. */
	{ SPLIT_JSON, "[{\"a\":\n\"" X100 "\",\"]\":[\"\\\"]\"]},2]",
		"!1+1:item-too-large2+1<2>~0" },
	{ SPLIT_JSON, "[1,\"" X100 "]", "1+1<1>!2+1:item-too-large!2+0:item-invalid!~0" },
	{ SPLIT_JSON, "{\"a\":\"" X100 "\"}", "!1+1:item-too-large!~0" },
};

Test(split, tells_oddities_the_same_in_pieces_of_every_size)
{
	struct buf out = BUF_INIT;

	for (size_t at = 0; at < ARRAY_SIZE(oddities); at++) {
		size_t len = strlen(oddities[at].body);

		for (size_t piece = 1; piece <= len + 1; piece++) {
			split_in_pieces(
				oddities[at].shape, 10, oddities[at].body, len, piece, &out);
			cr_assert_str_eq(out.data, oddities[at].expected,
				"row %zu in pieces of %zu: %s", at, piece, out.data);
		}
	}
	buf_done(&out);
}

/* Lines and elements of many lengths, some with CRLF, some blank. */
static void make_corpus(struct buf *body, bool array, unsigned seed)
{
	srand(seed);
	buf_clear(body);
	if (array)
		buf_append_str(body, "[");
	for (int item = 0; item < 60; item++) {
		if (array && item > 0)
			buf_append_str(body, rand() % 3 == 0 ? " ,\n" : ",");
		buf_printf(body, "{\"n\":%d,\"t\":\"%.*s\\\"],}\"}", item, rand() % 40,
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
		if (!array)
			buf_append_str(body, rand() % 3 == 0 ? "\r\n\n" : "\n");
	}
	if (array)
		buf_append_str(body, "]\n");
}

Test(split, gives_the_same_items_for_pieces_of_every_size)
{
	struct buf body = BUF_INIT, whole = BUF_INIT, parts = BUF_INIT;

	for (unsigned seed = 0; seed < 6; seed++) {
		enum split_shape shape = seed % 2 == 0 ? SPLIT_LINES : SPLIT_JSON;

		make_corpus(&body, shape == SPLIT_JSON, seed);
		split_in_pieces(shape, 1000, body.data, body.len, body.len, &whole);
		cr_assert(strstr(whole.data, "<{\"n\":59,") != NULL);
		cr_assert(strchr(whole.data, '!') == NULL, "%s", whole.data);
		for (size_t piece = 1; piece < 200; piece++) {
			split_in_pieces(shape, 1000, body.data, body.len, piece, &parts);
			cr_assert_str_eq(
				parts.data, whole.data, "seed %u, pieces of %zu", seed, piece);
		}
	}
	buf_done(&body);
	buf_done(&whole);
	buf_done(&parts);
}

Test(split, keeps_nothing_of_a_line_that_is_too_long)
{
	struct split_item item;
	struct split split;
	char piece[4096];

	memset(piece, 'x', sizeof(piece));
	split_init(&split, SPLIT_LINES, 10000);
	split_feed(&split, "1\n", 2);
	cr_assert_eq(split_next(&split, &item), SPLIT_ITEM);
	for (int at = 0; at < 1000; at++) {
		split_feed(&split, piece, sizeof(piece));
		cr_assert_eq(split_next(&split, &item), at == 2 ? SPLIT_ERROR : SPLIT_MORE);
		cr_assert_leq(split.carry.capacity, 20000);
	}
	split_feed(&split, "\n2\n", 3);
	cr_assert_eq(split_next(&split, &item), SPLIT_ITEM);
	cr_assert_eq(item.line, 3);
	split_done(&split);
}

Test(split, gives_back_what_it_has_not_dealt_with)
{
	const char *body = "1\n2\n3", *rest;
	struct split_item item;
	struct split split;

	split_init(&split, SPLIT_LINES, 100);
	split_feed(&split, body, 5);
	cr_assert_eq(split_next(&split, &item), SPLIT_ITEM);
	cr_assert_eq(split_rest(&split, &rest), 3);
	cr_assert_eq(rest, body + 2);
	split_feed(&split, rest, 3);
	cr_assert_eq(split_next(&split, &item), SPLIT_ITEM);
	cr_assert_eq(item.bytes[0], '2');
	split_done(&split);
}

Test(split, rows_of_csv_are_numbered_without_the_header_and_known_by_their_line)
{
	static const char body[] = "a,b\n1,\"2\n\"\n\n3\n4,5\n";
	const struct stage_csv_options options = { .infer = true };
	struct buf out = BUF_INIT;
	struct split_item item;
	struct split split;

	for (size_t piece = 1; piece <= sizeof(body); piece++) {
		buf_clear(&out);
		split_init_csv(&split, &options, 100);
		for (size_t at = 0; at < sizeof(body) - 1; at += piece) {
			split_feed(&split, body + at, MIN(piece, sizeof(body) - 1 - at));
			for (enum split_result got;
				(got = split_next(&split, &item)) != SPLIT_MORE;) {
				cr_assert_eq(item.lines, 1);
				buf_printf(&out, "%d@%d %s;", (int)item.number, (int)item.line,
					got == SPLIT_ITEM ? item.bytes : item.err.text);
			}
		}
		buf_append(&out, "", 1);
		cr_assert_str_eq(out.data,
			"1@2 {\"a\":1,\"b\":\"2\\u000a\"};2@5 1 field where there are 2 columns;"
			"3@6 {\"a\":4,\"b\":5};");
		cr_assert_eq(split_lines(&split), 3);
		cr_assert_eq(split_trailing_lines(&split), 0);
		split_done(&split);
	}
	buf_done(&out);
}
