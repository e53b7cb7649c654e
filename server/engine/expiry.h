/*
 * expiry: jobs by a time, the earliest first: a heap of 32 bytes a job.
 *
 * Thread: one.
 */
#ifndef LEAT_ENGINE_EXPIRY_H
#define LEAT_ENGINE_EXPIRY_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct expiry {
	uint64_t at_ms;
	uint64_t stamp; /* the caller's, to tell what was meant */
	struct id id;
};

struct expiry_heap {
	struct expiry *items; /* the earliest is the first */
	size_t count, capacity;
};

/* Without memory it is left out: the next start finds the job again. */
void expiry_add(struct expiry_heap *heap, const struct id *id, uint64_t at_ms, uint64_t stamp);
/* There must be one. */
struct expiry expiry_pop(struct expiry_heap *heap);
void expiry_done(struct expiry_heap *heap);

#endif
