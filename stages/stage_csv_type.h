/*
 * stage_csv_type: what stage_csv.h reads by: its options, its state, and text that grows. Comes
 * with stage_csv.h; alone it is of no use.
 *
 * `carry` holds of the row under way what is no longer in the piece that was fed last, `out`
 * the object that the last whole row became; of rows nothing else is kept. Thread: one.
 */
#ifndef LEAT_STAGE_CSV_TYPE_H
#define LEAT_STAGE_CSV_TYPE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Somebody who counts allocations has his own realloc(); its size is never 0. */
#ifndef STAGE_CSV_REALLOC
#define STAGE_CSV_REALLOC realloc
#define STAGE_CSV_FREE    free
#endif

#define STAGE_CSV_COLUMNS_MAX 10000

struct stage_csv_options {
	char delimiter;      /* 0: a comma */
	bool infer;          /* numbers, true, false, null */
	bool header_absent;  /* the first row is an item, too */
	const char *columns; /* their names where the header is absent; NULL: c1, c2, … */
	size_t row_max;      /* bytes of a row, and of the object that it becomes */
};

enum stage_csv_result {
	STAGE_CSV_MORE,  /* everything fed so far is dealt with */
	STAGE_CSV_ROW,   /* one object */
	STAGE_CSV_ERROR, /* `error` says what is wrong with the row */
	STAGE_CSV_NOMEM,
};

struct stage_csv_row {
	const char *json; /* with a NUL behind it; stays until the next call; NULL: an error */
	size_t len;
	uint64_t row;      /* from 1, the header is none; wrong ones count */
	uint64_t line;     /* physical line that it begins with, from 1 */
	const char *error; /* STAGE_CSV_ERROR */
	bool too_long, fatal;
};

struct stage_csv_text {
	char *data;
	size_t len, capacity;
};

/* Where the scan for the row's end stands. */
enum stage_csv_place {
	STAGE_CSV_FRONT, /* before the first character of a field */
	STAGE_CSV_PLAIN,
	STAGE_CSV_QUOTED,
	STAGE_CSV_QUOTE, /* behind a quote inside a quoted field */
};

struct stage_csv {
	struct stage_csv_options options;
	const char *at, *end;        /* what is left of the piece fed last */
	struct stage_csv_text carry; /* the row under way, when it began in an earlier piece */
	struct stage_csv_text out;   /* the object given out last */
	struct stage_csv_text keys;  /* {"a": then ,"b": … one after the other */
	size_t *key_ends;
	size_t columns;
	uint64_t rows, line, row_line;
	enum stage_csv_place place;
	bool begun;     /* a row is under way */
	bool skipping;  /* the rest of a row that was too long */
	bool bom_known; /* that there is none, or it was passed over */
	bool ended, broken;
	char error[200];
};

/* ---- text that grows ---- */

static inline bool stage_csv_reserve_(struct stage_csv_text *text, size_t more)
{
	size_t size = text->capacity < 256 ? 256 : text->capacity;
	char *data;

	if (text->capacity - text->len >= more)
		return true;
	while (size - text->len < more)
		size *= 2;
	data = STAGE_CSV_REALLOC(text->data, size);
	if (data == NULL)
		return false;
	text->data = data;
	text->capacity = size;
	return true;
}

static inline bool stage_csv_append_(struct stage_csv_text *text, const char *bytes, size_t len)
{
	if (len == 0)
		return true;
	if (!stage_csv_reserve_(text, len))
		return false;
	memcpy(text->data + text->len, bytes, len);
	text->len += len;
	return true;
}

static inline void stage_csv_drop_(struct stage_csv_text *text)
{
	STAGE_CSV_FREE(text->data);
	*text = (struct stage_csv_text){ NULL, 0, 0 };
}

#endif
