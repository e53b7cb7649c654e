/*
 * batch: the items of one call of a stage's run_batch, each with a ctx of its own.
 *
 * All contexts write into one emitter. Whoever emits in the order of the items (as nearly every
 * stage does) pays nothing for it; otherwise batch_end() brings the outputs into that order.
 * What belongs to an item that failed is taken back there.
 *
 * A batch is kept and used again: contexts are made once, and cleared when an item begins.
 *
 * Thread: the one that runs the stage; an async stage's is the loop.
 */
#ifndef LEAT_ENGINE_BATCH_H
#define LEAT_ENGINE_BATCH_H

#include "engine/ctx.h"

struct batch {
	struct stage_ctx *whole;
	struct stage_ctx *ctxs; /* their scratch memory is whole's */
	unsigned count, capacity;
	uint32_t *owners; /* of the outputs, from whole's mark on: indices of items */
	uint32_t owner_count, owner_capacity;
	struct items sorted; /* memory for bringing outputs into order */
};

void batch_done(struct batch *batch);
/* Note that the next output is of this ctx; -1 without memory. */
int batch_own(struct batch *batch, const struct stage_ctx *ctx);
/*
 * Set `whole` to these items: stage_batch_item() of it gives their contexts. -1 without memory.
 * Their emitter is whole's. Borrowed: the items, until batch_end() and what is asked after it.
 */
int batch_begin(
	struct batch *batch, struct stage_ctx *whole, const struct item *items, unsigned count);
/*
 * After run_batch: the outputs stand in the order of the items, with numbers of their own.
 * ret_outcomes: for each item how many there are, or -1: its ctx's verdict says why.
 */
void batch_end(struct batch *batch, struct stage_ctx *whole, enum stage_result result,
	int32_t *ret_outcomes);
/* Every item has this verdict. */
void batch_fail(struct batch *batch, const struct verdict *verdict);

#endif
