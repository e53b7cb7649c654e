/*
 * sink_turn: what a sink does with the items of one flush: attempts, fates, waiting.
 *
 *	walk over the flush's items ─► call the stage ─► done, or failed
 *	                                  ▲ again after the stage's backoff ┘
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

#include "engine/ctx.h"
#include "engine/flush.h"

struct turn {
	struct stage_run *run;
	struct stage_ctx ctx;
	uint64_t in, failed, retries; /* since the stage's counts were last told */
	uint64_t told_ns;
	struct error failure; /* why the job must fail; code 0: it need not */
	bool cut;
};

typedef enum stage_result (*stage_call)(void *instance, struct stage_ctx *ctx);

/* Call the stage with the turn's ctx, within its timeout_ms. Does not come back where the
 * engine is gone meanwhile. STAGE_FAILED: ctx says why, or the stage gave no reason. */
enum stage_result turn_call(struct turn *turn, stage_call call);
/* The attempt failed as ctx says, after `attempts` of them: is there another? Waits for it. */
bool turn_again(struct turn *turn, unsigned attempts);
/* Give the stage all items of the flush. */
void turn_take_items(struct turn *turn, struct flush *flush);
/* Add what was counted to the stage's counts. Lock held. */
void turn_tell(struct turn *turn);

#endif
