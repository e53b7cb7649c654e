#include "base/histogram.h"

#include "base/mem.h"

static unsigned bucket_of(uint64_t value)
{
	unsigned log, bucket;

	if (value < HISTOGRAM_STEPS)
		return (unsigned)value;
	log = 63u - (unsigned)__builtin_clzll(value);
	bucket = (log - 3) * HISTOGRAM_STEPS + (unsigned)(value >> (log - 4)) % HISTOGRAM_STEPS;
	return MIN(bucket, (unsigned)HISTOGRAM_BUCKETS - 1);
}

/* The middle of what falls into a bucket. */
static uint64_t value_of(unsigned bucket)
{
	unsigned log = bucket / HISTOGRAM_STEPS + 3;
	uint64_t step = bucket % HISTOGRAM_STEPS;

	if (bucket < HISTOGRAM_STEPS)
		return bucket;
	return ((HISTOGRAM_STEPS + step) << (log - 4)) + ((1ull << (log - 4)) >> 1);
}

void histogram_add(struct histogram *histogram, uint64_t value, uint64_t times)
{
	histogram->counts[bucket_of(value)] += times;
	histogram->total += times;
	histogram->max = MAX(histogram->max, value);
}

uint64_t histogram_quantile(const struct histogram *histogram, double share)
{
	uint64_t want = (uint64_t)(share * (double)histogram->total), seen = 0;

	for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
		seen += histogram->counts[bucket];
		if (seen > want)
			return MIN(value_of(bucket), histogram->max);
	}
	return histogram->max;
}
