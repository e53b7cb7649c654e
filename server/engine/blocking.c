#include "engine/blocking.h"

#include "base/clock.h"
#include "base/role.h"
#include "engine/activation.h"
#include "engine/calls.h"
#include "engine/internal.h"
#include "engine/isolated.h"
#include "engine/sinks.h"
#include "engine/sources.h"

#define IDLE_NS (5 * NS_PER_S) /* a thread waits that long for work */

struct blocking_thread {
	struct pipeline *pipeline; /* one reference */
	struct stage_run *run;
	struct executor *executor; /* of an isolated stage */
};

void blocking_init(struct stage_run *run)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&run->work, &attr);
	pthread_condattr_destroy(&attr);
}

uint64_t blocking_startable(struct stage_run *run)
{
	struct pipeline *pipeline = run->pipeline;

	if (run == pipeline->source)
		return source_possible(pipeline);
	if (run == pipeline->sink)
		return sink_possible(pipeline);
	return pipeline_startable(pipeline, run, clock_mono_ns());
}

int blocking_wait(struct stage_run *run, uint64_t until_ns)
{
	struct timespec until = clock_until(until_ns);

	return pthread_cond_timedwait(&run->work, &run->pipeline->lock, &until);
}

/* ---- the threads ---- */

/* Takes one request for a thread, if there is any. */
static bool take_request(struct engine *engine)
{
	unsigned asked = atomic_load(&engine->blocking_asked);

	while (asked > 0)
		if (atomic_compare_exchange_weak(&engine->blocking_asked, &asked, asked - 1))
			return true;
	return false;
}

/* Lock held. There are fewer workers now than when it was started. */
static bool is_one_too_many(const struct stage_run *run)
{
	return run->stage->kind == STAGE_MAP && run->threads > run->workers;
}

/* Lock held. Is there something for a thread of this stage to do, and may it? */
static bool may_go_on(struct stage_run *run)
{
	struct pipeline *pipeline = run->pipeline;

	return !pipeline->stopped && !is_one_too_many(run) && blocking_startable(run) > 0 &&
	       (run->threads == 1 || atomic_load(&pipeline->engine->blocking_asked) == 0);
}

/* Lock held. False when there was nothing for long, others need threads, or the job is over. */
static bool wait_for_work(struct stage_run *run)
{
	struct pipeline *pipeline = run->pipeline;
	uint64_t until_ns = clock_mono_ns() + IDLE_NS;
	int timed_out = 0;

	run->idle_threads++;
	while (!pipeline->stopped && timed_out == 0 && !may_go_on(run) &&
		!is_one_too_many(run) && atomic_load(&pipeline->engine->blocking_asked) == 0)
		timed_out = blocking_wait(run, until_ns);
	run->idle_threads--;
	return may_go_on(run);
}

/* The bound counts a thread until here; whoever waits for it is told. */
static void give_back(struct engine *engine)
{
	take_request(engine);
	atomic_fetch_sub(&engine->blocking_taken, 1);
	atomic_store(&engine->blocking_freed, true);
	if (atomic_load(&engine->blocking_starved))
		uv_async_send(&engine->look);
}

/* A batch of an isolated stage. Lock held, let go of meanwhile. */
static void work_isolated(struct executor *executor, struct stage_run *run)
{
	struct pipeline *pipeline = run->pipeline;

	if (!activation_begin_stage(executor, run))
		return;
	pipeline_unlock(pipeline, pipeline_wake_mask(pipeline));
	activation_run(executor);
	pipeline_lock(pipeline);
	activation_end(executor);
	pipeline_unlock(pipeline, pipeline_wake_mask(pipeline));
	pipeline_lock(pipeline);
}

/* Lock held, let go of meanwhile. `executor`: for an isolated stage. */
static void work_on(struct executor *executor, struct stage_run *run)
{
	struct pipeline *pipeline = run->pipeline;

	if (executor != NULL) {
		work_isolated(executor, run);
		return;
	}
	if (run != pipeline->source && run != pipeline->sink) {
		call_run_blocking(run);
		return;
	}
	if (run == pipeline->sink)
		sink_run(pipeline);
	else
		source_run(pipeline);
	pipeline_unlock(pipeline, pipeline_wake_mask(pipeline));
	pipeline_lock(pipeline);
}

static void *blocking_main(void *arg)
{
	struct blocking_thread *thread = arg;
	struct pipeline *pipeline = thread->pipeline;
	struct engine *engine = pipeline->engine;
	struct stage_run *run = thread->run;
	struct executor *executor = thread->executor;

	role_enter(ROLE_BLOCKING);
	mem_free(thread);
	pipeline_lock(pipeline);
	while (wait_for_work(run))
		work_on(executor, run);
	run->threads--;
	give_back(engine);
	pipeline_unlock(pipeline, pipeline_wake_mask(pipeline));
	if (executor != NULL)
		isolated_trim(run);
	executor_free(executor);
	/* In this order: when engine_close() sees no thread, none holds a pipeline. */
	pipeline_unref(pipeline);
	atomic_fetch_sub(&engine->blocking_threads, 1);
	return NULL;
}

/* ---- starting them ---- */

static int start_thread(struct stage_run *run)
{
	struct pipeline *pipeline = run->pipeline;
	struct engine *engine = pipeline->engine;
	struct blocking_thread *thread = mem_alloc(sizeof(*thread));
	struct executor *executor = stage_run_isolated(run) ? executor_new() : NULL;
	pthread_t id;

	if (thread == NULL || (executor == NULL && stage_run_isolated(run))) {
		executor_free(executor);
		mem_free(thread);
		return -1;
	}
	*thread = (struct blocking_thread){ pipeline_ref(pipeline), run, executor };
	atomic_fetch_add(&engine->blocking_threads, 1);
	atomic_fetch_add(&engine->blocking_taken, 1);
	if (role_start_thread(&id, blocking_main, thread) != 0) {
		atomic_fetch_sub(&engine->blocking_taken, 1);
		atomic_fetch_sub(&engine->blocking_threads, 1);
		executor_free(executor);
		mem_free(thread);
		pipeline_unref(pipeline);
		return -1;
	}
	pthread_detach(id);
	run->threads++;
	run->asked = false;
	return 0;
}

static bool is_full(const struct engine *engine)
{
	return atomic_load(&engine->blocking_taken) >= engine->config.blocking_max;
}

/* Lock held. True when the stage could go on, has no thread, and has not asked for one yet. */
static bool start_threads(struct stage_run *run)
{
	struct pipeline *pipeline = run->pipeline;
	uint64_t wanted = blocking_startable(run);
	/* One thread does a source's or sink's turns, whatever its workers are. */
	unsigned workers = run->stage->kind == STAGE_MAP ? run->workers : 1;
	uint64_t missing = workers > run->threads ? workers - run->threads : 0;

	wanted = MIN(wanted, missing);
	wanted -= MIN(wanted, (uint64_t)run->idle_threads);
	if (atomic_load(&pipeline->engine->blocking_starved)) /* first those who have none */
		wanted = run->threads == 0 && wanted > 0;
	for (; wanted > 0 && !is_full(pipeline->engine); wanted--)
		if (start_thread(run) < 0)
			return false;
	if (wanted == 0 || run->threads > 0 || run->asked)
		return false;
	run->asked = true;
	return true;
}

/* Every idle thread of the engine looks whether it should end. */
static void stir_idle(struct engine *engine)
{
	LIST_EACH(&engine->live, link)
	{
		struct pipeline *pipeline = LIST_ENTRY(link, struct job, link)->pipeline;

		if (pipeline == NULL)
			continue;
		pipeline_lock(pipeline);
		for (unsigned at = 0; at < pipeline->count; at++)
			if (pipeline->stages[at].idle_threads > 0)
				pthread_cond_broadcast(&pipeline->stages[at].work);
		pthread_mutex_unlock(&pipeline->lock);
	}
}

static void ask_for_thread(struct engine *engine)
{
	engine->blocking_waiting++;
	atomic_fetch_add(&engine->blocking_asked, 1);
	atomic_store(&engine->blocking_starved, true);
	if (is_full(engine))
		stir_idle(engine);
	else /* one has ended meanwhile, and did not know that somebody waits */
		uv_async_send(&engine->look);
}

void blocking_start(struct pipeline *pipeline)
{
	assert_on(ROLE_LOOP);
	for (unsigned at = 0; at < pipeline->count; at++) {
		struct stage_run *run = &pipeline->stages[at];
		bool starved;

		if (!stage_run_sleeps(run))
			continue;
		pipeline_lock(pipeline);
		starved = start_threads(run);
		pthread_mutex_unlock(&pipeline->lock);
		if (starved)
			ask_for_thread(pipeline->engine);
	}
}

static void forget_requests(struct pipeline *pipeline)
{
	for (unsigned at = 0; at < pipeline->count; at++)
		pipeline->stages[at].asked = false;
}

void blocking_serve(struct engine *engine)
{
	assert_on(ROLE_LOOP);
	if (engine->closing || !atomic_load(&engine->blocking_starved) ||
		!atomic_exchange(&engine->blocking_freed, false))
		return;
	/* They ask again, all those that still cannot go on. */
	engine->blocking_waiting = 0;
	atomic_store(&engine->blocking_asked, 0);
	LIST_EACH(&engine->live, link)
	{
		struct pipeline *pipeline = LIST_ENTRY(link, struct job, link)->pipeline;

		if (pipeline == NULL)
			continue;
		forget_requests(pipeline);
		blocking_start(pipeline);
	}
	atomic_store(&engine->blocking_starved, engine->blocking_waiting > 0);
}
