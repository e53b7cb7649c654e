/* How long to try. Time is a fake clock. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "base/clock.h"
#include "client/patience.h"

Test(patience, waits_grow_to_a_bound_and_end_in_time)
{
	struct patience patience;
	uint64_t waited_ms = 0;
	unsigned wait_ms = 0, attempts = 0, longest_ms = 0;

	clock_fake(1000 * NS_PER_S, 0);
	patience_init(&patience, 60000);
	while (patience_next(&patience, 0, &wait_ms)) {
		cr_assert(wait_ms >= 1 && wait_ms <= 5000, "%u", wait_ms);
		if (attempts == 0)
			cr_assert(wait_ms <= 100, "%u", wait_ms);
		longest_ms = wait_ms > longest_ms ? wait_ms : longest_ms;
		clock_fake_advance_ms(wait_ms);
		waited_ms += wait_ms;
		attempts++;
	}
	cr_assert(waited_ms >= 60000 && waited_ms <= 60001, "%llu",
		(unsigned long long)waited_ms);
	cr_assert(attempts >= 15 && attempts <= 60, "%u", attempts);
	cr_assert(longest_ms > 2000, "%u", longest_ms);
	clock_fake(0, 0);
}

Test(patience, what_goes_forward_begins_it_anew)
{
	struct patience patience;
	unsigned wait_ms;

	clock_fake(1000 * NS_PER_S, 0);
	patience_init(&patience, 1000);
	cr_assert(patience_reset(&patience) == false);
	for (int i = 0; i < 50; i++) {
		cr_assert(patience_next(&patience, 0, &wait_ms));
		clock_fake_advance_ms(900);
		cr_assert(patience_reset(&patience));
	}
	clock_fake(0, 0);
}

Test(patience, the_server_may_ask_for_more)
{
	struct patience patience;
	unsigned wait_ms;

	clock_fake(1000 * NS_PER_S, 0);
	patience_init(&patience, 60000);
	cr_assert(patience_next(&patience, 7000, &wait_ms));
	cr_assert(eq(uint, wait_ms, 7000));
	cr_assert(patience_next(&patience, 3600000, &wait_ms));
	cr_assert(eq(uint, wait_ms, 60001), "not longer than there is patience");
	patience_init(&patience, 0);
	cr_assert(patience_next(&patience, 0, &wait_ms) == false);
	clock_fake(0, 0);
}
