#include "engine/engine.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/role.h"
#include "engine/calls.h"
#include "engine/configure.h"
#include "engine/flush.h"
#include "engine/admission.h"
#include "engine/internal.h"
#include "engine/pool.h"

#define MIB (1ull << 20)

const struct engine_config engine_config_default = {
	.compute = 0,
	.blocking_max = 256,
	.item_max = 1 * MIB,
	.output_max = 16 * MIB,
	.hot_bytes = 2 * MIB,
	.records_ms = 90ull * 24 * 3600 * 1000,
	.stall_ms = 60000,
	.flush_ms = 50,
	.reserve_bytes = 0,
	.jobs_max = 10000,
	.workers_max = 1000000,
	.cache_max = 1000,
	.keys_max = 10000,
	.isolated_memory = 1024 * MIB,
	.isolated_timeout_ms = 60000,
};

/* ---- the table of jobs ---- */

static unsigned chain_of(const struct id *id)
{
	/* The last bytes are the random ones. */
	return ((unsigned)id->bytes[14] << 8 | id->bytes[15]) % JOB_CHAINS;
}

struct job *engine_find_any(struct engine *engine, const struct id *id)
{
	struct job *job = engine->jobs[chain_of(id)];

	assert_on(ROLE_LOOP);
	while (job != NULL && !id_equal(&job->id, id))
		job = job->hash_next;
	return job;
}

struct job *engine_find(struct engine *engine, const struct id *id)
{
	struct job *job = engine_find_any(engine, id);

	return job == NULL || job->deleted ? NULL : job;
}

static void trim_cache(struct engine *engine)
{
	while (engine->cache_count > engine->config.cache_max) {
		struct job *oldest = LIST_ENTRY(engine->cache.next, struct job, link);

		if (oldest->retrying > 0) /* about to live again: there must not be two of it */
			return;
		engine_unlist_job(oldest);
	}
}

void engine_list_job(struct job *job)
{
	struct engine *engine = job->engine;
	struct job **chain = &engine->jobs[chain_of(&job->id)];

	job->listed = true;
	job_ref(job);
	job->hash_next = *chain;
	*chain = job;
	job->cached = job_state_is_done((enum job_state)job->record.state);
	if (job->cached) {
		list_append(&engine->cache, &job->link);
		engine->cache_count++;
		trim_cache(engine);
	} else {
		list_append(&engine->live, &job->link);
		engine->live_count++;
		admission_count(job, true);
	}
}

void engine_unlist_job(struct job *job)
{
	struct engine *engine = job->engine;
	struct job **at = &engine->jobs[chain_of(&job->id)];

	while (*at != job)
		at = &(*at)->hash_next;
	*at = job->hash_next;
	job->hash_next = NULL;
	if (job->cached)
		engine->cache_count--;
	else
		engine->live_count--;
	job->listed = false;
	admission_count(job, false);
	list_remove(&job->link);
	job_unref(job);
}

/* ---- mail for the loop ---- */

void engine_post(struct engine *engine, struct post *post)
{
	pthread_mutex_lock(&engine->loop_lock);
	list_append(&engine->posts, &post->link);
	pthread_mutex_unlock(&engine->loop_lock);
	uv_async_send(&engine->calls_done);
}

static void run_posts(struct engine *engine)
{
	struct list posts, *link;

	list_init(&posts);
	pthread_mutex_lock(&engine->loop_lock);
	list_move_all(&posts, &engine->posts);
	pthread_mutex_unlock(&engine->loop_lock);
	while ((link = list_pop(&posts)) != NULL) {
		struct post *post = LIST_ENTRY(link, struct post, link);

		post->fn(post);
	}
}

void engine_mark_dirty(struct pipeline *pipeline)
{
	struct engine *engine = pipeline->engine;

	if (pipeline->dirty)
		return;
	pipeline->dirty = true;
	pipeline_ref(pipeline);
	pthread_mutex_lock(&engine->dirty_lock);
	list_append(&engine->dirty, &pipeline->dirty_link);
	pthread_mutex_unlock(&engine->dirty_lock);
}

static void on_look(uv_async_t *async)
{
	engine_look(async->data);
}

static void on_calls(uv_async_t *async)
{
	calls_finish(async->data);
	run_posts(async->data);
}

static void on_tick(uv_timer_t *timer)
{
	engine_tick(timer->data);
}

static void on_prepare(uv_prepare_t *prepare)
{
	engine_tell_all(prepare->data);
}

/* ---- open ---- */

static unsigned default_threads(unsigned asked)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (asked > 0)
		return asked;
	return cores > 0 ? (unsigned)cores : 1;
}

static void init_handles(struct engine *engine)
{
	uv_loop_t *loop = engine->loop;

	uv_async_init(loop, &engine->look, on_look);
	uv_async_init(loop, &engine->calls_done, on_calls);
	uv_timer_init(loop, &engine->tick);
	uv_prepare_init(loop, &engine->tell);
	engine->look.data = engine->calls_done.data = engine;
	engine->tick.data = engine->tell.data = engine;
	uv_timer_start(&engine->tick, on_tick, TICK_MS, TICK_MS);
	clock_beat();
	uv_prepare_start(&engine->tell, on_prepare);
}

static void init_lists(struct engine *engine)
{
	list_init(&engine->live);
	list_init(&engine->admitted);
	budget_init(&engine->budget, engine->config.memory_max);
	room_init(engine);
	list_init(&engine->cache);
	list_init(&engine->watches);
	list_init(&engine->events);
	list_init(&engine->unwanted);
	list_init(&engine->touched_loop);
	list_init(&engine->impatient);
	list_init(&engine->look_list);
	list_init(&engine->completed_calls);
	list_init(&engine->posts);
	list_init(&engine->dirty);
	list_init(&engine->touched_jobs);
	list_init(&engine->touched_inputs);
	pthread_mutex_init(&engine->loop_lock, NULL);
	spawner_init(&engine->spawner);
	pthread_mutex_init(&engine->dirty_lock, NULL);
}

static int start(struct engine *engine, struct error *err)
{
	struct committer_hooks hooks = engine_hooks(engine);

	if (pool_start(err) < 0)
		return -1;
	if (scheduler_start(engine->config.compute, &engine->scheduler, err) < 0)
		return -1;
	if (committer_start(engine->ledger, engine->loop, &hooks, &engine->committer, err) < 0)
		return -1;
	return engine_recover(engine, err);
}

int engine_open(const struct engine_config *config, uv_loop_t *loop, struct ledger *ledger,
	struct registry *registry, struct engine **ret, struct error *err)
{
	struct engine *engine = mem_zalloc(sizeof(*engine));

	if (engine == NULL)
		return error_no_memory(err);
	engine->config = *config;
	engine->config.compute = default_threads(config->compute);
	if (engine->config.rules.stages_max == 0)
		engine->config.rules = definition_rules_default;
	engine->loop = loop;
	engine->ledger = ledger;
	engine->registry = registry;
	engine->started_ms = clock_wall_ms();
	init_lists(engine);
	init_handles(engine);
	if (totals_init(&engine->totals, registry) < 0) {
		engine_close(engine);
		return error_no_memory(err);
	}
	if (start(engine, err) < 0) {
		engine_close(engine);
		return -1;
	}
	*ret = engine;
	return 0;
}

/* ---- close ---- */

static void stop_jobs(struct engine *engine)
{
	LIST_EACH(&engine->live, link)
	{
		struct job *job = LIST_ENTRY(link, struct job, link);

		job_drop_timer(job);
		if (job->pipeline == NULL)
			continue;
		pipeline_lock(job->pipeline);
		pipeline_stop(job->pipeline);
		pthread_mutex_unlock(&job->pipeline->lock);
		calls_cancel(job->pipeline);
	}
}

static void drop_jobs(struct engine *engine)
{
	while (!list_empty(&engine->live) || !list_empty(&engine->cache)) {
		struct list *head = list_empty(&engine->live) ? &engine->cache : &engine->live;
		struct job *job = LIST_ENTRY(head->next, struct job, link);
		struct pipeline *pipeline = TAKE(job->pipeline);
		struct error over;

		error_set(&over, ERR_DRAINING, "the server is shutting down");
		uploads_break(job, &over);
		if (pipeline != NULL)
			pipeline_unref(pipeline);
		engine_unlist_job(job);
	}
}

static void drop_lists(struct engine *engine)
{
	struct list *link;

	while ((link = list_pop(&engine->look_list)) != NULL)
		pipeline_unref(LIST_ENTRY(link, struct pipeline, loop_link));
	while ((link = list_pop(&engine->dirty)) != NULL)
		pipeline_unref(LIST_ENTRY(link, struct pipeline, dirty_link));
	/* Nobody watches any more. */
	while ((link = list_pop(&engine->events)) != NULL)
		job_unref(LIST_ENTRY(link, struct job, event_link));
	while ((link = list_pop(&engine->unwanted)) != NULL)
		job_unref(LIST_ENTRY(link, struct job, unwanted));
}

static void handle_closed(uv_handle_t *handle)
{
	struct engine *engine = handle->data;

	engine->handles--;
}

static void close_handles(struct engine *engine)
{
	uv_handle_t *handles[] = { (uv_handle_t *)&engine->look,
		(uv_handle_t *)&engine->calls_done, (uv_handle_t *)&engine->tick,
		(uv_handle_t *)&engine->tell };

	for (size_t at = 0; at < ARRAY_SIZE(handles); at++) {
		engine->handles++;
		uv_close(handles[at], handle_closed);
	}
	/* Timers of calls and jobs close with them; reads on the pool come home. */
	while (engine->handles > 0 || engine->reads > 0)
		uv_run(engine->loop, UV_RUN_ONCE);
}

/* Calls under way are told to end but cannot be made to: wait a moment, no longer. */
static void wait_for_calls(struct engine *engine)
{
	uint64_t until_ns = clock_mono_ns() + 2 * NS_PER_S;

	while ((atomic_load(&engine->blocking_threads) > 0 ||
		       atomic_load(&engine->open_calls) > 0) &&
		clock_mono_ns() < until_ns) {
		calls_finish(engine);
		uv_run(engine->loop, UV_RUN_NOWAIT);
		sched_yield();
	}
}

/* What was being read for somebody is answered while there still is a committer. */
static void wait_for_reads(struct engine *engine)
{
	while (engine->reads > 0)
		uv_run(engine->loop, UV_RUN_ONCE);
}

static atomic_bool left_threads;

bool engine_left_threads(void)
{
	return atomic_load(&left_threads);
}

bool engine_close(struct engine *engine)
{
	bool stored = true;

	engine->closing = engine->draining = true;
	clock_beat_end();
	stop_jobs(engine);
	FAULT_POINT("stop-jobs");
	if (engine->scheduler != NULL)
		scheduler_stop(engine->scheduler);
	wait_for_calls(engine);
	calls_finish(engine);
	atomic_store(&engine->abandoned, true);
	wait_for_reads(engine);
	run_posts(engine);
	if (engine->committer != NULL)
		stored = committer_stop(engine->committer);
	FAULT_POINT("stop-committed");
	drop_jobs(engine);
	drop_lists(engine);
	calls_finish(engine);
	run_posts(engine);
	configure_loop_end(engine->registry);
	close_handles(engine);
	drop_lists(engine);
	retention_done(engine);
	slab_pool_trim();
	/* A stage that never lets go keeps its pipeline, and so the engine, until exit. */
	if (atomic_load(&engine->open_pipelines) > 0 ||
		atomic_load(&engine->blocking_threads) > 0) {
		atomic_store(&left_threads, true);
		return stored;
	}
	if (engine->scheduler != NULL)
		scheduler_free(engine->scheduler);
	spawner_done(&engine->spawner);
	pthread_mutex_destroy(&engine->loop_lock);
	pthread_mutex_destroy(&engine->dirty_lock);
	totals_done(&engine->totals);
	mem_free(engine);
	return stored;
}

/* ---- drain ---- */

static bool in_flight(struct engine *engine)
{
	LIST_EACH(&engine->live, link)
	{
		struct job *job = LIST_ENTRY(link, struct job, link);
		struct pipeline *pipeline = job->pipeline;
		bool busy;

		if (pipeline == NULL || job->state == JOB_PAUSED)
			continue;
		pipeline_lock(pipeline);
		busy = pipeline->in_hand > 0 || pipeline->appending_bytes > 0 ||
		       (pipeline->fed > pipeline->settled && !pipeline->stopped &&
			       !pipeline->output_full);
		pthread_mutex_unlock(&pipeline->lock);
		if (busy)
			return true;
	}
	return engine->reads > 0;
}

void engine_check_drained(struct engine *engine)
{
	void (*drained)(void *arg) = engine->drained;

	if (drained == NULL)
		return;
	if (in_flight(engine) && clock_mono_ns() < engine->drain_deadline_ns)
		return;
	engine->drained = NULL;
	drained(engine->drained_arg);
}

void engine_drain(
	struct engine *engine, uint64_t drain_ms, void (*drained)(void *arg), void *arg)
{
	struct error why;

	assert_on(ROLE_LOOP);
	log_info("draining", "drain_ms=%llu", (unsigned long long)drain_ms);
	engine->draining = true;
	engine->drained = drained;
	engine->drained_arg = arg;
	engine->drain_deadline_ns = clock_mono_ns() + drain_ms * NS_PER_MS;
	error_set(&why, ERR_DRAINING, "the server is shutting down; send the rest again later");
	LIST_EACH(&engine->live, link)
	{
		struct job *job = LIST_ENTRY(link, struct job, link);

		uploads_drain(job, &why);
		if (job->pipeline == NULL)
			continue;
		pipeline_lock(job->pipeline);
		pipeline_drain(job->pipeline);
		pthread_mutex_unlock(&job->pipeline->lock);
	}
	uv_async_send(&engine->look); /* looks, and finds out whether it is over already */
}

/* ---- questions ---- */

bool engine_admits(struct engine *engine, struct error *ret_why)
{
	if (engine->draining) {
		error_set(ret_why, ERR_DRAINING, "the server is shutting down");
		return false;
	}
	if (!committer_is_healthy(engine->committer, ret_why))
		return false;
	if (!room_lacks(&engine->room, ROOM_NEW, 0))
		return true;
	room_error(&engine->room, ret_why);
	return false;
}

int engine_needs_memory(struct engine *engine, uint64_t bytes, struct error *err)
{
	struct budget *budget = &engine->budget;
	uint64_t used = budget_used(budget);

	if (used + bytes < budget->max) {
		atomic_fetch_add_explicit(&budget->soon, bytes, memory_order_relaxed);
		return 0;
	}
	budget->refused++;
	return error_set(err, ERR_BUSY,
		"%llu bytes of memory are in use, of %llu that may be (memory-max); what runs goes "
		"on, try again when some of it is done",
		(unsigned long long)used, (unsigned long long)budget->max);
}

void engine_set_other_memory(struct engine *engine, uint64_t bytes)
{
	atomic_store_explicit(&engine->budget.other, bytes, memory_order_relaxed);
}

const struct engine_config *engine_config(const struct engine *engine)
{
	return &engine->config;
}

struct registry *engine_registry(struct engine *engine)
{
	return engine->registry;
}

struct ledger *engine_ledger(struct engine *engine)
{
	return engine->ledger;
}

uv_loop_t *engine_loop(struct engine *engine)
{
	return engine->loop;
}
