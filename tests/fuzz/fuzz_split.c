/*
 * fuzz_split: a body gives the same items and the same errors however it is cut into pieces;
 * no item is longer than allowed or holds a raw line end, and every physical line is
 * accounted for exactly once.
 *
 * The first byte chooses the shape and the size of the pieces.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/split.h"
#include "fuzz.h"

#define ITEM_MAX 40

static struct json_check *check;

static void must(int truth)
{
	if (!truth)
		abort();
}

static void check_item(const struct split_item *item, enum split_shape shape)
{
	struct error err = { 0 };

	must(item->len > 0 && item->len <= ITEM_MAX);
	must(memchr(item->bytes, '\n', item->len) == NULL || shape == SPLIT_JSON);
	if (json_check(check, item->bytes, item->len, &err) < 0)
		must(err.code == ERR_ITEM_INVALID);
	else
		must(memchr(item->bytes, '\n', item->len) == NULL);
}

/* Write down what comes out; returns the lines it accounts for. */
static uint64_t take(struct split *split, struct buf *out)
{
	struct split_item item;
	enum split_result got;
	uint64_t lines = 0;

	while ((got = split_next(split, &item)) != SPLIT_MORE) {
		must(got != SPLIT_NOMEM);
		lines += item.lines;
		buf_printf(out, "%d %llu %llu ", got, (unsigned long long)item.line,
			(unsigned long long)item.lines);
		if (got == SPLIT_ITEM) {
			check_item(&item, split->shape);
			buf_append(out, item.bytes, item.len);
		} else {
			buf_printf(out, "%s %d", item.err.text, item.fatal);
		}
		buf_append(out, "\n", 1);
	}
	return lines;
}

static void split_in_pieces(
	enum split_shape shape, const char *bytes, size_t len, size_t piece, struct buf *out)
{
	struct split split;
	uint64_t lines = 0;

	split_init(&split, shape, ITEM_MAX);
	for (size_t at = 0; at < len; at += piece) {
		size_t part = MIN(piece, len - at);
		char *copy = malloc(part);

		must(copy != NULL);
		memcpy(copy, bytes + at, part);
		split_feed(&split, copy, part);
		lines += take(&split, out);
		free(copy);
	}
	split_end(&split);
	lines += take(&split, out);
	must(lines + split_trailing_lines(&split) == split.line);
	must(split.carry.capacity <= 4096);
	split_done(&split);
}

static uint64_t physical_lines(const char *bytes, size_t len)
{
	uint64_t lines = len > 0 && bytes[len - 1] != '\n';

	for (size_t at = 0; at < len; at++)
		lines += bytes[at] == '\n';
	return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT, parts = BUF_INIT;
	const char *bytes = (const char *)data + 1;
	enum split_shape shape;
	struct split split;

	if (size == 0)
		return 0;
	if (check == NULL)
		must(json_check_new(&check, NULL) == 0);
	shape = data[0] % 2 == 0 ? SPLIT_LINES : SPLIT_JSON;
	split_in_pieces(shape, bytes, size - 1, size, &whole);
	split_in_pieces(shape, bytes, size - 1, data[0] / 2 + 1u, &parts);
	must(whole.len == parts.len);
	must(whole.len == 0 || memcmp(whole.data, parts.data, whole.len) == 0);
	if (shape == SPLIT_LINES) {
		split_init(&split, shape, ITEM_MAX);
		split_feed(&split, bytes, size - 1);
		buf_clear(&parts);
		take(&split, &parts);
		split_end(&split);
		take(&split, &parts);
		must(split.line == physical_lines(bytes, size - 1));
		split_done(&split);
	}
	buf_done(&whole);
	buf_done(&parts);
	return 0;
}
