/*
 * stage_csv: CSV (RFC 4180) into JSON objects, as it comes in, in pieces of any size.
 *
 *	struct stage_csv csv;
 *
 *	stage_csv_init(&csv, &(struct stage_csv_options){ .row_max = 1 << 20 });
 *	stage_csv_feed(&csv, bytes, len);          borrowed until everything of it was given
 *	while ((got = stage_csv_next(&csv, &row)) == STAGE_CSV_ROW) …row.json, row.len…
 *	stage_csv_end(&csv) and stage_csv_next() again for the last row
 *	stage_csv_done(&csv)
 *
 * The first row names the columns, unless `header_absent`: then `columns` does, itself a line
 * of CSV with commas, or they are c1, c2, … as many as the first row has. Every further row
 *becomes an object with one member a column, on one line; all values are strings, or with
 *`infer` unquoted numbers, true, false and null are what JSON takes them for, an empty one is
 *null.
 *
 * Rows end with LF or CRLF; blank lines are passed over; a byte order mark is, too. A quote
 * opens a quoted field only as its first character, elsewhere it is a character like others.
 * A row that is wrong (number of fields, not UTF-8, text behind a closing quote, too long) is
 * STAGE_CSV_ERROR and the next one is read as if nothing had been; a wrong header is fatal.
 * Nothing but the row under way is kept, and that only up to `row_max`.
 *
 * What comes out is valid JSON by construction. Thread: one.
 */
#ifndef LEAT_STAGE_CSV_H
#define LEAT_STAGE_CSV_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage_csv_field.h"
#include "stage_write.h"

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

/* ---- life ---- */

static inline void stage_csv_init(
	struct stage_csv *csv, const struct stage_csv_options *options)
{
	*csv = (struct stage_csv){ .options = *options };
	if (csv->options.delimiter == '\0')
		csv->options.delimiter = ',';
}

static inline void stage_csv_done(struct stage_csv *csv)
{
	stage_csv_drop_(&csv->carry);
	stage_csv_drop_(&csv->out);
	stage_csv_drop_(&csv->keys);
	STAGE_CSV_FREE(csv->key_ends);
	csv->key_ends = NULL;
}

static inline void stage_csv_feed(struct stage_csv *csv, const char *bytes, size_t len)
{
	csv->at = bytes;
	csv->end = len == 0 ? bytes : bytes + len; /* which may be NULL then */
}

/* Another text with the same columns, which it does not name itself. */
static inline void stage_csv_again(struct stage_csv *csv)
{
	csv->carry.len = 0;
	csv->rows = csv->line = csv->row_line = 0;
	csv->place = STAGE_CSV_FRONT;
	csv->begun = csv->skipping = csv->bom_known = csv->ended = csv->broken = false;
}

/* There is no more: the last row needs no line end. */
static inline void stage_csv_end(struct stage_csv *csv)
{
	csv->ended = true;
}

/* ---- the end of a row ---- */

/* Moves the scan on over one stretch of a kind; a row ends at the LF that *at then is. */
static inline const char *stage_csv_step_(
	struct stage_csv *csv, const char *at, const char *end)
{
	char delimiter = csv->options.delimiter;
	const char *stop;

	switch (csv->place) {
	case STAGE_CSV_FRONT:
		csv->place = *at == '"' ? STAGE_CSV_QUOTED : STAGE_CSV_PLAIN;
		return at + (*at == '"');
	case STAGE_CSV_QUOTED:
		stop = memchr(at, '"', (size_t)(end - at));
		for (const char *to = stop != NULL ? stop : end; at < to; at++) {
			at = memchr(at, '\n', (size_t)(to - at));
			if (at == NULL)
				break;
			csv->line++;
		}
		if (stop == NULL)
			return end;
		csv->place = STAGE_CSV_QUOTE;
		return stop + 1;
	case STAGE_CSV_QUOTE:
		csv->place = *at == '"' ? STAGE_CSV_QUOTED : STAGE_CSV_PLAIN;
		return at + (*at == '"');
	default:
		while (at < end && *at != '\n' && *at != delimiter)
			at++;
		if (at < end && *at == delimiter) {
			csv->place = STAGE_CSV_FRONT;
			at++;
		}
		return at;
	}
}

/* The LF that ends the row, or NULL: it goes on behind `end`. */
static inline const char *stage_csv_row_end_(
	struct stage_csv *csv, const char *at, const char *end)
{
	const char *newline;

	if (csv->place == STAGE_CSV_FRONT && !csv->begun) {
		newline = memchr(at, '\n', (size_t)(end - at));
		if (newline != NULL && memchr(at, '"', (size_t)(newline - at)) == NULL)
			return newline;
	}
	while (at < end) {
		if (*at == '\n' && csv->place != STAGE_CSV_QUOTED)
			return at;
		at = stage_csv_step_(csv, at, end);
	}
	return NULL;
}

/* ---- a row into an object ---- */

/* The bytes of a field between the quotes of a JSON string. */
static inline char *stage_csv_put_text_(char *to, const struct stage_csv_field *field)
{
	const char *at = field->at, *end = at + field->len, *quote;

	while (field->quoted && (quote = memchr(at, '"', (size_t)(end - at))) != NULL) {
		to = stage_put_escaped(to, at, (size_t)(quote - at));
		to = STAGE_PUT(to, "\\\"");
		at = quote + 2;
	}
	return stage_put_escaped(to, at, (size_t)(end - at));
}

static inline char *stage_csv_put_field_(
	const struct stage_csv *csv, char *to, const struct stage_csv_field *field, bool clean)
{
	if (csv->options.infer && !field->quoted) {
		if (field->len == 0)
			return STAGE_PUT(to, "null");
		if (stage_csv_is_literal_(field->at, field->len))
			return stage_put(to, field->at, field->len);
	}
	*to++ = '"';
	to = clean ? stage_put(to, field->at, field->len) : stage_csv_put_text_(to, field);
	*to++ = '"';
	return to;
}

static inline const char *stage_csv_key_(const struct stage_csv *csv, size_t i, size_t *ret_len)
{
	size_t from = i == 0 ? 0 : csv->key_ends[i - 1];

	*ret_len = csv->key_ends[i] - from;
	return csv->keys.data + from;
}

/* For a message: the column's name as JSON, cut where it is long. */
static inline enum stage_csv_result stage_csv_say_field_(
	struct stage_csv *csv, size_t column, const char *what)
{
	const char *name = "", *more = "";
	size_t len = 0;

	if (column < csv->columns) {
		name = stage_csv_key_(csv, column, &len);
		name++;
		len -= 2; /* the { or comma, and the colon */
		if (len > 60) {
			for (len = 60; ((unsigned char)name[len] & 0xc0) == 0x80; len--)
				;
			more = "…";
		}
	}
	snprintf(csv->error, sizeof(csv->error), "field %zu%s%.*s%s: %s", column + 1,
		len > 0 ? " " : "", (int)len, name, more, what);
	return STAGE_CSV_ERROR;
}

static inline enum stage_csv_result stage_csv_wrong_field_(
	struct stage_csv *csv, size_t column, enum stage_csv_field_result why)
{
	return stage_csv_say_field_(csv, column,
		why == STAGE_CSV_UNCLOSED
			? "its quote is not closed"
			: "there is text behind its closing quote; a quote inside a quoted "
			  "field is written twice");
}

static inline enum stage_csv_result stage_csv_ragged_(
	struct stage_csv *csv, const char *from, const char *end, size_t found)
{
	struct stage_csv_field field;

	/* The rest is counted for the message only. */
	while (from < end && stage_csv_field_(&from, end, csv->options.delimiter, &field) ==
				     STAGE_CSV_FIELD) {
		found++;
		if (from == end)
			break;
		if (++from == end)
			found++;
	}
	snprintf(csv->error, sizeof(csv->error), "%zu field%s where there %s %zu column%s",
		found, found == 1 ? "" : "s", csv->columns == 1 ? "is" : "are", csv->columns,
		csv->columns == 1 ? "" : "s");
	return STAGE_CSV_ERROR;
}

/* With room for it in `out`. */
static inline enum stage_csv_result stage_csv_write_(
	struct stage_csv *csv, const char *at, const char *end, bool clean)
{
	char *to = csv->out.data, delimiter = csv->options.delimiter;
	enum stage_csv_field_result result;
	struct stage_csv_field field;
	const char *key;
	size_t len;

	for (size_t i = 0; i < csv->columns; i++) {
		result = stage_csv_field_(&at, end, delimiter, &field);
		if (result != STAGE_CSV_FIELD)
			return stage_csv_wrong_field_(csv, i, result);
		key = stage_csv_key_(csv, i, &len);
		to = stage_put(to, key, len);
		to = stage_csv_put_field_(csv, to, &field, clean);
		if (at == end && i + 1 < csv->columns)
			return stage_csv_ragged_(csv, end, end, i + 1);
		at += at < end && i + 1 < csv->columns;
	}
	if (at < end)
		return stage_csv_ragged_(csv, at + 1, end, csv->columns + (at + 1 == end));
	*to++ = '}';
	*to = '\0';
	csv->out.len = (size_t)(to - csv->out.data);
	return STAGE_CSV_ROW;
}

/* ---- the header ---- */

static inline enum stage_csv_result stage_csv_add_column_(
	struct stage_csv *csv, const struct stage_csv_field *field)
{
	char number[24], *to;
	struct stage_csv_field name = *field;

	if (csv->columns == STAGE_CSV_COLUMNS_MAX) {
		snprintf(csv->error, sizeof(csv->error), "more than %d columns",
			STAGE_CSV_COLUMNS_MAX);
		return STAGE_CSV_ERROR;
	}
	if (name.len == 0) {
		name = (struct stage_csv_field){ number, 0, false };
		name.len = (size_t)snprintf(number, sizeof(number), "c%zu", csv->columns + 1);
	}
	if (!stage_csv_reserve_(&csv->keys, STAGE_ESCAPED_MAX(name.len) + 4))
		return STAGE_CSV_NOMEM;
	to = csv->keys.data + csv->keys.len;
	*to++ = csv->columns == 0 ? '{' : ',';
	*to++ = '"';
	to = stage_csv_put_text_(to, &name);
	to = STAGE_PUT(to, "\":");
	csv->keys.len = (size_t)(to - csv->keys.data);
	csv->key_ends[csv->columns++] = csv->keys.len;
	return STAGE_CSV_ROW;
}

struct stage_csv_name_ {
	const char *at;
	size_t len, column;
};

static inline int stage_csv_compare_names_(const void *a, const void *b)
{
	const struct stage_csv_name_ *x = a, *y = b;
	int order = memcmp(x->at, y->at, x->len < y->len ? x->len : y->len);

	if (order == 0)
		order = (x->len > y->len) - (x->len < y->len);
	return order != 0 ? order : (x->column > y->column) - (x->column < y->column);
}

static inline enum stage_csv_result stage_csv_check_names_(struct stage_csv *csv)
{
	struct stage_csv_name_ *names = STAGE_CSV_REALLOC(NULL, csv->columns * sizeof(*names));
	enum stage_csv_result result = STAGE_CSV_ROW;
	size_t len;

	if (names == NULL)
		return STAGE_CSV_NOMEM;
	for (size_t i = 0; i < csv->columns; i++) {
		const char *key = stage_csv_key_(csv, i, &len);

		names[i] = (struct stage_csv_name_){ key + 1, len - 1, i };
	}
	qsort(names, csv->columns, sizeof(*names), stage_csv_compare_names_);
	for (size_t i = 1; i < csv->columns && result == STAGE_CSV_ROW; i++) {
		if (names[i].len != names[i - 1].len ||
			memcmp(names[i].at, names[i - 1].at, names[i].len) != 0)
			continue;
		result = stage_csv_say_field_(csv, names[i].column, "");
		snprintf(csv->error + strlen(csv->error),
			sizeof(csv->error) - strlen(csv->error),
			"another column (%zu) has this name", names[i - 1].column + 1);
	}
	STAGE_CSV_FREE(names);
	return result;
}

/* Names from a row, or as many as it has without. */
static inline enum stage_csv_result stage_csv_header_(
	struct stage_csv *csv, const char *at, const char *end, char delimiter, bool names)
{
	const struct stage_csv_field unnamed = { "", 0, false };
	enum stage_csv_field_result field_result;
	enum stage_csv_result result = STAGE_CSV_ROW;
	struct stage_csv_field field;

	csv->key_ends = STAGE_CSV_REALLOC(
		csv->key_ends, STAGE_CSV_COLUMNS_MAX * sizeof(*csv->key_ends));
	if (csv->key_ends == NULL)
		return STAGE_CSV_NOMEM;
	for (;;) {
		field_result = stage_csv_field_(&at, end, delimiter, &field);
		if (field_result != STAGE_CSV_FIELD)
			return stage_csv_wrong_field_(csv, csv->columns, field_result);
		result = stage_csv_add_column_(csv, names ? &field : &unnamed);
		if (result != STAGE_CSV_ROW)
			return result;
		if (at == end)
			return stage_csv_check_names_(csv);
		at++;
	}
}

/* ---- one row ---- */

static inline enum stage_csv_result stage_csv_say_long_(
	struct stage_csv *csv, struct stage_csv_row *ret)
{
	ret->too_long = true;
	snprintf(csv->error, sizeof(csv->error),
		"longer than the %zu bytes allowed for an item; is a quote not closed?",
		csv->options.row_max);
	return STAGE_CSV_ERROR;
}

static inline enum stage_csv_result stage_csv_check_text_(
	struct stage_csv *csv, const char *at, size_t len, const struct stage_csv_look *look)
{
	size_t valid = look->high ? stage_csv_utf8_(at, len) : len;

	if (look->nul) {
		snprintf(csv->error, sizeof(csv->error),
			"it holds a NUL byte; perhaps the file is UTF-16: send UTF-8");
		return STAGE_CSV_ERROR;
	}
	if (valid < len) {
		snprintf(csv->error, sizeof(csv->error), "not UTF-8 at byte %zu", valid + 1);
		return STAGE_CSV_ERROR;
	}
	return STAGE_CSV_ROW;
}

static inline enum stage_csv_result stage_csv_object_(struct stage_csv *csv, const char *at,
	size_t len, const struct stage_csv_look *look, struct stage_csv_row *ret)
{
	enum stage_csv_result result;

	if (csv->keys.len + 6 * look->controls > csv->options.row_max)
		return stage_csv_say_long_(csv, ret);
	csv->out.len = 0;
	if (!stage_csv_reserve_(&csv->out, csv->keys.len + len + 5 * look->controls +
						   look->escapes + 4 * csv->columns + 2))
		return STAGE_CSV_NOMEM;
	result = stage_csv_write_(csv, at, at + len, look->controls + look->escapes == 0);
	if (result == STAGE_CSV_ROW && csv->out.len > csv->options.row_max)
		return stage_csv_say_long_(csv, ret);
	if (result == STAGE_CSV_ROW) {
		ret->json = csv->out.data;
		ret->len = csv->out.len;
	}
	return result;
}

/* A header has no second chance: what follows could not be named. */
static inline enum stage_csv_result stage_csv_fatal_(
	struct stage_csv *csv, struct stage_csv_row *ret, enum stage_csv_result result)
{
	char why[sizeof(csv->error)];

	if (result != STAGE_CSV_ERROR)
		return result;
	memcpy(why, csv->error, sizeof(why));
	snprintf(csv->error, sizeof(csv->error), "the header: %.180s", why);
	csv->broken = ret->fatal = true;
	return STAGE_CSV_ERROR;
}

static inline enum stage_csv_result stage_csv_name_columns_(
	struct stage_csv *csv, const char *at, size_t len, struct stage_csv_row *ret)
{
	const char *columns = csv->options.columns;
	char delimiter = csv->options.delimiter;
	enum stage_csv_result result;
	size_t *ends;

	if (csv->options.header_absent && columns != NULL)
		result = stage_csv_header_(csv, columns, columns + strlen(columns), ',', true);
	else
		result = stage_csv_header_(
			csv, at, at + len, delimiter, !csv->options.header_absent);
	if (result == STAGE_CSV_ROW && csv->keys.len > csv->options.row_max)
		result = stage_csv_say_long_(csv, ret);
	if (result != STAGE_CSV_ROW)
		return stage_csv_fatal_(csv, ret, result);
	ends = STAGE_CSV_REALLOC(csv->key_ends, csv->columns * sizeof(*ends));
	if (ends != NULL) /* less memory than there was: a failure is none */
		csv->key_ends = ends;
	return STAGE_CSV_ROW;
}

/* A whole row without its LF. STAGE_CSV_MORE: blank, or the header. */
static inline enum stage_csv_result stage_csv_whole_(
	struct stage_csv *csv, const char *at, size_t len, struct stage_csv_row *ret)
{
	bool header = csv->columns == 0 && !csv->options.header_absent;
	enum stage_csv_result result;
	struct stage_csv_look look;

	if (!csv->bom_known && len >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) {
		at += 3;
		len -= 3;
	}
	csv->bom_known = true;
	len -= len > 0 && at[len - 1] == '\r';
	if (len == 0)
		return STAGE_CSV_MORE;
	csv->rows += !header;
	ret->row = csv->rows;
	look = stage_csv_look_(at, len);
	result = len > csv->options.row_max ? stage_csv_say_long_(csv, ret)
					    : stage_csv_check_text_(csv, at, len, &look);
	if (header && result != STAGE_CSV_ROW)
		return stage_csv_fatal_(csv, ret, result);
	if (result == STAGE_CSV_ROW && csv->columns == 0)
		result = stage_csv_name_columns_(csv, at, len, ret);
	if (result != STAGE_CSV_ROW || header)
		return header && result == STAGE_CSV_ROW ? STAGE_CSV_MORE : result;
	return stage_csv_object_(csv, at, len, &look, ret);
}

/* The row has ended: the next one begins at *at. */
static inline void stage_csv_next_row_(struct stage_csv *csv)
{
	csv->place = STAGE_CSV_FRONT;
	csv->begun = csv->skipping = false;
}

/* The piece ends inside a row: keep its beginning, up to the longest that can be right. */
static inline enum stage_csv_result stage_csv_part_(
	struct stage_csv *csv, const char *from, const char *to, struct stage_csv_row *ret)
{
	size_t len = (size_t)(to - from);

	if (csv->carry.len + len <= csv->options.row_max + 4) /* the mark, a CR */
		return stage_csv_append_(&csv->carry, from, len) ? STAGE_CSV_MORE
								 : STAGE_CSV_NOMEM;
	stage_csv_drop_(&csv->carry);
	csv->skipping = true;
	csv->bom_known = true;
	if (csv->columns == 0 && !csv->options.header_absent)
		return stage_csv_fatal_(csv, ret, stage_csv_say_long_(csv, ret));
	ret->row = ++csv->rows;
	return stage_csv_say_long_(csv, ret);
}

/* The row that begins in the piece, or goes on in it. */
static inline enum stage_csv_result stage_csv_read_(
	struct stage_csv *csv, struct stage_csv_row *ret)
{
	const char *from = csv->at, *newline;
	enum stage_csv_result result;

	if (!csv->begun)
		csv->row_line = csv->line + 1;
	newline = stage_csv_row_end_(csv, from, csv->end);
	ret->line = csv->row_line;
	csv->begun = true;
	csv->at = newline != NULL ? newline + 1 : csv->end;
	csv->line += newline != NULL;
	if (csv->skipping || (csv->carry.len == 0 && newline != NULL)) {
		result = csv->skipping
				 ? STAGE_CSV_MORE
				 : stage_csv_whole_(csv, from, (size_t)(newline - from), ret);
	} else {
		result = stage_csv_part_(csv, from, newline != NULL ? newline : csv->end, ret);
		if (result == STAGE_CSV_MORE && newline != NULL) {
			result = stage_csv_whole_(csv, csv->carry.data, csv->carry.len, ret);
			csv->carry.len = 0;
		}
	}
	if (newline != NULL)
		stage_csv_next_row_(csv);
	return result;
}

/* The last row has no line end. */
static inline enum stage_csv_result stage_csv_last_(
	struct stage_csv *csv, struct stage_csv_row *ret)
{
	enum stage_csv_result result = STAGE_CSV_MORE;

	ret->line = csv->row_line;
	if (!csv->skipping)
		result = stage_csv_whole_(csv, csv->carry.data, csv->carry.len, ret);
	csv->carry.len = 0;
	stage_csv_next_row_(csv);
	return result;
}

/* After STAGE_CSV_NOMEM a part of the row is lost: give up. */
static inline enum stage_csv_result stage_csv_next(
	struct stage_csv *csv, struct stage_csv_row *ret)
{
	enum stage_csv_result result = STAGE_CSV_MORE;

	*ret = (struct stage_csv_row){ .error = csv->error };
	while (result == STAGE_CSV_MORE && csv->at < csv->end && !csv->broken)
		result = stage_csv_read_(csv, ret);
	if (csv->broken)
		csv->at = csv->end;
	else if (result == STAGE_CSV_MORE && csv->ended && csv->begun)
		result = stage_csv_last_(csv, ret);
	return result;
}

#endif
