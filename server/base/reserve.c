#include "base/reserve.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"

static _Alignas(64) unsigned char blocks[RESERVE_BLOCKS][RESERVE_BLOCK];
static atomic_bool taken[RESERVE_BLOCKS];

static bool is_ours(const void *ptr)
{
	return (uintptr_t)ptr - (uintptr_t)blocks < sizeof(blocks);
}

static void *take_block(size_t size)
{
	for (size_t at = 0; size <= RESERVE_BLOCK && at < RESERVE_BLOCKS; at++)
		if (!atomic_exchange(&taken[at], true))
			return blocks[at];
	return NULL;
}

/* It may have been a part of a key. */
static void give_block(unsigned char *block)
{
	explicit_bzero(block, RESERVE_BLOCK);
	atomic_store(&taken[(size_t)(block - blocks[0]) / RESERVE_BLOCK], false);
}

void *reserve_alloc(size_t size)
{
	void *got = mem_alloc(size);

	return got != NULL ? got : take_block(size);
}

void *reserve_zalloc(size_t count, size_t size)
{
	size_t bytes;
	void *got;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	got = mem_zalloc(bytes);
	return got != NULL ? got : take_block(bytes); /* which is zeroed */
}

/* Out of a block: how much of it was used nobody knows, so all of it goes along. */
static void *move_out(void *block, size_t size)
{
	void *got = mem_alloc(size);

	if (got == NULL)
		return NULL;
	memcpy(got, block, RESERVE_BLOCK);
	give_block(block);
	return got;
}

void *reserve_realloc(void *old, size_t size)
{
	size_t had;
	void *got;

	if (old == NULL)
		return reserve_alloc(size);
	if (is_ours(old))
		return size <= RESERVE_BLOCK ? old : move_out(old, size);
	got = mem_realloc(old, size);
	if (got != NULL)
		return got;
	got = take_block(size);
	if (got == NULL)
		return NULL;
	had = mem_size(old);
	memcpy(got, old, MIN(had, size));
	mem_free(old);
	return got;
}

char *reserve_strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = reserve_alloc(size);

	return copy == NULL ? NULL : memcpy(copy, text, size);
}

void reserve_free(void *ptr)
{
	if (is_ours(ptr))
		give_block(ptr);
	else
		mem_free(ptr);
}
