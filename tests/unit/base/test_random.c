/* Random numbers: in their bound, all of them, and different in every thread. */
#include <criterion/criterion.h>
#include <pthread.h>

#include "base/random.h"

Test(random, stays_below_its_bound_and_reaches_all_of_it)
{
	unsigned seen[10] = { 0 };

	cr_expect_eq(random_below(0), 0);
	cr_expect_eq(random_below(1), 0);
	for (int at = 0; at < 100000; at++) {
		uint64_t value = random_below(10);

		cr_assert_lt(value, 10);
		seen[value]++;
	}
	for (int at = 0; at < 10; at++) {
		cr_expect_gt(seen[at], 9000, "%d", at);
		cr_expect_lt(seen[at], 11000, "%d", at);
	}
	for (int at = 0; at < 1000; at++)
		cr_expect_lt(random_below(1ull << 63), 1ull << 63);
}

static void *draw(void *arg)
{
	*(uint64_t *)arg = random_below(1ull << 63);
	return NULL;
}

Test(random, threads_draw_different_numbers)
{
	uint64_t numbers[8];
	pthread_t threads[8];

	for (int at = 0; at < 8; at++)
		pthread_create(&threads[at], NULL, draw, &numbers[at]);
	for (int at = 0; at < 8; at++)
		pthread_join(threads[at], NULL);
	for (int at = 1; at < 8; at++)
		cr_expect_neq(numbers[at], numbers[0]);
}

Test(random, bytes_are_filled_whatever_their_number)
{
	unsigned char bytes[1000] = { 0 };
	int zeros = 0;

	random_bytes(bytes, sizeof(bytes));
	for (size_t at = 0; at < sizeof(bytes); at++)
		zeros += bytes[at] == 0;
	cr_expect_lt(zeros, 30);
}
