/* reserve: while malloc() gives nothing there are blocks, and only so many. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/reserve.h"

#ifdef LEAT_FAULTS

static void *got[RESERVE_BLOCKS + 1];

static void want(bool refused)
{
	fault_arm(FAULT_ALLOC, refused ? 1 : 0, true);
}

static void teardown(void)
{
	want(false);
}

TestSuite(reserve, .fini = teardown);

Test(reserve, every_block_is_given_once_and_comes_back_empty)
{
	for (int turn = 0; turn < 2; turn++) {
		want(true);
		for (size_t at = 0; at < RESERVE_BLOCKS; at++) {
			got[at] = at % 2 == 0 ? reserve_alloc(RESERVE_BLOCK)
					      : reserve_zalloc(2, RESERVE_BLOCK / 2);
			cr_assert_not_null(got[at], "block %zu", at);
			for (size_t byte = 0; byte < RESERVE_BLOCK; byte++)
				cr_assert_eq(((char *)got[at])[byte], 0);
			memset(got[at], 0x5a, RESERVE_BLOCK);
		}
		cr_expect_null(reserve_alloc(1), "there are no more");
		cr_expect_null(reserve_zalloc(1, 1));
		cr_expect_null(reserve_strdup("x"));
		for (size_t at = 0; at < RESERVE_BLOCKS; at++)
			for (size_t byte = 0; byte < RESERVE_BLOCK; byte++)
				cr_assert_eq(((char *)got[at])[byte], 0x5a, "it is one's own");
		want(false);
		for (size_t at = 0; at < RESERVE_BLOCKS; at++)
			reserve_free(got[at]);
	}
}

Test(reserve, what_is_larger_than_a_block_is_refused)
{
	want(true);
	cr_expect_null(reserve_alloc(RESERVE_BLOCK + 1));
	cr_expect_null(reserve_zalloc(SIZE_MAX / 2, 3));
	want(false);
}

/* A text grows from where it is to where there is room. */
Test(reserve, bytes_go_along_when_it_grows)
{
	const size_t sizes[] = { 16, 4000, RESERVE_BLOCK, RESERVE_BLOCK + 1,
		3 * RESERVE_BLOCK };
	unsigned moves = 1u << ARRAY_SIZE(sizes);

	for (unsigned mask = 0; mask < moves; mask++) {
		char *text = reserve_strdup("the bytes"), *grown;

		for (size_t at = 0; at < ARRAY_SIZE(sizes); at++) {
			want(mask >> at & 1);
			grown = reserve_realloc(text, sizes[at]);
			want(false);
			if (grown == NULL) {
				cr_expect(sizes[at] > RESERVE_BLOCK && (mask >> at & 1));
				continue;
			}
			text = grown;
			cr_assert_str_eq(text, "the bytes");
			memset(text + 10, 'x', sizes[at] - 10);
		}
		reserve_free(text);
	}
	want(true);
	for (size_t at = 0; at < RESERVE_BLOCKS; at++)
		cr_assert_not_null(got[at] = reserve_realloc(NULL, 1), "none was lost");
	want(false);
	for (size_t at = 0; at < RESERVE_BLOCKS; at++)
		reserve_free(got[at]);
}

#endif

Test(no_want, it_is_malloc)
{
	char *text = reserve_strdup("x"), *zeros = reserve_zalloc(3, 1000);

	cr_assert(text != NULL && zeros != NULL);
	cr_expect_str_eq(text, "x");
	cr_expect(zeros[0] == 0 && zeros[2999] == 0);
	text = reserve_realloc(text, 1 << 20);
	cr_assert_not_null(text);
	cr_expect_str_eq(text, "x");
	reserve_free(text);
	reserve_free(zeros);
	reserve_free(NULL);
}
