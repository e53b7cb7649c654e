/*
 * histogram: how long things took, in 1 KiB or so, with about 6 % of error.
 *
 * Buckets are log-linear (16 steps a power of two), the idea of HdrHistogram
 * (http://hdrhistogram.org). Not thread-safe: the owner's lock covers it.
 */
#ifndef LEAT_BASE_HISTOGRAM_H
#define LEAT_BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS   16
#define HISTOGRAM_BUCKETS (40 * HISTOGRAM_STEPS)

struct histogram {
	uint64_t total, max;
	uint64_t counts[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value, uint64_t times);
/* The value below which `share` (0..1) of all lie; 0 when there are none. */
uint64_t histogram_quantile(const struct histogram *histogram, double share);

#endif
