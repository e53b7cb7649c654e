#include "engine/sink_turn.h"

#include "base/clock.h"
#include "engine/blocking.h"
#include "engine/internal.h"

#define TELL_NS (NS_PER_S / 4) /* how old the counts of a long turn may be */

/* ---- calling the stage ---- */

static bool is_late(const struct turn *turn, enum stage_result result)
{
	const struct stage_ctx *ctx = &turn->ctx;

	/* What was done late is done all the same: only who gave up has run out of time. */
	return ctx->deadline_ns != 0 && clock_mono_ns() > ctx->deadline_ns &&
	       (ctx->failed || result == STAGE_FAILED);
}

/* The worker is opened by the first call; it has no item for that. */
static int get_worker(struct turn *turn)
{
	const struct item *item = turn->ctx.item;
	int done;

	if (turn->ctx.worker != NULL || !worker_needed(turn->run->stage))
		return 0;
	turn->ctx.item = NULL;
	done = worker_acquire(turn->run, &turn->ctx);
	turn->ctx.item = item;
	return done;
}

int turn_ready(struct turn *turn)
{
	uint64_t timeout_ms = turn->run->def->timeout_ms;

	turn->ctx.deadline_ns = timeout_ms == 0 ? 0 : clock_mono_ns() + timeout_ms * NS_PER_MS;
	return get_worker(turn);
}

enum stage_result turn_over(struct turn *turn, enum stage_result result)
{
	struct stage_run *run = turn->run;

	if (atomic_load(&run->pipeline->engine->abandoned))
		pthread_exit(NULL); /* nobody is there any more to give the items back to */
	if (!is_late(turn, result))
		return result;
	ctx_fail(&turn->ctx, FAILURE_TIMEOUT, "no answer within timeout_ms (%llu)",
		(unsigned long long)run->def->timeout_ms);
	return STAGE_FAILED;
}

enum stage_result turn_call(struct turn *turn, stage_call call)
{
	enum stage_result result = STAGE_FAILED;

	if (turn_ready(turn) == 0)
		result = call(turn->run->instance, &turn->ctx);
	return turn_over(turn, result);
}

/* ---- the wait before another attempt ---- */

/* Lock held. Nobody will wait for the answer: not the job, or not the server. */
static bool is_over(struct pipeline *pipeline)
{
	/* A server that shuts down does not wait for what is down: as nothing of this job can
	 * be settled without its sink, the whole of it stops here. */
	if (pipeline->no_feed && !pipeline->stopped)
		pipeline_stop(pipeline);
	return pipeline->stopped;
}

static bool back_off(struct turn *turn, unsigned attempts)
{
	struct stage_run *run = turn->run;
	uint64_t until_ns =
		clock_mono_ns() + backoff_ns(run->def, attempts, &turn->ctx.verdict);

	pipeline_lock(run->pipeline);
	turn_tell(turn);
	run->backing_off = true;
	while (!is_over(run->pipeline) && clock_mono_ns() < until_ns)
		blocking_wait(run, until_ns);
	run->backing_off = false;
	turn->cut = run->pipeline->stopped;
	pthread_mutex_unlock(&run->pipeline->lock);
	return !turn->cut;
}

bool turn_again(struct turn *turn, unsigned attempts)
{
	if (turn->ctx.verdict.kind == FAILURE_PERMANENT || attempts >= turn->run->def->attempts)
		return false;
	return !stage_run_sleeps(turn->run) || back_off(turn, attempts);
}

/* ---- counting ---- */

void turn_tell(struct turn *turn)
{
	struct stage_counts *counts = &turn->run->counts;

	counts->in += turn->in;
	counts->failed += turn->failed;
	counts->retries += turn->retries;
	turn->in = turn->failed = turn->retries = 0;
	turn->told_ns = clock_mono_ns();
}

void turn_tell_sometimes(struct turn *turn)
{
	struct pipeline *pipeline = turn->run->pipeline;

	if (!stage_run_sleeps(turn->run) || clock_mono_ns() - turn->told_ns < TELL_NS)
		return;
	pipeline_lock(pipeline);
	turn_tell(turn);
	pthread_mutex_unlock(&pipeline->lock);
}

/* ---- the items of a flush ---- */

struct outcome *walk_next(struct walk *walk)
{
	struct outcome *outcome;

	for (; walk->left == 0; walk->outcome++) {
		outcome = &walk->flush->outcomes[walk->outcome];
		/* What fails here stands beside what failed in the maps: an item's failures are
		 * neighbours in the log, so that they run again as one item. */
		for (uint32_t n = 0; n < outcome->failures; n++)
			walk->place = &(*walk->place)->next;
		walk->left = outcome->results;
	}
	walk->left--;
	return &walk->flush->outcomes[walk->outcome - 1];
}

static void keep_failure(struct turn *turn, struct walk *walk, const struct item *item,
	const struct verdict *verdict)
{
	struct failure_head head = {
		.version = BLOCK_VERSION,
		.kind = (uint8_t)verdict->kind,
		.span_bits = item->span_bits,
		.stage = (uint16_t)turn->run->index,
		.attempts = (uint16_t)(item->attempt + 1),
		.item = input_item_number(item->input, item->index),
		.part = item->part,
		.at_ms = clock_wall_ms(),
		.error_len = (uint32_t)strlen(verdict->text),
		.input_len = item->len,
	};
	struct buf record = BUF_INIT;

	if (failure_encode(head, verdict->text, item_text(item), &record) < 0 ||
		flush_failure_at(walk->flush, &walk->place, record.data, record.len) < 0)
		error_no_memory(&turn->failure);
	buf_done(&record);
}

void turn_item_failed(struct turn *turn, struct walk *walk, struct outcome *outcome,
	const struct item *item, const struct verdict *verdict)
{
	const struct stage_def *def = turn->run->def;

	outcome->fate |= FATE_FAILED;
	turn->failed++;
	if (def->on_error == ON_ERROR_FAIL)
		error_set(&turn->failure, ERR_JOB_ITEM, "item %llu failed at stage '%s': %s",
			(unsigned long long)input_item_number(item->input, item->index),
			def->name, verdict->text);
	if (def->on_error == ON_ERROR_DROP)
		return;
	outcome->failures++;
	keep_failure(turn, walk, item, verdict);
}

/* False when it has failed for good, or the turn is cut. */
static bool take_item(struct turn *turn, struct item *item)
{
	struct stage_ctx *ctx = &turn->ctx;

	for (;;) {
		ctx_begin(ctx, item);
		if (ctx_end(ctx, turn_call(turn, turn->run->stage->run)) >= 0)
			return true;
		if (!turn_again(turn, item->attempt + 1u))
			return false;
		item->attempt++;
		turn->retries++;
	}
}

static void take_one_by_one(struct turn *turn, struct walk *walk)
{
	struct items *items = &walk->flush->sunk;

	for (uint32_t at = 0; at < items->count; at++) {
		struct outcome *outcome = walk_next(walk);
		bool taken = take_item(turn, &items->at[at]);

		if (turn->cut)
			return;
		turn->in++;
		if (!taken)
			turn_item_failed(
				turn, walk, outcome, &items->at[at], &turn->ctx.verdict);
		turn_tell_sometimes(turn);
	}
}

void turn_take_items(struct turn *turn, struct flush *flush)
{
	struct walk walk = { .flush = flush, .place = &flush->failures };

	turn->told_ns = clock_mono_ns();
	if (turn->run->batch_max > 0)
		turn_take_chunks(turn, &walk);
	else
		take_one_by_one(turn, &walk);
	turn->ctx.emitter->out.count = 0; /* a sink has nobody to emit to */
}
