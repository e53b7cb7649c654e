#include "engine/sinks.h"

#include "base/clock.h"
#include "base/role.h"
#include "engine/ctx.h"
#include "engine/flush.h"
#include "engine/internal.h"

static bool report_due(const struct pipeline *pipeline)
{
	return pipeline->report_wanted && !pipeline->report_done && pipeline->flush == NULL;
}

bool sink_possible(struct pipeline *pipeline)
{
	uint64_t due_ns;

	if (pipeline->sink == NULL || pipeline->sink_busy || pipeline->stopped)
		return false;
	if (pipeline->flush == NULL)
		return report_due(pipeline);
	due_ns = tail_due_ns(pipeline);
	if (due_ns <= clock_mono_ns())
		return true;
	pipeline_due(pipeline, due_ns);
	return false;
}

/* What a turn found out; added to the pipeline under its lock at the end. */
struct turn {
	struct stage_run *run;
	struct stage_ctx ctx;
	uint64_t in, failed, retries;
	struct error failure; /* why the job must fail; code 0: it need not */
};

/* Up to `attempts` at once, without waiting in between: what waits would hold up all others. */
static bool take_item(struct turn *turn, struct item *item)
{
	struct stage_run *run = turn->run;
	struct stage_ctx *ctx = &turn->ctx;
	unsigned attempt = 0;

	for (;;) {
		ctx_begin(ctx, item);
		if (ctx_end(ctx, run->stage->run(run->instance, ctx)) >= 0)
			return true;
		if (ctx->verdict.kind == FAILURE_PERMANENT || ++attempt >= run->def->attempts)
			return false;
		item->attempt++;
		turn->retries++;
	}
}

static void item_failed(struct flush *flush, struct turn *turn, const struct item *item,
	struct outcome *outcome, struct failure_rec ***place)
{
	const struct verdict *verdict = &turn->ctx.verdict;
	struct stage_run *run = turn->run;
	struct failure_head head = {
		.version = BLOCK_VERSION,
		.kind = (uint8_t)verdict->kind,
		.span_bits = item->span_bits,
		.stage = (uint16_t)run->index,
		.attempts = (uint16_t)(item->attempt + 1),
		.item = input_item_number(item->input, item->index),
		.part = item->part,
		.at_ms = clock_wall_ms(),
		.error_len = (uint32_t)strlen(verdict->text),
		.input_len = item->len,
	};
	struct buf record = BUF_INIT;

	outcome->fate |= FATE_FAILED;
	turn->failed++;
	if (run->def->on_error == ON_ERROR_FAIL)
		error_set(&turn->failure, ERR_JOB_ITEM, "item %llu failed at stage '%s': %s",
			(unsigned long long)head.item, run->def->name, verdict->text);
	if (run->def->on_error == ON_ERROR_DROP)
		return;
	outcome->failures++;
	if (failure_encode(head, verdict->text, item_text(item), &record) < 0 ||
		flush_failure_at(flush, place, record.data, record.len) < 0)
		error_no_memory(&turn->failure);
	buf_done(&record);
}

static void take_items(struct flush *flush, struct turn *turn)
{
	struct item *item = flush->sunk.at;
	struct failure_rec **place = &flush->failures;

	for (uint32_t at = 0; at < flush->outcome_count; at++) {
		struct outcome *outcome = &flush->outcomes[at];

		/* What fails here stands beside what failed in the maps: an item's failures are
		 * neighbours in the log, so that they run again as one item. */
		for (uint32_t n = 0; n < outcome->failures; n++)
			place = &(*place)->next;
		for (uint32_t n = 0; n < outcome->results; n++, item++) {
			turn->in++;
			if (!take_item(turn, item))
				item_failed(flush, turn, item, outcome, &place);
		}
	}
	turn->ctx.emitter->out.count = 0; /* a sink has nobody to emit to */
}

static void checkpoint(struct flush *flush, struct turn *turn)
{
	struct stage_run *run = turn->run;
	struct stage_ctx *ctx = &turn->ctx;
	enum stage_result result;

	if (run->stage->checkpoint == NULL)
		return;
	ctx->item = NULL;
	ctx->failed = false;
	ctx->state_out = &flush->state;
	result = run->stage->checkpoint(run->instance, ctx);
	/* Without its state the items it has taken must not count: see settle(). */
	if (result != STAGE_OK && ctx->failed && ctx->verdict.kind == FAILURE_TRANSIENT)
		error_no_memory(&turn->failure);
	else if (result != STAGE_OK)
		error_set(&turn->failure, ERR_JOB_STAGE,
			"sink '%s' could not save its state: %s", run->def->name,
			ctx->failed ? ctx->verdict.text : "it gave no reason");
	flush->has_state = flush->state.len > 0;
}

static char *make_report(struct turn *turn)
{
	struct stage_run *run = turn->run;
	struct stage_ctx *ctx = &turn->ctx;
	const struct items *out = &ctx->emitter->out;
	char *report = NULL;

	/* Nothing comes behind it that could bring it again, so it is tried like an item. */
	for (unsigned n = 0;
		run->stage->report != NULL && report == NULL && n < run->def->attempts; n++) {
		ctx->item = NULL;
		ctx->failed = false;
		ctx->emitter->out.count = 0;
		ctx->emitter->item_bytes = 0;
		if (run->stage->report(run->instance, ctx) == STAGE_OK && out->count > 0)
			report = mem_strndup(item_text(&out->at[0]), out->at[0].len);
	}
	ctx->emitter->out.count = 0;
	return report;
}

/* Lock held. The turn is over. */
static void settle(struct pipeline *pipeline, struct turn *turn, struct flush *flush)
{
	struct stage_run *run = turn->run;

	stage_run_account(run, clock_mono_ns());
	run->active--;
	pipeline->in_hand--;
	pipeline->sink_busy = false;
	run->counts.in += turn->in;
	run->counts.failed += turn->failed;
	run->counts.retries += turn->retries;
	if (pipeline->failure.code == ERR_NONE)
		pipeline->failure = turn->failure;
	if (flush == NULL)
		return;
	if (pipeline->stopped || turn->failure.code == ERR_NO_MEMORY ||
		turn->failure.code == ERR_JOB_STAGE) {
		pipeline->flush_bytes -= MIN(pipeline->flush_bytes, flush->accounted);
		pipeline->flushes--;
		flush_drop(flush);
		return;
	}
	if (flush->stages != NULL)
		flush->stages[run->index] = stage_run_counts(run);
	committer_submit(pipeline->engine->committer, &flush->op);
}

bool sink_run(struct pipeline *pipeline)
{
	struct emitter emitter = { 0 };
	struct turn turn = { .run = pipeline->sink, .ctx = { .emitter = &emitter } };
	struct flush *flush;
	char *report = NULL;

	assert_on(ROLE_COMPUTE);
	if (!sink_possible(pipeline))
		return false;
	turn.ctx.run = turn.run;
	flush = tail_take(pipeline, clock_mono_ns(), true);
	stage_run_account(turn.run, clock_mono_ns());
	turn.run->active++;
	pipeline->sink_busy = true;
	pipeline->in_hand++;
	pthread_mutex_unlock(&pipeline->lock);
	if (flush != NULL) {
		take_items(flush, &turn);
		checkpoint(flush, &turn);
	} else {
		report = make_report(&turn);
	}
	pipeline_lock(pipeline);
	settle(pipeline, &turn, flush);
	if (flush == NULL) {
		pipeline->report = report;
		pipeline->report_done = true;
	}
	emitter.out.count = 0;
	emitter_done(&emitter);
	ctx_done(&turn.ctx);
	return true;
}
