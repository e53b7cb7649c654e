/*
 * room: how full the ledger is, and what may still be begun.
 *
 *	0 ─────────────────────── map-size − reserve ─────┬────────────┬─────── map-size
 *	  all goes                 nothing new is taken    │ jobs that  │ no job begins
 *	                           (507); what was taken   │ outgrow    │ anything; what
 *	                           is worked on            │ stand      │ removes goes
 *
 * The reserve is divided among those who still write, in this order: uploads that were under
 * way, jobs that leave more than they take (a stage that makes much of little), then the
 * others, whose results find room where their input lay. What a job has in hand when it stands
 * waits in memory, bounded as ever, while it does not fit. So the last of the reserve is there
 * for what must be written to remove something, and for the copies that LMDB makes of pages.
 *
 * Thread: any, unless it says otherwise.
 */
#ifndef LEAT_ENGINE_ROOM_H
#define LEAT_ENGINE_ROOM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct engine;
struct job_record;

/* What wants to write, the first to be refused first. */
enum room_for {
	ROOM_NEW,       /* new jobs and items */
	ROOM_UNDER_WAY, /* items that were let in already */
	ROOM_OUTGROWING,
	ROOM_OUTGROWING_RESULTS, /* what such a job has in hand */
	ROOM_LASTING,            /* jobs that take as much as they leave */
	ROOM_LASTING_RESULTS,
};

struct room {
	uint64_t max, reserve; /* max 0: no bound */
	uint64_t tail_bytes;   /* results of a job that wait for the disk, and then some */
	_Atomic uint64_t used; /* at the last commit */
	_Atomic uint64_t owed; /* by results of items not worked on yet, beside their bytes */
	_Atomic uint64_t owed_since; /* what came to that since the last tick */
	_Atomic uint64_t in_hand;    /* flushes on their way to the ledger */
	uint64_t open;               /* commit thread: appends in the open transaction */
	uint64_t owed_sum;           /* loop: while a tick adds it up */
};

/* What an item costs as a result beside its bytes, at most. */
#define ROOM_ITEM_COST 16

void room_init(struct engine *engine);
/* Look at what the ledger holds. After each commit, and with each tick. */
void room_look(struct engine *engine);
/* Would `more` bytes be too many? */
bool room_lacks(const struct room *room, enum room_for what, uint64_t more);
/* ERR_DISK_FULL, in words. */
int room_error(const struct room *room, struct error *err);
/* Does the job leave more than it takes, with `bytes` of `items` more that are done? */
bool room_outgrows(const struct job_record *record, uint64_t bytes, uint64_t items);

#endif
