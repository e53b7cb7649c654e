/*
 * tally: how many values fell below each of a few fixed bounds, and their sum; what a metrics
 * histogram is made of.
 *
 * Small, so that every stage of every job can have one, and two can be added up. For quantiles
 * of one thing alone base/histogram.h is finer. Not thread-safe: the owner's lock covers it.
 */
#ifndef LEAT_BASE_TALLY_H
#define LEAT_BASE_TALLY_H

#include <stdint.h>

#define TALLY_BOUNDS_MAX 20

struct tally_scale {
	unsigned count;                    /* of bounds */
	double unit;                       /* of what is added, in base units: 1e-9 for ns */
	uint64_t bounds[TALLY_BOUNDS_MAX]; /* each bucket's highest value, ascending */
};
extern const struct tally_scale tally_time;  /* nanoseconds, 1 µs to 5 min */
extern const struct tally_scale tally_count; /* 1 to 100,000 */

struct tally {
	uint64_t sum;
	uint64_t counts[TALLY_BOUNDS_MAX + 1]; /* a bucket each; the last: above all bounds */
};

/* `times` values that make `sum` together, taken as alike. */
void tally_add(
	struct tally *tally, const struct tally_scale *scale, uint64_t sum, uint64_t times);
void tally_merge(struct tally *to, const struct tally *from);
/* How many values there are in all. */
uint64_t tally_total(const struct tally *tally);

#endif
