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
 * becomes an object with one member a column, on one line; all values are strings, or with
 * `infer` unquoted numbers, true, false and null are what JSON takes them for, an empty one is
 * null.
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

#include "stage_csv_row.h"

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
