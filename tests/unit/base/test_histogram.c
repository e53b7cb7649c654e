/* Quantiles within 6 % of the truth. */
#include <criterion/criterion.h>

#include "base/histogram.h"

Test(histogram, an_empty_one_says_zero)
{
	struct histogram histogram = { 0 };

	cr_expect_eq(histogram_quantile(&histogram, 0.5), 0);
	cr_expect_eq(histogram_quantile(&histogram, 1.0), 0);
}

Test(histogram, small_values_are_exact)
{
	struct histogram histogram = { 0 };

	for (uint64_t value = 0; value < HISTOGRAM_STEPS; value++)
		histogram_add(&histogram, value, 1);
	cr_expect_eq(histogram_quantile(&histogram, 0.0), 0);
	cr_expect_eq(histogram_quantile(&histogram, 0.5), HISTOGRAM_STEPS / 2);
	cr_expect_eq(histogram_quantile(&histogram, 1.0), HISTOGRAM_STEPS - 1);
	cr_expect_eq(histogram.total, HISTOGRAM_STEPS);
}

Test(histogram, one_value_is_found_within_its_bound)
{
	for (uint64_t value = 1; value < 1ull << 42; value += value / 7 + 1) {
		struct histogram histogram = { 0 };
		double found;

		histogram_add(&histogram, value, 3);
		histogram_add(&histogram, UINT64_MAX / 4, 1); /* else max would give it away */
		found = (double)histogram_quantile(&histogram, 0.5);
		cr_assert_leq(found, (double)value * 1.0626, "%llu", (unsigned long long)value);
		cr_assert_geq(found, (double)value * 0.9374, "%llu", (unsigned long long)value);
	}
}

Test(histogram, quantiles_of_many_values)
{
	struct histogram histogram = { 0 };

	for (uint64_t value = 1; value <= 100000; value++)
		histogram_add(&histogram, value, 1);
	for (int share = 1; share < 100; share++) {
		double found = (double)histogram_quantile(&histogram, share / 100.0);

		cr_expect_leq(found, share * 1000 * 1.065);
		cr_expect_geq(found, share * 1000 * 0.935);
	}
	cr_expect_eq(histogram_quantile(&histogram, 1.0), 100000);
	cr_expect_eq(histogram.max, 100000);
}

Test(histogram, the_largest_values_fit_in)
{
	struct histogram histogram = { 0 };

	histogram_add(&histogram, UINT64_MAX, 1);
	cr_expect_eq(histogram.max, UINT64_MAX);
	cr_expect_gt(histogram_quantile(&histogram, 0.5), 1ull << 42);
}
