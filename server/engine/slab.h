/*
 * slab: bytes shared by the items that lie in them.
 *
 * An item in a queue is (slab, offset, length); the slab is freed with its last reference.
 * References are counted in runs (slab_ref_n), so that no item costs an atomic operation.
 * Slabs of the common size come from a bounded pool: malloc and free of 64 KiB cost 13 µs.
 *
 * Thread: any.
 */
#ifndef LEAT_ENGINE_SLAB_H
#define LEAT_ENGINE_SLAB_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "ledger/block.h"

struct slab {
	_Atomic uint32_t refs;
	uint32_t size;     /* of data */
	struct slab *next; /* in the pool */
	char data[];
};

/* Room for `size` bytes with one reference; NULL without memory. */
struct slab *slab_new(size_t size);
void slab_unref_n(struct slab *slab, uint32_t n);

static inline void slab_ref_n(struct slab *slab, uint32_t n)
{
	atomic_fetch_add_explicit(&slab->refs, n, memory_order_relaxed);
}

static inline void slab_unref(struct slab *slab)
{
	slab_unref_n(slab, 1);
}

/* Give the pool's memory back (at the end, and when nothing runs). */
void slab_pool_trim(void);
/* Bytes of all slabs that live, pooled ones included. */
uint64_t slab_bytes(void);

#endif
