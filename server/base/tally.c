#include "base/tally.h"

#define US 1000ull
#define MS (1000 * US)
#define S  (1000 * MS)

const struct tally_scale tally_time = {
	.count = 20,
	.unit = 1e-9,
	.bounds = { 1 * US, 10 * US, 100 * US, 500 * US, 1 * MS, 2500 * US, 5 * MS, 10 * MS,
		25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS, 1 * S, 2500 * MS, 5 * S, 10 * S,
		30 * S, 60 * S, 300 * S },
};

const struct tally_scale tally_count = {
	.count = 11,
	.unit = 1,
	.bounds = { 1, 2, 5, 10, 25, 50, 100, 250, 1000, 10000, 100000 },
};

void tally_add(
	struct tally *tally, const struct tally_scale *scale, uint64_t sum, uint64_t times)
{
	unsigned bucket = 0;

	if (times == 0)
		return;
	while (bucket < scale->count && sum / times > scale->bounds[bucket])
		bucket++;
	tally->counts[bucket == scale->count ? TALLY_BOUNDS_MAX : bucket] += times;
	tally->sum += sum;
}

void tally_merge(struct tally *to, const struct tally *from)
{
	to->sum += from->sum;
	for (unsigned at = 0; at <= TALLY_BOUNDS_MAX; at++)
		to->counts[at] += from->counts[at];
}

uint64_t tally_total(const struct tally *tally)
{
	uint64_t total = 0;

	for (unsigned at = 0; at <= TALLY_BOUNDS_MAX; at++)
		total += tally->counts[at];
	return total;
}
