#include "stats.h"

#include <string.h>

enum stats_sort { SORT_NONE, SORT_POSITIVE, SORT_NEGATIVE, SORT_REAL };

static uint64_t pack(const struct stage_number *number, uint8_t *ret_sort)
{
	uint64_t bits = number->magnitude;

	if (!number->whole)
		memcpy(&bits, &number->real, sizeof(bits));
	*ret_sort = !number->whole     ? SORT_REAL
		    : number->negative ? SORT_NEGATIVE
				       : SORT_POSITIVE;
	return bits;
}

static struct stage_number unpack(uint64_t bits, uint8_t sort)
{
	double real;

	if (sort != SORT_REAL)
		return stage_number_whole(sort == SORT_NEGATIVE, bits);
	memcpy(&real, &bits, sizeof(real));
	return stage_number_real(real);
}

static bool is_beyond(
	const struct stage_number *number, uint64_t bits, uint8_t sort, int direction)
{
	struct stage_number known = unpack(bits, sort);

	return sort == SORT_NONE || stage_number_compare(number, &known) * direction > 0;
}

static void add_real(struct stats *stats, double value)
{
	double sum = stats->real + value;

	if (isfinite(sum))
		stats->lost += fabs(stats->real) >= fabs(value) ? stats->real - sum + value
								: value - sum + stats->real;
	stats->real = sum;
	stats->reals++;
}

void stats_take(struct stats *stats, const struct stage_number *number)
{
	stats->count++;
	if (number == NULL)
		return;
	if (!number->whole)
		add_real(stats, number->real);
	else if (number->negative)
		stats->whole -= number->magnitude;
	else
		stats->whole += number->magnitude;
	if (is_beyond(number, stats->min, stats->min_is, -1))
		stats->min = pack(number, &stats->min_is);
	if (is_beyond(number, stats->max, stats->max_is, 1))
		stats->max = pack(number, &stats->max_is);
}

/* ---- as JSON ---- */

/* 128 bits have at most 39 digits. */
static yyjson_mut_val *wide_to_json(yyjson_mut_doc *doc, __int128 value)
{
	unsigned __int128 left =
		value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
	char digits[48];
	size_t first = sizeof(digits);

	do {
		digits[--first] = (char)('0' + (int)(left % 10));
		left /= 10;
	} while (left > 0);
	if (value < 0)
		digits[--first] = '-';
	return yyjson_mut_rawncpy(doc, digits + first, sizeof(digits) - first);
}

/* JSON has no infinity; a number beyond the doubles is null. */
static yyjson_mut_val *real_to_json(yyjson_mut_doc *doc, double value)
{
	return isfinite(value) ? yyjson_mut_real(doc, value) : yyjson_mut_null(doc);
}

static yyjson_mut_val *bound_to_json(yyjson_mut_doc *doc, uint64_t bits, uint8_t sort)
{
	struct stage_number number = unpack(bits, sort);

	if (sort == SORT_NONE)
		return yyjson_mut_null(doc);
	if (sort == SORT_REAL)
		return real_to_json(doc, number.real);
	return wide_to_json(doc, sort == SORT_NEGATIVE ? -(__int128)number.magnitude
						       : (__int128)number.magnitude);
}

static double total(const struct stats *stats)
{
	return (double)stats->whole + (stats->real + stats->lost);
}

static yyjson_mut_val *average(const struct stats *stats, yyjson_mut_doc *doc)
{
	if (stats->count == 0)
		return yyjson_mut_null(doc);
	if (stats->reals == 0 && stats->whole % stats->count == 0)
		return wide_to_json(doc, stats->whole / stats->count);
	return real_to_json(doc, total(stats) / (double)stats->count);
}

bool stats_report(
	const struct stats *stats, bool numbers, yyjson_mut_doc *doc, yyjson_mut_val *object)
{
	if (!yyjson_mut_obj_add_uint(doc, object, "count", stats->count))
		return false;
	if (!numbers)
		return true;
	return yyjson_mut_obj_add_val(doc, object, "sum",
		       stats->reals == 0 ? wide_to_json(doc, stats->whole)
					 : real_to_json(doc, total(stats))) &&
	       yyjson_mut_obj_add_val(
		       doc, object, "min", bound_to_json(doc, stats->min, stats->min_is)) &&
	       yyjson_mut_obj_add_val(
		       doc, object, "max", bound_to_json(doc, stats->max, stats->max_is)) &&
	       yyjson_mut_obj_add_val(doc, object, "avg", average(stats, doc));
}
