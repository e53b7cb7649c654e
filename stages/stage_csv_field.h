/*
 * stage_csv_field: the fields of one row of CSV, and what has to be known of their bytes.
 *
 * What stage_csv.h (CSV into objects) is made of; nothing here allocates, and all of it takes
 * any bytes.
 */
#ifndef LEAT_STAGE_CSV_FIELD_H
#define LEAT_STAGE_CSV_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- fields ---- */

struct stage_csv_field {
	const char *at; /* without the quotes around it */
	size_t len;
	bool quoted;
};

enum stage_csv_field_result { STAGE_CSV_FIELD, STAGE_CSV_UNCLOSED, STAGE_CSV_BEHIND_QUOTE };

/* The field at *at, which moves to the delimiter behind it or to `end`. */
static inline enum stage_csv_field_result stage_csv_field_(
	const char **at, const char *end, char delimiter, struct stage_csv_field *ret)
{
	const char *from = *at, *stop = from;

	if (from == end || *from != '"') {
		while (stop < end && *stop != delimiter)
			stop++;
		*ret = (struct stage_csv_field){ from, (size_t)(stop - from), false };
		*at = stop;
		return STAGE_CSV_FIELD;
	}
	for (stop = ++from;; stop += 2) {
		stop = memchr(stop, '"', (size_t)(end - stop));
		if (stop == NULL)
			return STAGE_CSV_UNCLOSED;
		if (stop + 1 == end || stop[1] != '"')
			break;
	}
	*ret = (struct stage_csv_field){ from, (size_t)(stop - from), true };
	*at = stop + 1;
	return stop + 1 == end || stop[1] == delimiter ? STAGE_CSV_FIELD
						       : STAGE_CSV_BEHIND_QUOTE;
}

/* ---- bytes ---- */

/* What has to be known of a row before it is written. */
struct stage_csv_look {
	size_t controls, escapes; /* that take six bytes in JSON, or two */
	bool high, nul;
};

static inline uint64_t stage_csv_has_(uint64_t word, unsigned char c)
{
	uint64_t zero_there = word ^ 0x0101010101010101u * c;

	return (zero_there - 0x0101010101010101u) & ~zero_there & 0x8080808080808080u;
}

static inline void stage_csv_look_at_(struct stage_csv_look *look, unsigned char c)
{
	look->controls += c < 0x20;
	look->escapes += c == '"' || c == '\\';
	look->high |= c >= 0x80;
	look->nul |= c == '\0';
}

static inline struct stage_csv_look stage_csv_look_(const char *at, size_t len)
{
	struct stage_csv_look look = { 0 };
	uint64_t word;

	for (; len >= 8; at += 8, len -= 8) {
		memcpy(&word, at, 8);
		look.high |= (word & 0x8080808080808080u) != 0;
		/* Below 0x20, without a borrow from a byte to the next. */
		if ((stage_csv_has_(word, '"') | stage_csv_has_(word, '\\') |
			    (~(word | ((word & 0x7f7f7f7f7f7f7f7fu) + 0x6060606060606060u)) &
				    0x8080808080808080u)) != 0)
			for (size_t i = 0; i < 8; i++)
				stage_csv_look_at_(&look, (unsigned char)at[i]);
	}
	while (len-- > 0)
		stage_csv_look_at_(&look, (unsigned char)*at++);
	return look;
}

/* The length of the UTF-8 character at `at`; 0: there is none. */
static inline size_t stage_csv_char_(const unsigned char *at, size_t len)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t size;

	if (*at < 0x80)
		return 1;
	if (*at < 0xc2 || *at > 0xf4)
		return 0;
	size = *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
	if (len < size)
		return 0;
	low = *at == 0xe0 ? 0xa0 : *at == 0xf0 ? 0x90 : low;
	high = *at == 0xed ? 0x9f : *at == 0xf4 ? 0x8f : high;
	if (at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < size; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return size;
}

/* Where it stops being UTF-8; `len`: nowhere. */
static inline size_t stage_csv_utf8_(const char *text, size_t len)
{
	size_t at = 0, step;
	uint64_t word;

	while (at < len) {
		if (len - at >= 8) {
			memcpy(&word, text + at, 8);
			if ((word & 0x8080808080808080u) == 0) {
				at += 8;
				continue;
			}
		}
		step = stage_csv_char_((const unsigned char *)text + at, len - at);
		if (step == 0)
			return at;
		at += step;
	}
	return len;
}

/* A number as JSON writes them, or one of its three words. */
static inline bool stage_csv_is_literal_(const char *at, size_t len)
{
	const char *end = at + len, *from;

	if (len > 0 && *at >= 'a')
		return (len == 4 &&
			       (memcmp(at, "true", 4) == 0 || memcmp(at, "null", 4) == 0)) ||
		       (len == 5 && memcmp(at, "false", 5) == 0);
	at += at < end && *at == '-';
	if (at < end && *at == '0') {
		at++;
	} else {
		for (from = at; at < end && *at >= '0' && *at <= '9'; at++)
			;
		if (at == from)
			return false;
	}
	if (at < end && *at == '.') {
		for (from = ++at; at < end && *at >= '0' && *at <= '9'; at++)
			;
		if (at == from)
			return false;
	}
	if (at < end && (*at == 'e' || *at == 'E')) {
		at++;
		at += at < end && (*at == '+' || *at == '-');
		for (from = at; at < end && *at >= '0' && *at <= '9'; at++)
			;
		if (at == from)
			return false;
	}
	return at == end;
}

#endif
