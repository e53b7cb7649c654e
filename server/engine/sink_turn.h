/*
 * sink_turn: what a sink does with the items of one flush: attempts, fates, waiting.
 *
 *	walk over the flush's items ─► call the stage ─► done, or failed
 *	                                  ▲ again after the stage's backoff ┘
 *
 * A stage with run_batch is given them in chunks (sink_chunk.c): `batch.items` of the job, or
 * as many as the stage likes. Of a chunk, those that failed for the moment are tried again
 * together.
 *
 * Failures are tried again here, `attempts` times, with the others behind them waiting: a sink
 * sees its items in order. One that may sleep waits its `retry.backoff_ms` in between, on its
 * own thread; one on a compute thread tries again at once, for it would hold up all others.
 * The wait ends when the job stops or the server does; the turn is then *cut*: its flush is
 * dropped, and what it held comes again after the next start, under the same item ids.
 *
 * Thread: the sink's own (blocking) or compute; the lock is not held.
 */
#ifndef LEAT_ENGINE_SINK_TURN_H
#define LEAT_ENGINE_SINK_TURN_H

#include "engine/batch.h"
#include "engine/ctx.h"
#include "engine/flush.h"

struct turn {
	struct stage_run *run;
	struct stage_ctx ctx;
	uint64_t in, failed, retries; /* since the stage's counts were last told */
	uint64_t told_ns;
	struct error failure; /* why the job must fail; code 0: it need not */
	bool cut;
	struct batch batch;
};

/* From item to item of a flush, and along with them through the outcomes that own them. */
struct walk {
	struct flush *flush;
	uint32_t outcome, left; /* the next one, and items left of the one before */
	struct failure_rec **place;
};

typedef enum stage_result (*stage_call)(void *instance, struct stage_ctx *ctx);

/* Call the stage with the turn's ctx, within its timeout_ms. Does not come back where the
 * engine is gone meanwhile. STAGE_FAILED: ctx says why, or the stage gave no reason. */
enum stage_result turn_call(struct turn *turn, stage_call call);
/* The same in two halves: before the call (-1: ctx says why there can be none), and after it.
 */
int turn_ready(struct turn *turn);
enum stage_result turn_over(struct turn *turn, enum stage_result result);
/* The attempt failed as ctx says, after `attempts` of them: is there another? Waits for it. */
bool turn_again(struct turn *turn, unsigned attempts);
/* Give the stage all items of the flush. */
void turn_take_items(struct turn *turn, struct flush *flush);
/* The outcome that the next item belongs to, to be asked for every one of them. */
struct outcome *walk_next(struct walk *walk);
/* This item has failed for good. */
void turn_item_failed(struct turn *turn, struct walk *walk, struct outcome *outcome,
	const struct item *item, const struct verdict *verdict);
/* The items of the walk by run_batch. (sink_chunk.c) */
void turn_take_chunks(struct turn *turn, struct walk *walk);
/* Add what was counted to the stage's counts. Lock held. */
void turn_tell(struct turn *turn);
/* The same now and then, so that a slow sink does not look like one that stands still. */
void turn_tell_sometimes(struct turn *turn);

#endif
