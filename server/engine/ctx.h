/*
 * ctx: what a stage's callback sees of the engine; the accessors of stages/stage.h.
 *
 * A ctx belongs to one thread (an executor's) or to one call (async, blocking) and is set to
 * an item before `run`. What the stage emits lands in the emitter: bytes in its slab, items
 * in its vector, published by whoever ran the stage.
 */
#ifndef LEAT_ENGINE_CTX_H
#define LEAT_ENGINE_CTX_H

#include "engine/pipeline.h"
#include "stages/stage.h"

/* A bump allocator that is emptied after each item. */
struct scratch {
	char *base;
	size_t used, size;
	struct scratch_extra *extra; /* what did not fit */
};
void *scratch_alloc(struct scratch *scratch, size_t size);
void scratch_clear(struct scratch *scratch);
void scratch_done(struct scratch *scratch);

/* Where emitted items gather. It holds a reference of each slab it wrote into. */
struct emitter {
	struct items out;  /* their references are taken by emitter_publish() */
	struct slab *slab; /* being filled; kept from batch to batch */
	uint32_t used, reserved;
	struct slab **full; /* earlier slabs of this batch */
	unsigned full_count, full_capacity;
	size_t full_bytes; /* the room that they take */
	bool exact;        /* make slabs to measure: calls, which emit little and late */
};
/* Give every item a reference of its slab and let go of all but the slab being filled. */
void emitter_publish(struct emitter *emitter);
/* Forget the items behind the first `count` of them. */
void emitter_rewind(struct emitter *emitter, uint32_t count);
void emitter_done(struct emitter *emitter);

struct stage_ctx {
	struct stage_run *run;
	const struct item *item;
	const char *text;
	size_t len;
	struct emitter *emitter;
	struct worker *worker;
	struct call *call;
	struct scratch scratch;
	uint64_t deadline_ns; /* 0: none */
	bool failed;
	struct verdict verdict;
	uint32_t mark;       /* emitter's count when the item began */
	uint64_t item_bytes; /* emitted for it */
	struct batch *batch; /* in run_batch: its items (batch.h) */
	struct batch *of;    /* it is the ctx of one of these */
	/* sources, sinks, open */
	const char *state;
	size_t state_len;
	struct buf *state_out;
	size_t room;
	char id[ID_TEXT_SIZE + 48];
};

/* Set it to an item; clears what the item before left. */
void ctx_begin(struct stage_ctx *ctx, const struct item *item);
/*
 * After `run`: give what it emitted numbers of its own. Returns how many, or -1 when the
 * item has failed (ctx->verdict; what it emitted is taken back).
 */
int64_t ctx_end(struct stage_ctx *ctx, enum stage_result result);
/* The same for `n` outputs at `out`, which nobody takes back. */
int64_t ctx_number(struct stage_ctx *ctx, struct item *out, uint32_t n);
void ctx_fail(struct stage_ctx *ctx, enum failure_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void ctx_done(struct stage_ctx *ctx);

/* Take a worker for an activation; opens it if it is new. NULL with ctx->verdict on failure.
 * worker_needed() says whether the stage has any use for one. */
bool worker_needed(const struct stage *stage);
int worker_acquire(struct stage_run *run, struct stage_ctx *ctx);
void worker_release(struct stage_run *run, struct stage_ctx *ctx);
/* Close those that nobody has, but for so many. */
void worker_close_idle(struct stage_run *run, struct stage_ctx *ctx, unsigned keep);

#endif
