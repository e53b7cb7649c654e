/*
 * split: a body into items, as it comes in, in pieces of any size.
 *
 * Four shapes: NDJSON (one value a line, LF or CRLF, blank lines are passed over), a JSON
 * array (its elements are the items), a single value, CSV (a row is an object: stage_csv.h).
 * JSON text decides between the second and the third by its first byte. Nothing but the item
 * under way is ever buffered, and that only up to `item_max`: a longer one is refused by its
 * line without being kept.
 *
 *	struct split split; split_init(&split, SPLIT_LINES, item_max);
 *	split_feed(&split, bytes, len);            borrowed until the next feed
 *	while ((got = split_next(&split, &item)) == SPLIT_ITEM) …
 *	split_end(&split) and split_next() again for the last line
 *
 * The consumer may stop between two items (no room) and go on later. It checks the JSON of
 * an item with json_check(); one of CSV is valid as it is made. Thread: one.
 */
#ifndef LEAT_ENGINE_SPLIT_H
#define LEAT_ENGINE_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"

#define STAGE_CSV_REALLOC mem_realloc
#define STAGE_CSV_FREE    mem_free
#include "stages/stage_csv.h"

enum split_shape { SPLIT_LINES, SPLIT_JSON, SPLIT_CSV };

enum split_result {
	SPLIT_MORE,  /* everything fed so far is dealt with */
	SPLIT_ITEM,  /* one item, see ret */
	SPLIT_ERROR, /* err of the item says what is wrong with it, at which line */
	SPLIT_NOMEM,
};

struct split_item {
	const char *bytes; /* borrowed until the next call */
	size_t len;
	uint64_t line;    /* 1-based physical line (lines, CSV) or element number (array) */
	uint64_t number;  /* what an offset counts: the same, but of CSV the rows, from 1 */
	uint64_t lines;   /* numbers since the item or error before, this one included */
	struct error err; /* SPLIT_ERROR: ERR_ITEM_TOO_LARGE or ERR_ITEM_INVALID */
	bool fatal;       /* SPLIT_ERROR: the rest cannot be split (broken array) */
};

struct split {
	enum split_shape shape;
	size_t item_max;
	const char *at, *end; /* what is left of the piece fed last */
	struct buf carry;     /* the item under way, when it began in an earlier piece */
	uint64_t line;        /* physical lines (elements) begun and dealt with */
	uint64_t told;        /* of these, up to the item or error given out last */
	bool carry_given;     /* the carry was given out: to be emptied */
	bool ended, skipping;
	/* JSON text: */
	uint64_t depth; /* of brackets inside the element under way */
	unsigned bom;   /* bytes of a byte order mark passed over */
	enum split_place {
		SPLIT_FRONT,  /* nothing but white space so far */
		SPLIT_SINGLE, /* in a single value */
		SPLIT_ARRAY,  /* in an array, in or between elements */
		SPLIT_BEHIND, /* behind its end */
		SPLIT_BROKEN, /* the rest is thrown away */
	} place;
	bool in_string, escaped, after_comma, begun;
	bool fed; /* at least one byte */
	struct stage_csv csv;
};

void split_init(struct split *split, enum split_shape shape, size_t item_max);
/* Borrowed: the names of `options`; its row_max is item_max. */
void split_init_csv(
	struct split *split, const struct stage_csv_options *options, size_t item_max);
void split_done(struct split *split);
void split_feed(struct split *split, const char *bytes, size_t len);
/* What of the piece fed last is not dealt with yet, to be kept and fed again. */
size_t split_rest(const struct split *split, const char **ret_bytes);
void split_end(struct split *split);
enum split_result split_next(struct split *split, struct split_item *ret);
/* All that were begun, as items are numbered. */
/* Nothing of an item that is not whole yet is in hand. */
bool split_at_rest(const struct split *split);
uint64_t split_lines(const struct split *split);
/* Of these, behind the last item or error (blank ones), for upload_seen(). */
uint64_t split_trailing_lines(const struct split *split);

/*
 * Is it one JSON text, UTF-8, without raw line ends, at most 1,024 deep? ERR_ITEM_INVALID
 * with position and reason. Memory for it is kept by the checker (bounded by item size).
 */
struct json_check;
int json_check_new(struct json_check **ret, struct error *err);
void json_check_free(struct json_check *check);
int json_check(struct json_check *check, const char *bytes, size_t len, struct error *err);

#endif
