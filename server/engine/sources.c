#include "engine/sources.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/role.h"
#include "engine/append.h"
#include "engine/builder.h"
#include "engine/ctx.h"
#include "engine/internal.h"

#define APPENDING_MAX (2u << 20) /* not yet on disk */
/* Between two calls of a source that has nothing now: from, doubled up to. */
#define IDLE_MIN_NS NS_PER_MS
#define IDLE_MAX_NS (250 * NS_PER_MS)

bool source_possible(struct pipeline *pipeline)
{
	if (pipeline->source == NULL || pipeline->source_busy || pipeline->source_ended ||
		pipeline->paused || pipeline->output_full || pipeline->stopped ||
		pipeline->no_feed || pipeline->failure.code != ERR_NONE)
		return false;
	if (pipeline->backlog_bytes >= pipeline->def->backlog_bytes ||
		pipeline->appending_bytes >= APPENDING_MAX ||
		budget_is_full(&pipeline->engine->budget) ||
		engine_backlog_is_full(pipeline->engine) ||
		room_lacks(&pipeline->engine->room, ROOM_NEW, 0))
		return false;
	if (pipeline->source_due_ns != 0 && clock_mono_ns() < pipeline->source_due_ns)
		return false;
	return stage_run_has_tokens(pipeline->source, clock_mono_ns());
}

/* One call of the stage; what it made is in the emitter, its cursor in the append. */
static enum stage_result call(
	struct pipeline *pipeline, struct stage_ctx *ctx, struct append *append, size_t room)
{
	struct stage_run *run = pipeline->source;
	enum stage_result result;

	ctx->run = run;
	ctx->room = room;
	if (run->def->timeout_ms != 0)
		ctx->deadline_ns = clock_mono_ns() + run->def->timeout_ms * NS_PER_MS;
	ctx->state = pipeline->source_state.data;
	ctx->state_len = pipeline->source_state.len;
	ctx->state_out = &append->state;
	if (worker_acquire(run, ctx) < 0)
		return STAGE_FAILED;
	result = run->stage->run(run->instance, ctx);
	if (atomic_load(&pipeline->engine->abandoned))
		pthread_exit(NULL); /* only one that sleeps: nobody is there any more */
	worker_release(run, ctx);
	if (ctx->deadline_ns != 0 && clock_mono_ns() > ctx->deadline_ns &&
		(ctx->failed || result == STAGE_FAILED))
		ctx_fail(ctx, FAILURE_TIMEOUT, "nothing came within timeout_ms (%llu)",
			(unsigned long long)run->def->timeout_ms);
	if (result != STAGE_OK && result != STAGE_END && !ctx->failed)
		ctx_fail(ctx, FAILURE_PERMANENT, "the source failed without a reason");
	return ctx->failed ? STAGE_FAILED : result;
}

static int flush_builder(struct builder *builder, struct append *append)
{
	struct input *input;

	if (builder->slab == NULL)
		return 0;
	input = builder_finish(builder, BLOCK_LINES);
	if (input == NULL)
		return -1;
	if (append_add(append, input) < 0) {
		input_unref_n(input, 1);
		return -1;
	}
	return 0;
}

/* Emitted items become blocks. */
static int gather(const struct items *out, struct append *append)
{
	struct builder builder = { 0 };
	uint64_t size = 0;
	int done = 0;

	for (uint32_t at = 0; at < out->count; at++)
		size += out->at[at].len + 1;
	for (uint32_t at = 0; at < out->count && done == 0; at++) {
		const struct item *item = &out->at[at];

		if (!builder_fits(&builder, item->len))
			done = flush_builder(&builder, append);
		if (done == 0)
			done = builder_add(&builder, item_text(item), item->len, size);
	}
	if (done == 0)
		done = flush_builder(&builder, append);
	builder_done(&builder);
	return done;
}

/* Lock held. */
static void source_failed(struct pipeline *pipeline, const struct verdict *verdict)
{
	const struct stage_def *def = pipeline->source->def;

	/* It was told to come back; what it would have made is made at the next start. */
	if (pipeline->stopped || __atomic_load_n(&pipeline->source_unwanted, __ATOMIC_RELAXED))
		return;
	pipeline->source_attempts++;
	if (verdict->kind == FAILURE_PERMANENT || pipeline->source_attempts >= def->attempts) {
		error_set(&pipeline->failure, ERR_JOB_STAGE, "source '%s' failed: %s",
			def->name, verdict->text);
		return;
	}
	pipeline->source->counts.retries++;
	pipeline->source_due_ns =
		clock_mono_ns() + backoff_ns(def, pipeline->source_attempts, verdict);
	pipeline_due(pipeline, pipeline->source_due_ns);
}

static bool is_where_it_was(const struct pipeline *pipeline, const struct append *append)
{
	const struct buf *was = &pipeline->source_state, *is = &append->state;

	return is->len == 0 ||
	       (is->len == was->len && memcmp(is->data, was->data, is->len) == 0);
}

/* Lock held. It had something, or moved on; or it is left alone for a while. */
static void source_came_back(struct pipeline *pipeline, bool idle)
{
	pipeline->source_attempts = 0;
	if (!idle) {
		pipeline->source_idle_ns = 0;
		return;
	}
	pipeline->source_idle_ns =
		MIN(MAX(2 * pipeline->source_idle_ns, IDLE_MIN_NS), IDLE_MAX_NS);
	pipeline->source_due_ns = clock_mono_ns() + pipeline->source_idle_ns;
	pipeline_due(pipeline, pipeline->source_due_ns);
}

/* Keep the cursor also here: the next run goes on from it, not from what is on disk. */
static int keep_state(struct pipeline *pipeline, struct append *append)
{
	append->has_state = append->state.len > 0;
	if (!append->has_state)
		return 0;
	/* Room first: without memory the cursor must stay what it is. */
	if (buf_reserve(&pipeline->source_state, append->state.len) < 0)
		return -1;
	buf_clear(&pipeline->source_state);
	return buf_append(&pipeline->source_state, append->state.data, append->state.len);
}

/* What one call of the source came to. */
struct yield {
	bool end, idle;
};

/* Lock not held. True when something was appended or ended; false when it failed. */
static bool produce(
	struct pipeline *pipeline, size_t room, struct stage_ctx *ctx, struct yield *ret)
{
	struct append *append = append_new();
	enum stage_result result;
	uint32_t made;

	if (append == NULL) {
		ctx_fail(ctx, FAILURE_TRANSIENT, "out of memory");
		return false;
	}
	result = call(pipeline, ctx, append, room);
	made = ctx->emitter->out.count;
	ret->end = result == STAGE_END;
	ret->idle = result == STAGE_OK && made == 0 && is_where_it_was(pipeline, append);
	if (result == STAGE_FAILED || gather(&ctx->emitter->out, append) < 0 ||
		keep_state(pipeline, append) < 0) {
		if (result != STAGE_FAILED)
			ctx_fail(ctx, FAILURE_TRANSIENT, "out of memory");
		append_free(append);
		return false;
	}
	append->close = append->source_ended = ret->end;
	append->op.must = true;
	FAULT_POINT("source-made");
	append->pipeline = pipeline_ref(pipeline); /* the job may be letting go of it */
	if (!append_submit_unless_stopped(pipeline->job, append)) {
		append_free(append); /* its cursor has not moved: it comes again */
		return false;
	}
	pipeline_lock(pipeline);
	pipeline->source->counts.out += made;
	FAULT_POINT("source-submitted");
	pthread_mutex_unlock(&pipeline->lock);
	return true;
}

bool source_run(struct pipeline *pipeline)
{
	struct stage_run *run = pipeline->source;
	struct emitter emitter = { 0 };
	struct stage_ctx ctx = { .emitter = &emitter };
	uint64_t room, now_ns = clock_mono_ns();
	struct yield yield = { 0 };
	bool made;

	assert_on(stage_run_sleeps(run) ? ROLE_BLOCKING : ROLE_COMPUTE);
	if (!source_possible(pipeline))
		return false;
	room = stage_run_take_tokens(run, BLOCK_ITEMS_MAX, now_ns);
	if (room == 0)
		return false;
	stage_run_account(run, now_ns);
	pipeline->source_busy = true;
	pipeline->in_hand++;
	run->active++;
	pthread_mutex_unlock(&pipeline->lock);
	made = produce(pipeline, room, &ctx, &yield);
	pipeline_lock(pipeline);
	stage_run_account(run, clock_mono_ns());
	stage_run_measure(run, clock_mono_ns() - now_ns, emitter.out.count);
	run->active--;
	pipeline->in_hand--;
	pipeline->source_busy = false;
	pipeline->source_ended |= made && yield.end;
	stage_run_return_tokens(run, room - MIN(room, (uint64_t)emitter.out.count));
	if (made)
		source_came_back(pipeline, yield.idle);
	else
		source_failed(pipeline, &ctx.verdict);
	/* Items of a source have no slab references of their own: nobody has published them. */
	emitter.out.count = 0;
	emitter_done(&emitter);
	ctx_done(&ctx);
	return true;
}
