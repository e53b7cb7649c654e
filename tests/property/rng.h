/*
 * rng: chance that a seed repeats (splitmix64).
 */
#ifndef LEAT_TEST_RNG_H
#define LEAT_TEST_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng)
{
	uint64_t z = (rng->state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* In [0, bound). */
static inline uint64_t rng_below(struct rng *rng, uint64_t bound)
{
	return rng_next(rng) % bound;
}

static inline bool rng_percent(struct rng *rng, unsigned percent)
{
	return rng_below(rng, 100) < percent;
}

#define RNG_PICK(rng, ...)                                                          \
	({                                                                          \
		const uint64_t choices_[] = { __VA_ARGS__ };                        \
		choices_[rng_below((rng), sizeof(choices_) / sizeof(choices_[0]))]; \
	})

#endif
