#include "engine/calls.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/role.h"
#include "engine/call_kit.h"
#include "engine/ctx.h"
#include "engine/internal.h"

#define START_MAX 512 /* async items started in one turn of the loop */
#define EXACT_MAX 16  /* with more items a call's output goes into whole slabs */

/* What is known of a call's end. */
enum call_end { CALL_OPEN, CALL_COMPLETED, CALL_ABANDONED };

struct call {
	struct list link;          /* of the stage run: under way, oldest first */
	struct list done;          /* of the engine: completed, not yet dealt with */
	struct pipeline *pipeline; /* one reference */
	struct stage_run *run;
	struct item *items; /* with their slab references: `one`, or the kit's */
	unsigned count;
	struct item one;
	struct call_kit *kit; /* NULL: of one item, by `run` */
	struct emitter emitter;
	struct stage_ctx ctx;
	uint64_t started_ns;
	_Atomic int end;       /* enum call_end: who decided the item's fate */
	atomic_bool finishing; /* stage_complete() was called, it comes once */
	enum stage_result result;
	bool deferred;
	uint32_t reserved; /* downstream */
	uv_timer_t *timer;
	void (*timer_fn)(void *instance, struct stage_ctx *ctx);
};

bool call_is_abandoned(const struct call *call)
{
	return atomic_load_explicit(&call->end, memory_order_acquire) == CALL_ABANDONED;
}

/* ---- starting; lock held ---- */

static struct call *call_new(struct stage_run *run, unsigned count)
{
	struct call *call = mem_zalloc(sizeof(*call));

	if (call == NULL)
		return NULL;
	call->items = &call->one;
	if (run->batch_max > 0) {
		call->kit = call_kit_take(run, count);
		if (call->kit == NULL) {
			mem_free(call);
			return NULL;
		}
		call->items = call->kit->items;
	}
	call->pipeline = pipeline_ref(run->pipeline);
	atomic_fetch_add(&call->pipeline->engine->open_calls, 1);
	call->run = run;
	call->emitter.exact = count < EXACT_MAX;
	call->ctx.emitter = &call->emitter;
	call->ctx.run = run;
	call->ctx.call = call;
	list_init(&call->done);
	return call;
}

static void timer_closed(uv_handle_t *handle)
{
	mem_free(handle);
}

/* Thread: the one that ended it; the timer is closed on the loop. */
static void call_free(struct call *call)
{
	if (call->timer != NULL) {
		call->timer->data = NULL;
		uv_close((uv_handle_t *)call->timer, timer_closed);
	}
	for (unsigned at = 0; at < call->count; at++)
		slab_unref(call->items[at].slab);
	emitter_done(&call->emitter);
	ctx_done(&call->ctx);
	if (call->kit != NULL) {
		pipeline_lock(call->pipeline);
		call_kit_put(call->run, call->kit);
		pthread_mutex_unlock(&call->pipeline->lock);
	}
	atomic_fetch_sub(&call->pipeline->engine->open_calls, 1);
	pipeline_unref(call->pipeline);
	mem_free(call);
}

/* Items that no worker has had before turn from pending to running. */
static void count_begun(struct call *call)
{
	for (unsigned at = 0; at < call->count; at++) {
		call->pipeline->begun += call->items[at].flags & ITEM_FRESH;
		call->items[at].flags &= (uint8_t)~ITEM_FRESH;
	}
}

static void set_deadline(struct call *call, uint64_t now_ns)
{
	struct stage_run *run = call->run;

	if (run->def->timeout_ms == 0)
		return;
	call->ctx.deadline_ns = now_ns + run->def->timeout_ms * NS_PER_MS;
	pipeline_due(call->pipeline,
		LIST_ENTRY(run->calls.next, struct call, link)->ctx.deadline_ns);
}

/* How many items the next call takes, their tokens taken; 0: it cannot begin. */
static unsigned call_size(struct stage_run *run, uint64_t now_ns)
{
	uint64_t count = pipeline_startable(run->pipeline, run, now_ns);

	count = queue_portion(&run->queue, MIN(count, (uint64_t)MAX(run->batch_max, 1u)));
	return count == 0 ? 0 : (unsigned)stage_run_take_tokens(run, count, now_ns);
}

/* Take one item of the stage's queue, or a batch; NULL when none can start. Room downstream is
 * reserved, so that the results have a place whenever they come. */
static struct call *call_take(struct stage_run *run, uint64_t now_ns)
{
	struct pipeline *pipeline = run->pipeline;
	unsigned count = call_size(run, now_ns);
	struct call *call;

	if (count == 0)
		return NULL;
	call = call_new(run, count);
	if (call == NULL) {
		stage_run_return_tokens(run, count);
		return NULL;
	}
	stage_run_account(run, now_ns);
	call->count = queue_pop(&run->queue, call->items, count);
	run->batch_since_ns = 0;
	count_begun(call);
	if (run->index + 1 < pipeline->end) {
		call->reserved = call->count;
		run[1].queue.reserved += call->reserved;
	}
	run->active++;
	pipeline->in_hand++;
	call->started_ns = now_ns;
	list_append(&run->calls, &call->link);
	set_deadline(call, now_ns);
	return call;
}

/* ---- ending; lock held ---- */

/* The worker is free again. */
static void call_release(struct call *call, uint64_t now_ns)
{
	struct stage_run *run = call->run;

	stage_run_account(run, now_ns);
	run->active--;
	call->pipeline->in_hand--;
	if (call->reserved > 0)
		run[1].queue.reserved -= call->reserved;
	call->reserved = 0;
	list_remove(&call->link);
}

static void fail_late(struct call *call)
{
	ctx_fail(&call->ctx, FAILURE_TIMEOUT, "no answer within timeout_ms (%llu)",
		(unsigned long long)call->run->def->timeout_ms);
}

/* The end of one item: `n` outputs, which go on later, or a failure. */
static void settle_item(
	struct call *call, const struct item *item, int64_t n, const struct verdict *verdict)
{
	struct stage_run *run = call->run;
	struct item copy = *item;

	run->counts.in++;
	if (n < 0) {
		slab_ref_n(copy.slab, 1);
		pipeline_failed(call->pipeline, run, &copy, verdict);
		return;
	}
	run->counts.out += (uint64_t)n;
	run->counts.filtered += n == 0;
	if (n != 1)
		pipeline_count_parts(call->pipeline, item, (uint32_t)n);
}

static void settle_batch(struct call *call)
{
	struct call_kit *kit = call->kit;

	batch_end(&kit->batch, &call->ctx, call->result, kit->outcomes);
	emitter_publish(&call->emitter);
	for (unsigned at = 0; at < call->count; at++)
		settle_item(call, &call->items[at], kit->outcomes[at],
			&kit->batch.ctxs[at].verdict);
}

static void settle_one(struct call *call)
{
	int64_t n = ctx_end(&call->ctx, call->result);

	emitter_publish(&call->emitter);
	settle_item(call, &call->one, n, &call->ctx.verdict);
}

/* All of them have the fate of the call. */
static void settle_failed(struct call *call, const struct verdict *verdict)
{
	for (unsigned at = 0; at < call->count; at++)
		settle_item(call, &call->items[at], -1, verdict);
}

/* The stage is through with it: its outputs go on, or it has failed. */
static void call_settle(struct call *call, uint64_t now_ns)
{
	struct stage_run *run = call->run;
	struct items *out = &call->emitter.out;

	call_release(call, now_ns);
	stage_run_measure(run, now_ns - call->started_ns, call->count);
	/* It gave up because its time was over: that is a timeout, whoever noticed it first. */
	if (call->ctx.deadline_ns != 0 && now_ns > call->ctx.deadline_ns &&
		(call->ctx.failed || call->result == STAGE_FAILED))
		fail_late(call);
	if (call->kit == NULL)
		settle_one(call);
	else if (call->ctx.batch != NULL)
		settle_batch(call);
	else /* there was no worker for them, or no memory */
		settle_failed(call, &call->ctx.verdict);
	pipeline_forward(call->pipeline, run, out->at, out->count);
	out->count = 0;
}

/* Nobody waits any more: the deadline has passed, or the job is over. */
static void call_abandon(struct call *call, uint64_t now_ns, bool timed_out)
{
	struct stage_run *run = call->run;
	struct verdict verdict = { .kind = FAILURE_TIMEOUT };

	list_remove(&call->link);
	if (run->stage->threads == STAGE_ASYNC)
		call_release(call, now_ns);
	if (!timed_out)
		return;
	snprintf(verdict.text, sizeof(verdict.text), "no answer within timeout_ms (%llu)",
		(unsigned long long)run->def->timeout_ms);
	stage_run_measure(run, now_ns - call->started_ns, call->count);
	settle_failed(call, &verdict);
}

/* Decide; false when somebody else has. */
static bool call_decide(struct call *call, enum call_end end)
{
	int open = CALL_OPEN;

	return atomic_compare_exchange_strong(&call->end, &open, (int)end);
}

/* ---- async ---- */

void stage_defer(struct stage_ctx *ctx)
{
	ctx->call->deferred = true;
}

void stage_complete(struct stage_ctx *ctx, enum stage_result result)
{
	struct call *call = ctx->call;
	struct engine *engine = call->pipeline->engine;
	bool first;

	if (atomic_exchange(&call->finishing, true))
		return; /* a stage may complete an item once */
	call->result = result;
	pthread_mutex_lock(&engine->loop_lock);
	first = list_empty(&engine->completed_calls);
	list_append(&engine->completed_calls, &call->done);
	pthread_mutex_unlock(&engine->loop_lock);
	if (first)
		uv_async_send(&engine->calls_done);
}

static void timer_fired(uv_timer_t *timer)
{
	struct call *call = timer->data;

	if (call != NULL)
		call->timer_fn(call->run->instance, &call->ctx);
}

enum stage_result stage_timer(
	struct stage_ctx *ctx, uint64_t ms, void (*fn)(void *instance, struct stage_ctx *ctx))
{
	struct call *call = ctx->call;

	assert_on(ROLE_LOOP);
	if (call->timer == NULL) {
		call->timer = mem_zalloc(sizeof(*call->timer));
		if (call->timer == NULL)
			return stage_fail(ctx, STAGE_TRANSIENT, "out of memory");
		uv_timer_init(call->pipeline->engine->loop, call->timer);
		call->timer->data = call;
	}
	call->timer_fn = fn;
	uv_timer_start(call->timer, timer_fired, ms, 0);
	return STAGE_OK;
}

void *stage_uv_loop(struct stage_ctx *ctx)
{
	return ctx->run->pipeline->engine->loop;
}

unsigned stage_workers(struct stage_ctx *ctx)
{
	struct stage_run *run = ctx->run;
	unsigned workers;

	assert_on(ROLE_LOOP);
	pipeline_lock(run->pipeline);
	workers = run->workers;
	pthread_mutex_unlock(&run->pipeline->lock);
	return workers;
}

void stage_in_flight(struct stage_ctx *ctx, unsigned per_worker)
{
	struct stage_run *run = ctx->run;

	assert_on(ROLE_LOOP);
	pipeline_lock(run->pipeline);
	stage_run_account(run, clock_mono_ns());
	run->per_worker = per_worker;
	pipeline_unlock(run->pipeline, pipeline_wake_mask(run->pipeline));
}

/* Lock not held: this is stage code. */
static enum stage_result call_stage(struct call *call)
{
	struct stage_run *run = call->run;

	ctx_begin(&call->ctx, &call->items[0]);
	if (worker_acquire(run, &call->ctx) < 0)
		return STAGE_FAILED;
	if (call->kit == NULL)
		return run->stage->run(run->instance, &call->ctx);
	if (batch_begin(&call->kit->batch, &call->ctx, call->items, call->count) < 0) {
		ctx_fail(&call->ctx, FAILURE_TRANSIENT, "out of memory");
		return STAGE_FAILED;
	}
	return run->stage->run_batch(run->instance, &call->ctx);
}

/* It must return at once. */
static void call_run_async(struct call *call)
{
	enum stage_result result = call_stage(call);

	if (result == STAGE_PENDING && call->deferred)
		return;
	stage_complete(&call->ctx, result);
}

static unsigned take_some(struct stage_run *run, struct call **calls)
{
	unsigned count = 0;

	while (count < START_MAX && (calls[count] = call_take(run, clock_mono_ns())) != NULL)
		count++;
	return count;
}

void calls_start(struct pipeline *pipeline)
{
	struct call *calls[START_MAX];

	assert_on(ROLE_LOOP);
	for (unsigned at = pipeline->end; at-- > pipeline->first;) {
		struct stage_run *run = &pipeline->stages[at];
		unsigned count;

		if (run->stage->threads != STAGE_ASYNC)
			continue;
		pipeline_lock(pipeline);
		count = take_some(run, calls);
		pipeline_unlock(pipeline, count > 0 ? pipeline_wake_mask(pipeline) : 0);
		for (unsigned n = 0; n < count; n++)
			call_run_async(calls[n]);
	}
}

/* One completed call: settle the item's fate if it is still open. Takes the call. */
static void call_finish(struct call *call)
{
	struct pipeline *pipeline = call->pipeline;

	worker_release(call->run, &call->ctx);
	pipeline_lock(pipeline);
	if (call_decide(call, CALL_COMPLETED))
		call_settle(call, clock_mono_ns());
	pthread_mutex_unlock(&pipeline->lock);
}

void calls_finish(struct engine *engine)
{
	struct list done;

	assert_on(ROLE_LOOP);
	list_init(&done);
	pthread_mutex_lock(&engine->loop_lock);
	list_move_all(&done, &engine->completed_calls);
	pthread_mutex_unlock(&engine->loop_lock);
	LIST_EACH(&done, link)
	{
		struct call *call = LIST_ENTRY(link, struct call, done);
		struct pipeline *pipeline = call->pipeline;

		list_remove(&call->done);
		call_finish(call);
		/* Wake once a run of calls of one pipeline, not once a call. */
		if (list_empty(&done) ||
			LIST_ENTRY(done.next, struct call, done)->pipeline != pipeline) {
			pipeline_lock(pipeline);
			pipeline_unlock(pipeline, pipeline_wake_mask(pipeline));
		}
		call_free(call);
	}
}

/* ---- deadlines and cancel ---- */

/* Lock held: the oldest first, they all have the same time to live. */
static struct call *expired(struct stage_run *run, uint64_t now_ns)
{
	struct call *call;

	if (list_empty(&run->calls))
		return NULL;
	call = LIST_ENTRY(run->calls.next, struct call, link);
	if (call->ctx.deadline_ns == 0)
		return NULL;
	if (call->ctx.deadline_ns <= now_ns)
		return call;
	pipeline_due(run->pipeline, call->ctx.deadline_ns);
	return NULL;
}

/* An async stage may let go early. */
static void tell_cancelled(struct call *call)
{
	struct stage_run *run = call->run;

	if (run->stage->cancel != NULL)
		run->stage->cancel(run->instance, &call->ctx);
	else if (call->timer != NULL && uv_is_active((uv_handle_t *)call->timer))
		uv_timer_start(
			call->timer, timer_fired, 0, 0); /* a sleeper need not sleep on */
}

static void expire_run(struct pipeline *pipeline, struct stage_run *run, uint64_t now_ns)
{
	struct call *call;

	pipeline_lock(pipeline);
	while ((call = expired(run, now_ns)) != NULL) {
		bool ours = call_decide(call, CALL_ABANDONED);

		if (ours)
			call_abandon(call, now_ns, true);
		else
			list_remove(&call->link); /* completed; calls_finish() will get to it */
		pthread_mutex_unlock(&pipeline->lock);
		/* A blocking one belongs to its thread, which looks at stage_cancelled()
		 * itself. */
		if (ours && run->stage->threads == STAGE_ASYNC)
			tell_cancelled(call);
		pipeline_lock(pipeline);
	}
	pthread_mutex_unlock(&pipeline->lock);
}

void calls_expire(struct pipeline *pipeline, uint64_t now_ns)
{
	for (unsigned at = pipeline->first; at < pipeline->end; at++)
		if (pipeline->stages[at].def->timeout_ms != 0)
			expire_run(pipeline, &pipeline->stages[at], now_ns);
}

void calls_cancel(struct pipeline *pipeline)
{
	uint64_t now_ns = clock_mono_ns();

	assert_on(ROLE_LOOP);
	for (unsigned at = pipeline->first; at < pipeline->end; at++) {
		struct stage_run *run = &pipeline->stages[at];

		for (;;) {
			struct call *call = NULL;
			bool ours = false;

			pipeline_lock(pipeline);
			if (!list_empty(&run->calls)) {
				call = LIST_ENTRY(run->calls.next, struct call, link);
				ours = call_decide(call, CALL_ABANDONED);
				if (ours)
					call_abandon(call, now_ns, false);
				else
					list_remove(&call->link);
			}
			pthread_mutex_unlock(&pipeline->lock);
			if (call == NULL)
				break;
			if (ours && run->stage->threads == STAGE_ASYNC)
				tell_cancelled(call);
		}
	}
}

/* ---- blocking ---- */

bool call_run_blocking(struct stage_run *run)
{
	struct pipeline *pipeline = run->pipeline;
	struct call *call = call_take(run, clock_mono_ns());

	assert_on(ROLE_BLOCKING);
	if (call == NULL)
		return false;
	pipeline_unlock(pipeline, pipeline_wake_mask(pipeline));
	call->result = call_stage(call);
	if (atomic_load(&pipeline->engine->abandoned))
		pthread_exit(NULL); /* nobody is there any more to give the item back to */
	worker_release(run, &call->ctx);
	pipeline_lock(pipeline);
	if (call_decide(call, CALL_COMPLETED))
		call_settle(call, clock_mono_ns());
	else
		call_release(call, clock_mono_ns()); /* its worker was held up until now */
	pipeline_unlock(pipeline, pipeline_wake_mask(pipeline));
	call_free(call);
	pipeline_lock(pipeline);
	return true;
}
