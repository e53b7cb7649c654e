/*
 * budget: how much memory all of it takes, and what is done when that is much.
 *
 *	below three quarters of `memory-max`   as if there were no bound
 *	above: tight                           a queue that has items takes no more, input goes
 *	                                       by way of the disk, a block at a time
 *	at the bound: full                     uploads and sources wait, new jobs and bodies
 *	                                       that need much are refused (503)
 *
 * What is in the pipelines goes on at any level, from behind: so memory becomes free by itself,
 * and who waits goes on.
 *
 * Counted is what malloc has given to anybody, looked at four times a second, what slabs have
 * grown since then, to the byte, and what others declare (buffers of connections).
 *
 * Thread: loop; budget_hot_bytes() and budget_used(): any.
 */
#ifndef LEAT_ENGINE_BUDGET_H
#define LEAT_ENGINE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct engine;

struct budget {
	uint64_t max;
	_Atomic uint64_t seen;  /* at the last look, without slabs and what was declared */
	_Atomic uint64_t other; /* what others have declared */
	_Atomic uint64_t soon;  /* what will be taken, and cannot have been seen yet */
	atomic_bool tight;
	uint64_t trimmed_ns;
	uint64_t waits, refused; /* uploads that had to wait, requests refused */
};

/* `max` 0: three quarters of what the machine, or its container, has. */
void budget_init(struct budget *budget, uint64_t max);
/* Four times a second. Whether it is not full any more, having been so. */
void budget_look(struct budget *budget, uint64_t now_ns);
uint64_t budget_used(const struct budget *budget);
bool budget_is_full(const struct budget *budget);
static inline bool budget_is_tight(const struct budget *budget)
{
	return atomic_load_explicit(&budget->tight, memory_order_relaxed);
}
/* Of `hot_bytes` what a job may have in memory now. */
uint64_t budget_hot_bytes(const struct budget *budget, uint64_t hot_bytes);

#endif
