/* tally: each value in its bucket, sums that add up. */
#include <criterion/criterion.h>

#include "base/tally.h"

#define MS 1000000ull

static struct tally tally;

Test(tally, a_bound_is_part_of_its_bucket)
{
	tally_add(&tally, &tally_count, 1, 1);
	tally_add(&tally, &tally_count, 2, 1);
	tally_add(&tally, &tally_count, 3, 1);
	cr_expect_eq(tally.counts[0], 1);
	cr_expect_eq(tally.counts[1], 1);
	cr_expect_eq(tally.counts[2], 1, "3 is above 2 and not above 5");
}

Test(tally, what_is_above_all_bounds_is_counted_all_the_same)
{
	tally_add(&tally, &tally_count, 100001, 1);
	tally_add(&tally, &tally_time, 301 * 1000 * MS, 1);
	cr_expect_eq(tally.counts[TALLY_BOUNDS_MAX], 2);
	cr_expect_eq(tally_total(&tally), 2);
}

Test(tally, a_run_of_alike_values_counts_each_and_keeps_the_exact_sum)
{
	tally_add(&tally, &tally_time, 7, 3); /* 2 ns each, and a third */
	cr_expect_eq(tally.counts[0], 3);
	cr_expect_eq(tally.sum, 7);
	tally_add(&tally, &tally_time, 40 * MS, 4);
	cr_expect_eq(tally.counts[7], 4, "10 ms each");
	cr_expect_eq(tally.sum, 40 * MS + 7);
}

Test(tally, nothing_adds_nothing)
{
	tally_add(&tally, &tally_time, 12, 0);
	cr_expect_eq(tally.sum, 0);
	cr_expect_eq(tally_total(&tally), 0);
}

Test(tally, two_are_added_up)
{
	struct tally other = { 0 };

	tally_add(&tally, &tally_count, 10, 2);
	tally_add(&other, &tally_count, 5, 1);
	tally_add(&other, &tally_count, 1000000, 1);
	tally_merge(&tally, &other);
	cr_expect_eq(tally.sum, 1000015);
	cr_expect_eq(tally.counts[2], 3);
	cr_expect_eq(tally_total(&tally), 4);
}

Test(tally, bounds_ascend)
{
	const struct tally_scale *scales[] = { &tally_time, &tally_count };

	for (unsigned of = 0; of < 2; of++) {
		cr_assert_leq(scales[of]->count, TALLY_BOUNDS_MAX);
		for (unsigned at = 1; at < scales[of]->count; at++)
			cr_expect_gt(scales[of]->bounds[at], scales[of]->bounds[at - 1]);
	}
}
