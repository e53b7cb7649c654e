/* Two clocks that a test can stop, and the one way to write a time. */
#include <criterion/criterion.h>

#include "base/clock.h"

Test(clock, goes_forwards)
{
	uint64_t last = clock_mono_ns();

	for (int at = 0; at < 1000; at++) {
		uint64_t now = clock_mono_ns();

		cr_assert_geq(now, last);
		last = now;
	}
	cr_expect_gt(clock_wall_ms(), 1700000000000);
}

Test(clock, stands_where_a_test_puts_it)
{
	clock_fake(5 * NS_PER_S, 1000);
	cr_expect_eq(clock_mono_ns(), 5 * NS_PER_S);
	cr_expect_eq(clock_wall_ms(), 1000);
	clock_fake_advance_ms(250);
	cr_expect_eq(clock_mono_ns(), 5 * NS_PER_S + 250 * NS_PER_MS);
	cr_expect_eq(clock_wall_ms(), 1250);
	clock_fake(0, 0);
	cr_expect_gt(clock_wall_ms(), 1700000000000);
}

Test(clock, is_written_as_rfc_3339)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 1, "1970-01-01T00:00:00.001Z" },
		{ 951782400000, "2000-02-29T00:00:00.000Z" },
		{ 1795363740123, "2026-11-22T16:09:00.123Z" },
		{ 4102444799999, "2099-12-31T23:59:59.999Z" },
	};
	char text[32];

	for (size_t at = 0; at < sizeof(cases) / sizeof(cases[0]); at++) {
		clock_format(cases[at].ms, text);
		cr_expect_str_eq(text, cases[at].text);
	}
}
