/*
 * stats: what is known of some numbers, each seen once.
 *
 * Whole numbers add up in 128 bits, so their sum is exact whatever the order; the others add
 * up in a double with the rounding errors kept beside it (Neumaier's sum).
 */
#ifndef LEAT_STAGE_STATS_H
#define LEAT_STAGE_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include <yyjson.h>

#include "stage_number.h"

/* Fixed layout without holes: it is saved as it is. */
struct stats {
	__int128 whole;         /* sum of whole numbers */
	double real, lost;      /* sum of the others, and what rounding took from it */
	uint64_t count, reals;  /* all, and those that are not whole */
	uint64_t min, max;      /* bits of the magnitude or of the double */
	uint8_t min_is, max_is; /* enum stats_sort */
	uint8_t reserved[14];
};

/* Count an item, and add its number if it has one. */
void stats_take(struct stats *stats, const struct stage_number *number);

/* Put count (and sum, min, max, avg when `numbers`) into `object`; false without memory. */
bool stats_report(
	const struct stats *stats, bool numbers, yyjson_mut_doc *doc, yyjson_mut_val *object);

#endif
