#include "engine/pipeline.h"

#include "base/clock.h"
#include "engine/activation.h"
#include "engine/blocking.h"
#include "engine/call_kit.h"
#include "engine/calls.h"
#include "engine/flush.h"
#include "engine/internal.h"
#include "engine/isolated.h"
#include "engine/sinks.h"
#include "engine/sources.h"
#include "engine/stages_life.h"

int items_push(struct items *items, const struct item *item)
{
	if (items->count == items->capacity) {
		uint32_t capacity = items->capacity == 0 ? 16 : items->capacity * 2;
		struct item *at = mem_realloc(items->at, capacity * sizeof(*at));

		if (at == NULL)
			return -1;
		items->at = at;
		items->capacity = capacity;
	}
	items->at[items->count++] = *item;
	return 0;
}

void items_done(struct items *items)
{
	items_unref(items->at, items->count);
	mem_free(items->at);
	*items = (struct items){ 0 };
}

/* ---- life ---- */

/* What stands in for a stage that is not installed here stays, to say so. */
static bool runs_isolated(const struct pipeline *pipeline, const struct stage_def *def)
{
	return def->isolation == ISOLATION_PROCESS &&
	       registry_find(pipeline->engine->registry, def->stage->name) == def->stage;
}

static void stage_run_init(struct pipeline *pipeline, unsigned index)
{
	struct stage_run *run = &pipeline->stages[index];

	run->pipeline = pipeline;
	run->index = index;
	run->def = &pipeline->def->stages[index];
	run->stage = runs_isolated(pipeline, run->def) ? &isolated_stage : run->def->stage;
	run->workers = run->def->workers;
	run->batch_max = stage_run_batch_max(run);
	run->totals = totals_of(&pipeline->engine->totals, run->def->stage);
	run->usage.last_ns = clock_mono_ns();
	run->tokens_ns = run->usage.last_ns;
	run->tokens = 1;
	queue_init(&run->queue, run->def->queue_items, run->def->queue_bytes);
	list_init(&run->calls);
	blocking_init(run);
}

/* Ordered jobs: everything between feed and release must fit, so that the tail never has to
 * refuse; what queues and workers can hold is that, twice for the reordering itself. */
static uint64_t window_size(const struct pipeline *pipeline)
{
	uint64_t window = 1024;

	for (unsigned at = 0; at < pipeline->count; at++)
		window += 2 * (pipeline->stages[at].queue.max_items +
				      (uint64_t)pipeline->stages[at].workers *
					      MAX(pipeline->stages[at].batch_max, 1u));
	return window;
}

void pipeline_trace(struct pipeline *pipeline, const char *traceparent)
{
	if (traceparent[0] == '\0' || atomic_load(&pipeline->traced))
		return;
	memcpy(pipeline->traceparent, traceparent, TRACE_TEXT_SIZE);
	atomic_store_explicit(&pipeline->traced, true, memory_order_release);
}

const char *pipeline_traceparent(const struct pipeline *pipeline)
{
	return atomic_load_explicit(&pipeline->traced, memory_order_acquire)
		       ? pipeline->traceparent
		       : NULL;
}

int pipeline_new(struct engine *engine, struct job *job, const struct id *id,
	const struct definition *def, struct pipeline **ret, struct error *err)
{
	struct pipeline *pipeline = mem_zalloc(sizeof(*pipeline));

	if (pipeline == NULL)
		return error_no_memory(err);
	pipeline->stages = mem_zalloc(def->stage_count * sizeof(pipeline->stages[0]));
	if (pipeline->stages == NULL) {
		mem_free(pipeline);
		return error_no_memory(err);
	}
	atomic_init(&pipeline->refs, 1);
	pthread_mutex_init(&pipeline->lock, NULL);
	pipeline->engine = engine;
	pipeline->tail_bytes = engine->room.tail_bytes;
	pipeline->job = job_ref(job);
	pipeline->id = *id;
	id_format(id, pipeline->id_text);
	pipeline_trace(pipeline, job->traceparent);
	pipeline->def = def;
	pipeline->count = def->stage_count;
	pipeline->first = def->has_source ? 1 : 0;
	pipeline->end = def->stage_count - (def->has_sink ? 1 : 0);
	list_init(&pipeline->inbox);
	list_init(&pipeline->lazy);
	list_init(&pipeline->inputs);
	list_init(&pipeline->dirty_link);
	list_init(&pipeline->ready_link);
	list_init(&pipeline->loop_link);
	for (unsigned at = 0; at < pipeline->count; at++)
		stage_run_init(pipeline, at);
	if (def->has_source)
		pipeline->source = &pipeline->stages[0];
	if (def->has_sink)
		pipeline->sink = &pipeline->stages[def->stage_count - 1];
	pipeline_set_sink_items(pipeline, SINK_ITEMS_FIRST);
	pipeline->window = window_size(pipeline);
	pipeline->moved_ns = clock_mono_ns();
	atomic_fetch_add(&engine->open_pipelines, 1);
	*ret = pipeline;
	return 0;
}

struct pipeline *pipeline_ref(struct pipeline *pipeline)
{
	atomic_fetch_add_explicit(&pipeline->refs, 1, memory_order_relaxed);
	return pipeline;
}

/* The last reference is gone: stage code (close) must not run on the loop, so a task does it.
 */
void pipeline_unref(struct pipeline *pipeline)
{
	if (atomic_fetch_sub_explicit(&pipeline->refs, 1, memory_order_acq_rel) == 1)
		stages_life_end(pipeline);
}

static void drop_input(struct input *input)
{
	/* One reference is this list's, one each item's that has handed over no outcome. */
	input_unref_n(input, input->count - input->released + 1);
}

static void stage_run_done(struct stage_run *run)
{
	items_unref(
		run->overflow.at + run->overflow_at, run->overflow.count - run->overflow_at);
	mem_free(run->overflow.at);
	queue_done(&run->queue);
	call_kits_done(run);
	mem_free(run->latency);
	pthread_cond_destroy(&run->work);
}

/* Stages are closed already. */
void pipeline_free(struct pipeline *pipeline)
{
	totals_take(&pipeline->engine->totals, pipeline);
	for (unsigned at = 0; at < pipeline->count; at++)
		stage_run_done(&pipeline->stages[at]);
	for (unsigned at = 0; at < pipeline->delayed_count; at++)
		slab_unref(pipeline->delayed[at].item.slab);
	if (pipeline->flush != NULL)
		flush_free(pipeline->flush);
	LIST_EACH(&pipeline->inbox, link)
	input_unref_n(LIST_ENTRY(link, struct input, link), 1);
	LIST_EACH(&pipeline->inputs, link)
	drop_input(LIST_ENTRY(link, struct input, order));
	mem_free(pipeline->delayed);
	mem_free(pipeline->report);
	buf_done(&pipeline->source_state);
	mem_free(pipeline->stages);
	pthread_mutex_destroy(&pipeline->lock);
	atomic_fetch_sub(&pipeline->engine->open_pipelines, 1);
	job_unref(pipeline->job);
	mem_free(pipeline);
}

void pipeline_stop(struct pipeline *pipeline)
{
	__atomic_store_n(&pipeline->stopped, true, __ATOMIC_RELAXED);
	for (unsigned at = 0; at < pipeline->count; at++)
		pthread_cond_broadcast(&pipeline->stages[at].work);
	isolated_stop(pipeline);
}

void pipeline_drain(struct pipeline *pipeline)
{
	pipeline->no_feed = true;
	__atomic_store_n(&pipeline->source_unwanted, true, __ATOMIC_RELAXED);
	if (pipeline->sink != NULL) /* it may wait for its next attempt: see sink_items.h */
		pthread_cond_broadcast(&pipeline->sink->work);
}

/* ---- waking ---- */

static bool wants_async(struct pipeline *pipeline, uint64_t now_ns)
{
	for (unsigned at = 0; at < pipeline->count; at++) {
		struct stage_run *run = &pipeline->stages[at];

		if (run->stage->threads == STAGE_ASYNC &&
			pipeline_startable(pipeline, run, now_ns) > 0)
			return true;
		if (stage_run_sleeps(run) && run->idle_threads == 0 &&
			blocking_startable(run) > 0)
			return true;
	}
	return false;
}

bool pipeline_timer_is_late(const struct pipeline *pipeline)
{
	return pipeline->timer_due_ns != 0 &&
	       (pipeline->timer_armed_ns == 0 ||
		       pipeline->timer_due_ns < pipeline->timer_armed_ns);
}

static bool wants_loop(struct pipeline *pipeline)
{
	if (pipeline->failure.code != ERR_NONE || pipeline->report_done)
		return true;
	if (pipeline->room_wanted &&
		pipeline->backlog_bytes < pipeline->def->backlog_bytes / 8 * 7 &&
		!pipeline_worth_waiting(pipeline))
		return true;
	if (cold_is_due(pipeline))
		return true;
	if (pipeline_timer_is_late(pipeline))
		return true;
	return wants_async(pipeline, clock_mono_ns());
}

static void wake_blocking(struct pipeline *pipeline)
{
	for (unsigned at = 0; at < pipeline->count; at++) {
		struct stage_run *run = &pipeline->stages[at];

		if (stage_run_sleeps(run) && run->idle_threads > 0 &&
			blocking_startable(run) > 0)
			pthread_cond_signal(&run->work);
	}
}

/* Is there something for a compute thread? */
static bool wants_compute(struct pipeline *pipeline)
{
	/* All three are asked: each may set the timer. */
	bool source = source_possible(pipeline) && !stage_run_sleeps(pipeline->source);
	bool sink = sink_possible(pipeline) && !stage_run_sleeps(pipeline->sink);

	return activation_possible(pipeline) || source || sink;
}

unsigned pipeline_wake_mask(struct pipeline *pipeline)
{
	unsigned wake = 0;

	if (pipeline->stopped)
		return pipeline->in_hand == 0 || pipeline->failure.code != ERR_NONE ? WAKE_LOOP
										    : 0;
	pipeline_feed(pipeline);
	pipeline_drain_overflow(pipeline);
	if (wants_compute(pipeline))
		wake |= WAKE_COMPUTE;
	if (wants_loop(pipeline))
		wake |= WAKE_LOOP;
	if (pipeline->sink != NULL) {
		/* the sink takes it: see sink_possible() */
	} else if (pipeline->flush != NULL && !pipeline->dirty) {
		engine_mark_dirty(pipeline);
		wake |= WAKE_COMMIT;
	} else if (pipeline->flush != NULL && tail_due_ns(pipeline) <= clock_mono_ns()) {
		wake |= WAKE_COMMIT;
	}
	wake_blocking(pipeline);
	return wake;
}

void pipeline_unlock(struct pipeline *pipeline, unsigned wake)
{
	struct engine *engine = pipeline->engine;

	pthread_mutex_unlock(&pipeline->lock);
	if (wake & WAKE_COMPUTE)
		scheduler_add(engine->scheduler, pipeline);
	if (wake & WAKE_LOOP)
		engine_want_look(pipeline);
	if (wake & WAKE_COMMIT)
		committer_wake(engine->committer);
}

void pipeline_due(struct pipeline *pipeline, uint64_t due_ns)
{
	if (pipeline->timer_due_ns == 0 || due_ns < pipeline->timer_due_ns)
		pipeline->timer_due_ns = due_ns;
}

/* ---- outcomes ---- */

void pipeline_forward(struct pipeline *pipeline, struct stage_run *run,
	const struct item *outputs, uint32_t n)
{
	uint32_t pushed = 0;

	if (pipeline->stopped) {
		items_unref(outputs, n);
		return;
	}
	if (run->index + 1 == pipeline->end) {
		for (uint32_t at = 0; at < n; at++)
			tail_result(pipeline, &outputs[at]);
		return;
	}
	if (run->overflow.count == run->overflow_at)
		pushed = queue_push_fitting(
			&run[1].queue, outputs, MIN((uint64_t)n, queue_room(&run[1].queue)));
	for (uint32_t at = pushed; at < n; at++) {
		if (items_push(&run->overflow, &outputs[at]) < 0) {
			pipeline_lost(pipeline);
			items_unref(outputs + at, n - at);
			return;
		}
	}
}

/*
 * Memory ran out in the middle of giving an item on. What is on disk is whole, so the job is
 * taken down and built again from there, as after a crash: nothing is lost or doubled.
 */
void pipeline_lost(struct pipeline *pipeline)
{
	error_set(
		&pipeline->failure, ERR_NO_MEMORY, "memory ran out while items were handed on");
	/* Not one outcome more: half of an item may stand in the flush, and order may be
	 * promised. */
	if (pipeline->flush != NULL) {
		pipeline->flush_bytes -= MIN(pipeline->flush_bytes, pipeline->flush->bytes);
		flush_free(TAKE(pipeline->flush));
	}
	pipeline_stop(pipeline);
}

void pipeline_count_parts(struct pipeline *pipeline, const struct item *item, uint32_t n)
{
	if (pipeline->stopped)
		return;
	if (n == 0)
		tail_filtered(pipeline, item);
	else
		item->input->parts[item->index] += n - 1;
}

static void fail_job(struct pipeline *pipeline, const struct stage_run *run,
	const struct item *item, const struct verdict *verdict)
{
	if (pipeline->failure.code == ERR_NONE)
		error_set(&pipeline->failure, ERR_JOB_ITEM,
			"item %llu failed at stage '%s': %s",
			(unsigned long long)input_item_number(item->input, item->index),
			run->def->name, verdict->text);
}

void pipeline_failed(struct pipeline *pipeline, struct stage_run *run, struct item *item,
	const struct verdict *verdict)
{
	bool again =
		verdict->kind != FAILURE_PERMANENT && item->attempt + 1u < run->def->attempts;

	if (pipeline->stopped)
		goto drop;
	if (again) {
		if (pipeline_try_again(pipeline, run, item, verdict) == 0)
			return;
		pipeline_lost(
			pipeline); /* an item does not lose its attempts for want of memory */
		goto drop;
	}
	run->counts.failed++;
	if (run->def->on_error == ON_ERROR_FAIL)
		fail_job(pipeline, run, item, verdict);
	tail_failed(pipeline, item, run->index, verdict, run->def->on_error != ON_ERROR_DROP);
drop:
	slab_unref(item->slab);
}
