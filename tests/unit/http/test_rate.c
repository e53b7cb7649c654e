/* Buckets of requests: how full they are, who has one, and how many there are. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "http/rate.h"

#define SECOND ((uint64_t)NS_PER_S)
#define BEGIN  (1000 * SECOND)

static struct rates rates;

static void open_rates(void)
{
	rates_init(&rates, 5, 2);
}

static void close_rates(void)
{
	rates_done(&rates);
}

TestSuite(rate, .init = open_rates, .fini = close_rates);

/* `wanted` requests at `now_ns`: how many were allowed; the last one's state. */
static unsigned take(const char *who, unsigned wanted, uint64_t now_ns, struct rate_state *ret)
{
	char key[RATE_KEY_SIZE] = "";
	unsigned allowed = 0;

	snprintf(key, sizeof(key), "%s", who);
	for (unsigned n = 0; n < wanted; n++)
		allowed += rate_take(&rates.token, key, now_ns, ret);
	return allowed;
}

Test(rate, a_window_s_worth_may_come_at_once)
{
	struct rate_state state;

	cr_assert(eq(u32, take("ann", 60, BEGIN, &state), 5 * RATE_WINDOW_S));
	cr_assert(eq(str, (char *)state.per, (char *)"token"));
	cr_assert(eq(u64, state.quota, 5 * RATE_WINDOW_S));
	cr_assert(eq(u64, state.left, 0));
	cr_assert(eq(u64, state.reset_s, RATE_WINDOW_S));
	cr_assert(eq(u64, rates.token.refused, 10));
}

Test(rate, it_is_filled_steadily_and_never_beyond_its_brim)
{
	struct rate_state state;

	take("ann", 50, BEGIN, &state);
	cr_assert(eq(u32, take("ann", 50, BEGIN + SECOND / 2, &state), 2));
	cr_assert(eq(u32, take("ann", 50, BEGIN + SECOND, &state), 3));
	cr_assert(eq(u32, take("ann", 200, BEGIN + 100000 * SECOND, &state), 50));
}

Test(rate, told_to_come_again_one_is_served)
{
	struct rate_state state;

	take("ann", 51, BEGIN, &state);
	cr_assert(ge(u64, state.retry_s, 1));
	cr_assert(eq(u32, take("ann", 1, BEGIN + state.retry_s * SECOND, &state), 1));
}

Test(rate, what_is_left_and_when_it_is_full_are_true)
{
	struct rate_state state;

	take("ann", 1, BEGIN, &state);
	cr_assert(eq(u64, state.left, 49));
	cr_assert(eq(u64, state.reset_s, 1));
	take("ann", 20, BEGIN, &state);
	cr_assert(eq(u64, state.left, 29));
	cr_assert(eq(u64, state.reset_s, 5));
	take("ann", 1, BEGIN + state.reset_s * SECOND, &state);
	cr_assert(eq(u64, state.left, 49));
}

Test(rate, everybody_has_his_own)
{
	struct rate_state state;

	take("ann", 60, BEGIN, &state);
	cr_assert(eq(u32, take("bob", 60, BEGIN, &state), 50));
}

/* A flood of names takes no more memory, and who is asking meanwhile keeps his count. */
Test(rate, buckets_are_bounded_and_the_least_recent_goes)
{
	struct rate_state state;
	char name[32];

	take("ann", 50, BEGIN, &state);
	for (unsigned n = 0; n < 3 * RATE_BUCKETS_MAX; n++) {
		snprintf(name, sizeof(name), "flood %u", n);
		take(name, 1, BEGIN, &state);
		if (n % 1000 == 0)
			cr_assert(eq(u32, take("ann", 1, BEGIN, &state), 0), "after %u", n);
	}
	cr_assert(eq(u32, rates.token.count, RATE_BUCKETS_MAX));
	/* The first of the flood was forgotten, and begins anew. */
	take("flood 0", 1, BEGIN, &state);
	cr_assert(eq(u64, state.left, 49));
}
