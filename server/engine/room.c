#include "engine/room.h"

#include "engine/internal.h"

#define MIB (1ull << 20)

/* Too small a reserve would hold back nobody in time. */
#define RESERVE_LEAST MIB
#define RESERVE_USUAL (16 * MIB)

#define TAIL_MOST  (4 * MIB)
#define TAIL_LEAST (64ull << 10)

/* How much of the reserve, in sixteenths, must be left for whom. */
static const uint8_t left_for[] = {
	[ROOM_NEW] = 16,
	[ROOM_UNDER_WAY] = 14,
	[ROOM_OUTGROWING] = 12,
	[ROOM_OUTGROWING_RESULTS] = 10,
	[ROOM_LASTING] = 4,
	[ROOM_LASTING_RESULTS] = 2,
};

static uint64_t reserve_of(uint64_t wanted, uint64_t max)
{
	if (wanted == 0)
		wanted = MAX(max / 16, MIN(max / 4, RESERVE_USUAL));
	/* More than half would leave no room for anything to be accepted. */
	return MAX(MIN(wanted, max / 2), MIN(max / 4, RESERVE_LEAST));
}

void room_init(struct engine *engine)
{
	struct room *room = &engine->room;
	struct ledger_stat stat;

	engine->ledger->ops->stat(engine->ledger, &stat);
	room->max = stat.max_bytes;
	room->reserve = reserve_of(engine->config.reserve_bytes, stat.max_bytes);
	room->tail_bytes = TAIL_MOST;
	if (room->max > 0)
		room->tail_bytes = MIN(MAX(room->reserve / 16, TAIL_LEAST), TAIL_MOST);
	room_look(engine);
}

void room_look(struct engine *engine)
{
	struct ledger_stat stat;

	if (engine->room.max == 0)
		return;
	engine->ledger->ops->stat(engine->ledger, &stat);
	atomic_store_explicit(&engine->room.used, stat.used_bytes, memory_order_relaxed);
}

bool room_lacks(const struct room *room, enum room_for what, uint64_t more)
{
	uint64_t left = room->reserve / 16 * left_for[what], taken;

	if (room->max == 0)
		return false;
	taken = atomic_load_explicit(&room->used, memory_order_relaxed) + more;
	if (what == ROOM_NEW)
		taken += atomic_load_explicit(&room->owed, memory_order_relaxed) +
			 atomic_load_explicit(&room->owed_since, memory_order_relaxed);
	return taken + left >= room->max;
}

int room_error(const struct room *room, struct error *err)
{
	return error_set(err, ERR_DISK_FULL,
		"the ledger holds %llu of %llu bytes, and %llu are kept for what was accepted "
		"and its results: delete jobs, wait for retention, or raise map-size",
		(unsigned long long)atomic_load(&room->used), (unsigned long long)room->max,
		(unsigned long long)(room->reserve + atomic_load(&room->owed)));
}

bool room_outgrows(const struct job_record *record, uint64_t bytes, uint64_t items)
{
	uint64_t finished = job_record_finished(record) + items;
	uint64_t taken = 2 * ROOM_ITEM_COST * finished;
	uint64_t left = bytes + record->result_bytes + record->results * sizeof(uint64_t) +
			record->failure_bytes;

	if (record->received > 0)
		taken += (uint64_t)((double)record->bytes / (double)record->received *
				    (double)finished);
	return record->ephemeral || left > taken;
}
