#include "engine/call_kit.h"

#include "base/mem.h"

#define IDLE_MAX 16

static void kit_free(struct call_kit *kit)
{
	batch_done(&kit->batch);
	mem_free(kit->items);
	mem_free(kit->outcomes);
	mem_free(kit);
}

static struct call_kit *pop(struct stage_run *run)
{
	struct call_kit *kit = run->kits;

	if (kit == NULL)
		return NULL;
	run->kits = kit->next;
	run->kit_count--;
	return kit;
}

static int reserve(struct call_kit *kit, unsigned count)
{
	if (kit->capacity >= count)
		return 0;
	mem_free(kit->items);
	mem_free(kit->outcomes);
	kit->items = mem_alloc(count * sizeof(kit->items[0]));
	kit->outcomes = mem_alloc(count * sizeof(kit->outcomes[0]));
	kit->capacity = kit->items == NULL || kit->outcomes == NULL ? 0 : count;
	return kit->capacity == 0 ? -1 : 0;
}

struct call_kit *call_kit_take(struct stage_run *run, unsigned count)
{
	struct call_kit *kit = pop(run);

	if (kit == NULL)
		kit = mem_zalloc(sizeof(*kit));
	if (kit != NULL && reserve(kit, count) < 0) {
		kit_free(kit);
		return NULL;
	}
	return kit;
}

void call_kit_put(struct stage_run *run, struct call_kit *kit)
{
	if (run->kit_count == IDLE_MAX) {
		kit_free(kit);
		return;
	}
	kit->next = run->kits;
	run->kits = kit;
	run->kit_count++;
}

void call_kits_done(struct stage_run *run)
{
	struct call_kit *kit;

	while ((kit = pop(run)) != NULL)
		kit_free(kit);
}
