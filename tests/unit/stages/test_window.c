/* How many items a program is given: what it learns from children that are simulated. */
#include <criterion/criterion.h>

#include "exec/window.h"

#define MS 1000000ull

/* Answers come one after the other, each `each_ns` after the one before. */
static unsigned one_after_the_other(
	unsigned max, bool ordered, uint64_t each_ns, unsigned rounds)
{
	struct window window;
	uint64_t now = 1, given[4096];
	unsigned first = 0, last = 0, widest = 0;

	window_init(&window, max, ordered);
	window_begin(&window, now);
	for (unsigned n = 0; n < rounds; n++) {
		while (last - first < window.items)
			given[last++ % 4096] = now;
		now += each_ns;
		window_answer(&window, last - first, given[first % 4096], now);
		first++;
		window_learn(&window, 1, now);
		widest = n > rounds / 2 && window.items > widest ? window.items : widest;
	}
	return widest;
}

/* All that it has in hand take `each_ns`, up to `wide` at a time. */
static unsigned at_a_time(unsigned max, bool ordered, unsigned wide, uint64_t each_ns)
{
	struct window window;
	uint64_t now = 1;

	window_init(&window, max, ordered);
	for (unsigned n = 0; n < 40; n++) {
		unsigned load = window.items, turns = (load + wide - 1) / wide, left = load;
		uint64_t since = now;

		window_begin(&window, now);
		for (unsigned turn = 0; turn < turns; turn++) {
			unsigned part = left < wide ? left : wide;

			now += each_ns;
			for (unsigned at = 0; at < part; at++)
				window_answer(&window, left--, since, now);
			window_learn(&window, part, now);
		}
	}
	return window.items;
}

Test(window, a_fast_child_has_ten_milliseconds_of_work)
{
	cr_assert_leq(one_after_the_other(1000, true, MS / 10, 2000), 100);
	cr_assert_geq(one_after_the_other(1000, true, MS / 10, 2000), 90);
}

Test(window, it_never_exceeds_its_bound)
{
	cr_assert_eq(one_after_the_other(64, true, 1000, 2000), 64);
	cr_assert_leq(at_a_time(64, false, 4000, 20 * MS), 64);
	cr_assert_eq(one_after_the_other(1, false, 1000, 100), 1);
}

Test(window, a_slow_child_that_answers_in_order_has_one)
{
	cr_assert_eq(one_after_the_other(256, true, 50 * MS, 500), 1);
}

Test(window, a_slow_child_that_does_one_at_a_time_has_hardly_ever_more)
{
	cr_assert_leq(one_after_the_other(256, false, 50 * MS, 500), 2);
}

Test(window, a_slow_child_that_does_many_at_a_time_has_many)
{
	cr_assert_eq(at_a_time(256, false, 4000, 100 * MS), 256);
	cr_assert_geq(at_a_time(256, false, 8, 100 * MS), 8);
	cr_assert_leq(at_a_time(256, false, 8, 100 * MS), 16);
}

Test(window, one_that_answers_in_order_is_not_asked_whether_it_is_wide)
{
	cr_assert_eq(at_a_time(256, true, 4000, 100 * MS), 1);
}
