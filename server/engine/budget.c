#include "engine/budget.h"

#include <uv.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/queue.h"
#include "engine/slab.h"

#define TRIM_NS (5 * NS_PER_S) /* between two times that memory is given back */

static uint64_t of_the_machine(void)
{
	uint64_t total = uv_get_total_memory(), allowed = uv_get_constrained_memory();

	if (allowed > 0 && allowed < total)
		total = allowed;
	return total / 4 * 3;
}

void budget_init(struct budget *budget, uint64_t max)
{
	*budget = (struct budget){ .max = max > 0 ? max : of_the_machine() };
	queue_set_tight(false);
}

uint64_t budget_used(const struct budget *budget)
{
	return atomic_load_explicit(&budget->seen, memory_order_relaxed) +
	       atomic_load_explicit(&budget->other, memory_order_relaxed) +
	       atomic_load_explicit(&budget->soon, memory_order_relaxed) + slab_bytes();
}

bool budget_is_full(const struct budget *budget)
{
	return budget_used(budget) >= budget->max;
}

uint64_t budget_hot_bytes(const struct budget *budget, uint64_t hot_bytes)
{
	return budget_is_tight(budget) ? MIN(hot_bytes, (uint64_t)BLOCK_SIZE_MAX) : hot_bytes;
}

static void set_tight(struct budget *budget, bool tight)
{
	if (tight == budget_is_tight(budget))
		return;
	atomic_store_explicit(&budget->tight, tight, memory_order_relaxed);
	queue_set_tight(tight);
	log_info(tight ? "memory_tight" : "memory_free", "used=%llu max=%llu",
		(unsigned long long)budget_used(budget), (unsigned long long)budget->max);
}

/* What lies free between things in use is no use to anybody else until it is given back. */
static void trim(struct budget *budget, uint64_t now_ns)
{
	if (now_ns - budget->trimmed_ns < TRIM_NS)
		return;
	budget->trimmed_ns = now_ns;
	slab_pool_trim();
	mem_trim();
}

void budget_look(struct budget *budget, uint64_t now_ns)
{
	uint64_t in_use = mem_in_use(), slabs = slab_bytes();

	atomic_store_explicit(&budget->seen, in_use - MIN(in_use, slabs), memory_order_relaxed);
	atomic_store_explicit(&budget->soon, 0, memory_order_relaxed);
	set_tight(budget, budget_used(budget) >= budget->max / 4 * 3);
	if (budget_is_full(budget))
		trim(budget, now_ns);
}
