/*
 * probes: stages of the tests' own, whose every outcome follows from the item's bytes, and
 * which watch whether the engine keeps its promises to them.
 *
 *	probe_many    emits the item `k` times, each with a member of its own
 *	probe_id      adds the item's id, as stage_item_id() says it
 *	probe_flaky   by the item's hash: passes, fails for good, fails at some attempts only
 *	probe_serial  passes; nobody else may be inside
 *	probe_worker  passes; its worker's memory must be nobody else's
 *	probe_block   blocking: passes, sometimes after a moment
 *	probe_pool    async: completed by a thread of libuv's pool
 *	probe_batch_…  in batches, in an order of its own: flaky, and makes none, one or two
 *	probe_hang_…  by the item's hash: passes, or waits until it is cancelled
 *	probe_sink    adds up hashes; some items fail
 *	probe_block_sink  the same, blocking: now and then after a moment
 *	probe_batch_sink, probe_quick_sink  the same with run_batch, blocking and not
 *	probe_range   a blocking source of `k` items; now and then it takes a moment
 *
 * All take the same parameters. `slot` names a switch: while probe_healed[slot] is set, nothing
 * fails or hangs, so that failed items can be run again with success.
 */
#ifndef LEAT_TEST_PROBES_H
#define LEAT_TEST_PROBES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_SLOTS 64

extern atomic_bool probe_healed[PROBE_SLOTS];
/* Every one that was opened must be closed again. */
extern atomic_long probe_instances, probe_workers;
/* Promises broken: somebody else inside, foreign memory. */
extern atomic_long probe_trespasses;

/* What the hash of an item means to probe_flaky and probe_sink. */
enum probe_mood {
	MOOD_PERMANENT,
	MOOD_TRANSIENT, /* at every attempt */
	MOOD_ONCE,      /* at the first attempt */
	MOOD_TWICE,     /* at the first two, after having emitted something */
	MOOD_GOOD,
};

uint64_t probe_hash(const char *text, size_t len, uint64_t salt);
/* `mod`: one in so many items is of each of the bad moods. */
enum probe_mood probe_mood(uint64_t hash, uint64_t mod);
static inline bool probe_hangs(uint64_t hash, uint64_t mod)
{
	return hash % mod == 0;
}

/* How many items probe_batch_… makes of one. */
static inline unsigned probe_makes(uint64_t hash)
{
	return (unsigned)(hash >> 40) % 3;
}

#endif
