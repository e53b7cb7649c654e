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

/* Up to `attempts` at once, without waiting in between: what waits would hold up all others. */
static bool take_item(struct stage_run *run, struct stage_ctx *ctx, struct item *item)
{
	unsigned attempt = 0;

	for (;;) {
		ctx_begin(ctx, item);
		if (ctx_end(ctx, run->stage->run(run->instance, ctx)) >= 0)
			return true;
		if (ctx->verdict.kind == FAILURE_PERMANENT || ++attempt >= run->def->attempts)
			return false;
		item->attempt++;
		run->counts.retries++;
	}
}

static void item_failed(struct flush *flush, struct stage_run *run, const struct item *item,
	struct outcome *outcome, const struct verdict *verdict)
{
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
	outcome->failures++;
	run->counts.failed++;
	if (run->def->on_error == ON_ERROR_FAIL)
		error_set(&run->pipeline->failure, ERR_JOB_ITEM,
			"item %llu failed at stage '%s': %s", (unsigned long long)head.item,
			run->def->name, verdict->text);
	if (run->def->on_error == ON_ERROR_DROP)
		return;
	if (failure_encode(head, verdict->text, item_text(item), &record) < 0 ||
		flush_failure(flush, record.data, record.len) < 0)
		pipeline_lost(run->pipeline);
	buf_done(&record);
}

static void take_items(struct flush *flush, struct stage_run *run, struct stage_ctx *ctx)
{
	struct item *item = flush->sunk.at;

	for (uint32_t at = 0; at < flush->outcome_count; at++) {
		struct outcome *outcome = &flush->outcomes[at];

		for (uint32_t n = 0; n < outcome->results; n++, item++) {
			run->counts.in++;
			if (!take_item(run, ctx, item))
				item_failed(flush, run, item, outcome, &ctx->verdict);
		}
	}
	ctx->emitter->out.count = 0; /* a sink has nobody to emit to */
}

static void checkpoint(struct flush *flush, struct stage_run *run, struct stage_ctx *ctx)
{
	enum stage_result result;

	if (run->stage->checkpoint == NULL)
		return;
	ctx->item = NULL;
	ctx->failed = false;
	ctx->state_out = &flush->state;
	result = run->stage->checkpoint(run->instance, ctx);
	if (result != STAGE_OK)
		error_set(&run->pipeline->failure, ERR_JOB_STAGE,
			"sink '%s' could not save its state: %s", run->def->name, ctx->verdict.text);
	flush->has_state = flush->state.len > 0;
}

static char *make_report(struct stage_run *run, struct stage_ctx *ctx)
{
	const struct items *out = &ctx->emitter->out;
	char *report;

	if (run->stage->report == NULL)
		return NULL;
	ctx->item = NULL;
	ctx->failed = false;
	if (run->stage->report(run->instance, ctx) != STAGE_OK || out->count == 0)
		return NULL;
	report = mem_strndup(item_text(&out->at[0]), out->at[0].len);
	ctx->emitter->out.count = 0;
	return report;
}

bool sink_run(struct pipeline *pipeline)
{
	struct stage_run *run = pipeline->sink;
	struct emitter emitter = { 0 };
	struct stage_ctx ctx = { .emitter = &emitter, .run = run };
	struct flush *flush;
	uint64_t begin_ns;

	assert_on(ROLE_COMPUTE);
	if (!sink_possible(pipeline))
		return false;
	flush = tail_take(pipeline, clock_mono_ns(), true);
	begin_ns = clock_mono_ns();
	stage_run_account(run, begin_ns);
	run->active++;
	pipeline->sink_busy = true;
	pipeline->in_hand++;
	pthread_mutex_unlock(&pipeline->lock);
	if (flush != NULL) {
		take_items(flush, run, &ctx);
		checkpoint(flush, run, &ctx);
	} else {
		pipeline->report = make_report(run, &ctx);
	}
	pipeline_lock(pipeline);
	stage_run_account(run, clock_mono_ns());
	run->active--;
	pipeline->in_hand--;
	pipeline->sink_busy = false;
	if (flush == NULL) {
		pipeline->report_done = true;
	} else if (pipeline->stopped) {
		flush_drop(flush);
	} else {
		if (flush->stages != NULL)
			flush->stages[run->index] = stage_run_counts(run);
		committer_submit(pipeline->engine->committer, &flush->op);
	}
	emitter.out.count = 0;
	emitter_done(&emitter);
	ctx_done(&ctx);
	return true;
}
