/* slab: shared bytes, freed with the last reference, those of the common size pooled. */
#include <criterion/criterion.h>
#include <pthread.h>

#include "engine/slab.h"

Test(slab, lives_until_its_last_reference)
{
	struct slab *slab = slab_new(100);

	cr_assert_not_null(slab);
	slab_ref_n(slab, 3);
	slab_unref(slab);
	slab_unref_n(slab, 2);
	memset(slab->data, 'x', 100);
	slab_unref(slab);
	cr_expect_eq(slab_bytes(), 0);
}

Test(slab, small_ones_are_made_to_measure)
{
	struct slab *slab = slab_new(10);

	cr_assert_not_null(slab);
	cr_expect_eq(slab->size, 10);
	cr_expect_eq(slab_bytes(), 10);
	slab_unref(slab);
	cr_expect_eq(slab_bytes(), 0);
}

Test(slab, common_ones_are_used_again)
{
	struct slab *first = slab_new(BLOCK_SIZE_MAX), *second;

	slab_unref(first);
	second = slab_new(BLOCK_SIZE_MAX / 2);
	cr_expect_eq(first, second);
	cr_expect_eq(second->size, BLOCK_SIZE_MAX);
	slab_unref(second);
	cr_expect_eq(slab_bytes(), BLOCK_SIZE_MAX);
	slab_pool_trim();
	cr_expect_eq(slab_bytes(), 0);
}

Test(slab, the_pool_is_bounded)
{
	struct slab *slabs[200];

	for (int at = 0; at < 200; at++)
		cr_assert_not_null(slabs[at] = slab_new(BLOCK_SIZE_MAX));
	for (int at = 0; at < 200; at++)
		slab_unref(slabs[at]);
	cr_expect_leq(slab_bytes(), 100ull * BLOCK_SIZE_MAX);
	slab_pool_trim();
	cr_expect_eq(slab_bytes(), 0);
}

Test(slab, larger_than_a_block_is_not_kept)
{
	struct slab *slab = slab_new(10 * BLOCK_SIZE_MAX);

	cr_assert_not_null(slab);
	slab->data[10 * BLOCK_SIZE_MAX - 1] = 'x';
	slab_unref(slab);
	cr_expect_eq(slab_bytes(), 0);
}
