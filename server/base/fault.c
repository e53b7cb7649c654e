#include "base/fault.h"

#ifdef LEAT_FAULTS

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct counter {
	atomic_long count;
	atomic_long nth; /* 0: not armed */
	atomic_bool onwards;
};

static struct counter counters[FAULT_KINDS];
static const char *planted;

static const char *const variables[FAULT_KINDS] = { [FAULT_ALLOC] = "LEAT_FAULT_ALLOC" };

void fault_init(void)
{
	for (int kind = 0; kind < FAULT_KINDS; kind++) {
		const char *value = getenv(variables[kind]);

		if (value != NULL)
			fault_arm(kind, atol(value), strchr(value, '+') != NULL);
	}
	planted = getenv("LEAT_FAULT_PLANT");
}

void fault_arm(enum fault_kind kind, long nth, bool onwards)
{
	atomic_store(&counters[kind].count, 0);
	atomic_store(&counters[kind].onwards, onwards);
	atomic_store(&counters[kind].nth, nth);
}

long fault_count(enum fault_kind kind)
{
	return atomic_load(&counters[kind].count);
}

bool fault_hit(enum fault_kind kind)
{
	struct counter *counter = &counters[kind];
	long nth = atomic_load_explicit(&counter->nth, memory_order_relaxed);
	long now = atomic_fetch_add_explicit(&counter->count, 1, memory_order_relaxed) + 1;

	return nth != 0 && (now == nth || (now > nth && atomic_load(&counter->onwards)));
}

bool fault_planted(const char *name)
{
	return planted != NULL && strcmp(planted, name) == 0;
}

#endif
