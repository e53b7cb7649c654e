/*
 * stage_csv_write: JSON values as cells of CSV (RFC 4180).
 *
 * A string is its text, null nothing, a number, true or false what the JSON says, an array or
 * object its JSON text. A cell is quoted where it holds the delimiter, a quote or a line end,
 * begins or ends with a blank, and where it is the empty string, which null then is not.
 */
#ifndef LEAT_STAGE_CSV_WRITE_H
#define LEAT_STAGE_CSV_WRITE_H

#include <stdbool.h>
#include <string.h>

#include "stage_slice.h"
#include "stage_write.h"

/* Bytes that a cell takes at most, of a value with `len` bytes of JSON. */
#define STAGE_CSV_CELL_MAX(len) (3 * (len) + 4)

/* Programs for tables take a text that begins so for a formula. */
static inline bool stage_csv_is_formula(const char *text, size_t len)
{
	return len > 0 && strchr("=+-@\t\r", *text) != NULL && *text != '\0';
}

static inline bool stage_csv_wants_quotes_(const char *text, size_t len, char delimiter)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] == delimiter || text[i] == '"' || text[i] == '\n' ||
			text[i] == '\r')
			return true;
	return len == 0 || stage_is_blank(text[0]) || stage_is_blank(text[len - 1]);
}

/* The text may stand in the same memory, at least len + 1 bytes behind `to`. */
static inline char *stage_csv_put_quoted_(char *to, const char *text, size_t len)
{
	*to++ = '"';
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '"')
			*to++ = '"';
		*to++ = c;
	}
	*to++ = '"';
	return to;
}

/* Any text. */
static inline char *stage_csv_put_text(char *to, const char *text, size_t len, char delimiter)
{
	if (stage_csv_wants_quotes_(text, len, delimiter))
		return stage_csv_put_quoted_(to, text, len);
	memmove(to, text, len);
	return to + len;
}

/*
 * Write a value at `to`, which has room for STAGE_CSV_CELL_MAX(value.len) bytes; `at` may be
 * NULL: there is no value. With `guard` a string that looks like a formula gets a ' in front.
 */
static inline char *stage_csv_put_value(
	char *to, struct stage_slice value, char delimiter, bool guard)
{
	char *text;
	size_t len;

	if (value.at == NULL || *value.at == 'n')
		return to;
	if (*value.at != '"')
		return stage_csv_put_text(to, value.at, value.len, delimiter);
	text = to + value.len + 3;
	len = stage_slice_unescape(value, text);
	if (guard && stage_csv_is_formula(text, len)) {
		*--text = '\'';
		len++;
	}
	return stage_csv_put_text(to, text, len, delimiter);
}

#endif
