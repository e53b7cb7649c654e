/*
 * stage_csv_row: one whole row of CSV: where it ends, the object that it becomes, the names
 * that the first one gives to the columns. Comes with stage_csv.h, which finds the rows in what
 * it is fed.
 */
#ifndef LEAT_STAGE_CSV_ROW_H
#define LEAT_STAGE_CSV_ROW_H

#include <stdio.h>

#include "stage_csv_field.h"
#include "stage_csv_type.h"
#include "stage_write.h"

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

#endif
