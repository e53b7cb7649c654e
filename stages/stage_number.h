/*
 * stage_number: the numbers of items, compared and added without losing what they say.
 *
 * Whole numbers that fit 64 bits stay whole; every other number is the double nearest to it.
 */
#ifndef LEAT_STAGE_NUMBER_H
#define LEAT_STAGE_NUMBER_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <yyjson.h>

#include "stage_slice.h"

struct stage_number {
	bool whole;
	bool negative;      /* of whole ones */
	uint64_t magnitude; /* of whole ones */
	double real;        /* of all */
};

static inline struct stage_number stage_number_whole(bool negative, uint64_t magnitude)
{
	struct stage_number number = { true, negative && magnitude != 0, magnitude,
		(double)magnitude };

	if (number.negative)
		number.real = -number.real;
	return number;
}

static inline struct stage_number stage_number_real(double real)
{
	return (struct stage_number){ .real = real };
}

/* Beyond what a double can hold: infinite, with its sign. */
static inline struct stage_number stage_number_infinite(const char *text)
{
	return stage_number_real(*text == '-' ? -HUGE_VAL : HUGE_VAL);
}

/* From the text of a JSON number, whatever follows it. */
static inline struct stage_number stage_number_parse(const char *text)
{
	yyjson_val value;

	if (yyjson_read_number(text, &value, YYJSON_READ_NOFLAG, NULL, NULL) == NULL)
		return stage_number_infinite(text);
	if (yyjson_is_uint(&value))
		return stage_number_whole(false, yyjson_get_uint(&value));
	if (yyjson_is_sint(&value))
		return stage_number_whole(true, -(uint64_t)yyjson_get_sint(&value));
	return stage_number_real(yyjson_get_real(&value));
}

/* False when the value is not a number. */
static inline bool stage_slice_number(struct stage_slice value, struct stage_number *ret)
{
	const char *at = value.at, *end;
	bool negative;
	uint64_t magnitude = 0;

	if (at == NULL || (*at != '-' && (*at < '0' || *at > '9')))
		return false;
	end = at + value.len;
	negative = *at == '-';
	at += negative;
	if (end - at > 18) {
		*ret = stage_number_parse(value.at);
		return true;
	}
	while (at < end && *at >= '0' && *at <= '9')
		magnitude = magnitude * 10 + (uint64_t)(*at++ - '0');
	*ret = at == end ? stage_number_whole(negative, magnitude)
			 : stage_number_parse(value.at);
	return true;
}

/* Less than, equal to or greater than 0, as a is to b. */
static inline int stage_number_compare(
	const struct stage_number *a, const struct stage_number *b)
{
	if (!a->whole || !b->whole)
		return (a->real > b->real) - (a->real < b->real);
	if (a->negative != b->negative)
		return a->negative ? -1 : 1;
	if (a->magnitude == b->magnitude)
		return 0;
	return (a->magnitude < b->magnitude) == !a->negative ? -1 : 1;
}

#endif
