/*
 * A sink's items in chunks: run_batch. See sink_turn.h.
 *
 *	chunk ─► run_batch ─► each item: done, failed for good, or for the moment
 *	            ▲ those, after the stage's backoff, until their attempts are used up ┘
 */
#include "engine/internal.h"
#include "engine/sink_turn.h"

/* What became of an item so far. */
enum fate { OPEN, DONE, FAILED };

struct chunk {
	struct item *from;        /* the flush's items that it is made of */
	struct item *items;       /* those that are open, side by side */
	uint32_t *places;         /* of these, in `from` */
	int32_t *outcomes;        /* of these, of the last attempt */
	enum fate *fates;         /* of all */
	struct verdict *verdicts; /* of all that failed */
	uint32_t count, open;
};

static void chunk_done(struct chunk *chunk)
{
	mem_free(chunk->items);
	mem_free(chunk->places);
	mem_free(chunk->outcomes);
	mem_free(chunk->fates);
	mem_free(chunk->verdicts);
}

static int chunk_init(struct chunk *chunk, uint32_t max)
{
	*chunk = (struct chunk){ .items = mem_alloc(max * sizeof(chunk->items[0])),
		.places = mem_alloc(max * sizeof(chunk->places[0])),
		.outcomes = mem_alloc(max * sizeof(chunk->outcomes[0])),
		.fates = mem_alloc(max * sizeof(chunk->fates[0])),
		.verdicts = mem_alloc(max * sizeof(chunk->verdicts[0])) };
	if (chunk->items != NULL && chunk->places != NULL && chunk->outcomes != NULL &&
		chunk->fates != NULL && chunk->verdicts != NULL)
		return 0;
	chunk_done(chunk);
	return -1;
}

static void chunk_fill(struct chunk *chunk, struct item *from, uint32_t count)
{
	chunk->from = from;
	chunk->count = chunk->open = count;
	for (uint32_t at = 0; at < count; at++) {
		chunk->items[at] = from[at];
		chunk->places[at] = at;
		chunk->fates[at] = OPEN;
	}
}

/* One call with those that are open. False: it did not come to that, and ctx says why. */
static bool attempt(struct turn *turn, struct chunk *chunk)
{
	struct stage_run *run = turn->run;
	struct stage_ctx *ctx = &turn->ctx;
	enum stage_result result;

	ctx_begin(ctx, &chunk->items[0]); /* also lets go of what the last attempt held */
	if (turn_ready(turn) < 0) {
		turn_over(turn, STAGE_FAILED);
		return false;
	}
	if (batch_begin(&turn->batch, ctx, chunk->items, chunk->open) < 0) {
		ctx_fail(ctx, FAILURE_TRANSIENT, "out of memory");
		return false;
	}
	result = turn_over(turn, run->stage->run_batch(run->instance, ctx));
	batch_end(&turn->batch, ctx, result, chunk->outcomes);
	ctx->emitter->out.count = 0; /* a sink has nobody to emit to */
	return true;
}

/* Those that can be tried again stay open, side by side. */
static void sort_out(struct turn *turn, struct chunk *chunk, bool called, unsigned attempts)
{
	uint32_t open = 0;

	for (uint32_t at = 0; at < chunk->open; at++) {
		const struct verdict *verdict =
			called ? &turn->batch.ctxs[at].verdict : &turn->ctx.verdict;
		uint32_t place = chunk->places[at];

		if (called && chunk->outcomes[at] >= 0) {
			chunk->fates[place] = DONE;
		} else if (verdict->kind == FAILURE_PERMANENT ||
			   attempts >= turn->run->def->attempts) {
			chunk->fates[place] = FAILED;
			chunk->verdicts[place] = *verdict;
		} else {
			chunk->from[place].attempt++;
			chunk->items[open] = chunk->from[place];
			chunk->places[open++] = place;
		}
	}
	chunk->open = open;
}

/* Until none is open, or the turn is cut. */
static void run_chunk(struct turn *turn, struct chunk *chunk)
{
	for (unsigned attempts = 1;; attempts++) {
		bool called = attempt(turn, chunk);

		sort_out(turn, chunk, called, attempts);
		if (chunk->open == 0)
			return;
		turn->ctx.verdict.kind = FAILURE_TRANSIENT; /* that of those that are open */
		turn->retries += chunk->open;
		if (!turn_again(turn, attempts))
			return;
	}
}

/* What failed is written down in the order of the items. */
static void settle_chunk(struct turn *turn, struct walk *walk, const struct chunk *chunk)
{
	for (uint32_t at = 0; at < chunk->count; at++) {
		struct outcome *outcome = walk_next(walk);

		if (chunk->fates[at] == FAILED)
			turn_item_failed(
				turn, walk, outcome, &chunk->from[at], &chunk->verdicts[at]);
	}
	turn->in += chunk->count;
	turn_tell_sometimes(turn);
}

void turn_take_chunks(struct turn *turn, struct walk *walk)
{
	struct items *items = &walk->flush->sunk;
	uint32_t max = MIN(turn->run->batch_max, items->count);
	struct chunk chunk;

	if (max == 0)
		return;
	if (chunk_init(&chunk, max) < 0) {
		error_no_memory(&turn->failure);
		return;
	}
	for (uint32_t at = 0; at < items->count && !turn->cut; at += chunk.count) {
		chunk_fill(&chunk, items->at + at, MIN(max, items->count - at));
		run_chunk(turn, &chunk);
		if (!turn->cut)
			settle_chunk(turn, walk, &chunk);
	}
	chunk_done(&chunk);
}
