/*
 * Four times a second: rates and shares of the jobs that live, the watchdog, limits that
 * time alone can pass, retention, and what watchers are told of progress.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/role.h"
#include "engine/internal.h"
#include "engine/output.h"

#define SMOOTH 0.3 /* weight of the newest quarter of a second */

/* ---- events ---- */

void job_tell(struct job *job, unsigned events)
{
	struct engine *engine = job->engine;

	job->events |= events | JOB_EVENT_VERSION_PENDING;
	if (list_empty(&job->event_link)) {
		job_ref(job);
		list_append(&engine->events, &job->event_link);
	}
}

static void tell(struct list *watches, struct job *job, unsigned events)
{
	struct list heard, *link;

	/* A watcher may unwatch itself, or others: take one at a time off the list. */
	list_init(&heard);
	while ((link = list_pop(watches)) != NULL) {
		struct job_watch *watch = LIST_ENTRY(link, struct job_watch, link);

		list_append(&heard, link);
		watch->fn(watch, job, events);
	}
	list_move_all(watches, &heard);
}

void engine_tell_all(struct engine *engine)
{
	struct list *link, jobs;

	list_init(&jobs);
	list_move_all(&jobs, &engine->events);
	while ((link = list_pop(&jobs)) != NULL) {
		struct job *job = LIST_ENTRY(link, struct job, event_link);
		unsigned events = job->events & ~(unsigned)JOB_EVENT_VERSION_PENDING;

		/* Progress goes out with the tick, four times a second at most. */
		if (job->events & JOB_EVENT_VERSION_PENDING)
			job->changed = true;
		job->events = 0;
		if (events & (JOB_EVENT_STATE | JOB_EVENT_DELETED | JOB_EVENT_STALLED))
			events |= JOB_EVENT_VERSION;
		if (events != 0) {
			tell(&job->watches, job, events);
			tell(&engine->watches, job, events);
		}
		job_unref(job);
	}
}

void job_watch(struct job *job, struct job_watch *watch)
{
	list_append(&job->watches, &watch->link);
}

void engine_watch(struct engine *engine, struct job_watch *watch)
{
	list_append(&engine->watches, &watch->link);
}

void job_unwatch(struct job_watch *watch)
{
	list_remove(&watch->link);
}

/* ---- shares ---- */

static void smooth_share(double *share, double total, double *seen, double all)
{
	double now = all > 0 ? (total - *seen) / all : 0;

	*seen = total;
	*share += SMOOTH * (now - *share);
}

static void update_usage(struct stage_run *run, uint64_t now_ns)
{
	struct usage *usage = &run->usage;
	double all;

	stage_run_account(run, now_ns);
	all = usage->busy_ns - usage->seen_busy + usage->blocked_ns - usage->seen_blocked +
	      usage->starved_ns - usage->seen_starved;
	smooth_share(&usage->busy, usage->busy_ns, &usage->seen_busy, all);
	smooth_share(&usage->blocked, usage->blocked_ns, &usage->seen_blocked, all);
	smooth_share(&usage->starved, usage->starved_ns, &usage->seen_starved, all);
}

static void update_rate(struct job *job, uint64_t now_ns)
{
	uint64_t finished = job_record_finished(&job->record);
	double seconds = (double)(now_ns - job->rate_ns) / (double)NS_PER_S, now;

	if (job->rate_ns != 0 && seconds > 0) {
		now = finished > job->rate_finished
			      ? (double)(finished - job->rate_finished) / seconds
			      : 0;
		job->rate += job->rate == 0 ? now : SMOOTH * (now - job->rate);
		if (job->rate < 0.01)
			job->rate = 0;
	}
	job->rate_ns = now_ns;
	job->rate_finished = finished;
}

/* ---- watchdog ---- */

/* Where the items are that do not move: the stage furthest downstream that holds any. */
static const struct stage_run *stuck_at(const struct pipeline *pipeline)
{
	for (unsigned at = pipeline->count; at-- > 0;) {
		const struct stage_run *run = &pipeline->stages[at];

		if (run->active > 0 || run->queue.count > 0 || run->queue.delayed > 0)
			return run;
	}
	return NULL;
}

static const char *stage_stall(const struct pipeline *pipeline, const struct stage_run *run)
{
	if (!run->backing_off && run == pipeline->source)
		return "the source has been making its next items all the time";
	if (!run->backing_off && run->active > 0)
		return "its workers have been busy with the same items all the time";
	if (!run->backing_off && run->queue.count > 0)
		return "items wait, but no worker can start";
	return "items wait for their next attempt";
}

static void describe_stall(struct job *job, const struct pipeline *pipeline)
{
	const struct stage_run *run = stuck_at(pipeline);
	const char *why = "nothing to do in the stages, results wait for the disk";

	if (output_reason(job, job->stalled_reason, sizeof(job->stalled_reason))) {
		job->stalled_stage[0] = '\0';
		return;
	}
	if (run == NULL)
		snprintf(job->stalled_stage, sizeof(job->stalled_stage), "%s", "");
	else
		snprintf(job->stalled_stage, sizeof(job->stalled_stage), "%s", run->def->name);
	if (run != NULL)
		why = stage_stall(pipeline, run);
	snprintf(job->stalled_reason, sizeof(job->stalled_reason), "%s", why);
}

/* Lock held. */
static bool is_stalled(struct job *job, struct pipeline *pipeline, uint64_t now_ns)
{
	uint64_t moved = pipeline->over + pipeline->fed;
	bool outstanding = pipeline->fed > pipeline->settled || pipeline->in_hand > 0;

	for (unsigned at = 0; at < pipeline->count; at++)
		moved += pipeline->stages[at].counts.in;
	if (pipeline->output_full)
		return outstanding || pipeline->backlog_bytes > 0;
	if (moved != job->tick_moved || !outstanding || pipeline->paused) {
		job->tick_moved = moved;
		job->tick_moved_ns = now_ns;
		return false;
	}
	return now_ns - job->tick_moved_ns > job->engine->config.stall_ms * NS_PER_MS;
}

static void set_stalled(struct job *job, bool stalled)
{
	if (stalled == job->stalled)
		return;
	job->stalled = stalled;
	job->stalled_since_ms = clock_wall_ms();
	job->extra_version++;
	job_tell(job, JOB_EVENT_STALLED);
	if (stalled)
		log_warn("job_stalled", JOB_LOG " stage=%s reason=\"%s\"", JOB_LOG_ARGS(job),
			job->stalled_stage, job->stalled_reason);
	else
		log_info("job_moves", JOB_LOG, JOB_LOG_ARGS(job));
}

/* ---- the tick ---- */

static void tick_job(struct job *job, uint64_t now_ns)
{
	struct pipeline *pipeline = job->pipeline;
	struct stored stored;
	bool stalled, moving, failing, waiting;

	if (pipeline == NULL)
		return;
	pipeline_lock(pipeline);
	for (unsigned at = 0; at < pipeline->count; at++)
		update_usage(&pipeline->stages[at], now_ns);
	moving = pipeline->fed > pipeline->settled || pipeline->in_hand > 0;
	failing = pipeline->failure.code != ERR_NONE;
	stalled = is_stalled(job, pipeline, now_ns);
	if (stalled)
		describe_stall(job, pipeline);
	job->engine->backlog_sum += pipeline->backlog_bytes;
	stored = output_stored(job);
	job->engine->stored_sum.results += stored.results;
	job->engine->stored_sum.failures += stored.failures;
	job->engine->room.owed_sum +=
		(job->record.received - job_record_finished(&job->record)) * ROOM_ITEM_COST;
	/* As a safety net: what should have been woken is woken now. */
	waiting = !list_empty(&pipeline->inbox) || pipeline->cold || pipeline->source != NULL;
	pipeline_unlock(
		pipeline, moving || failing || waiting ? pipeline_wake_mask(pipeline) : 0);
	uploads_check_room(job); /* those that wait for memory */
	update_rate(job, now_ns);
	set_stalled(job, stalled);
	if (moving || job->changed) {
		job->changed = false;
		job->extra_version++;
		tell(&job->watches, job, JOB_EVENT_VERSION);
		tell(&job->engine->watches, job, JOB_EVENT_VERSION);
	}
	/* Time may have passed its deadline; a source that has stopped makes no commit to look
	 * at. */
	job_check_end(job);
}

/* After two seconds without work the memory of the last rush goes back to the system. */
static void trim_when_idle(struct engine *engine)
{
	uint64_t mark = engine->items_accepted + engine->items_finished + engine->jobs_created +
			engine->deletions;

	engine->idle_ticks = mark == engine->busy_mark ? engine->idle_ticks + 1 : 0;
	engine->busy_mark = mark;
	if (engine->idle_ticks != 2000 / TICK_MS || mark == 0)
		return;
	slab_pool_trim();
	mem_trim();
}

/* It runs. Was there a time in which it did not? */
static void beat(struct engine *engine)
{
	uint64_t stood_ns;

	if (engine->closing)
		return;
	clock_beat();
	stood_ns = clock_stood_ns();
	if (stood_ns != engine->stood_ns)
		log_warn("stood",
			"ms=%llu hint=\"nothing ran for so long: deadlines go on from there\"",
			(unsigned long long)((stood_ns - engine->stood_ns + CLOCK_BEAT_NS) /
					     NS_PER_MS));
	engine->stood_ns = stood_ns;
}

void engine_tick(struct engine *engine)
{
	struct list *link = engine->live.next;
	uint64_t now_ns;

	assert_on(ROLE_LOOP);
	beat(engine);
	now_ns = clock_mono_ns();
	budget_look(&engine->budget, now_ns);
	engine->backlog_sum = 0;
	engine->room.owed_sum = 0;
	engine->stored_sum = (struct stored){ 0 };
	room_look(engine);
	while (link != &engine->live) {
		struct job *job = job_ref(LIST_ENTRY(link, struct job, link));

		tick_job(job, now_ns);
		link = job->listed && !job->cached ? job->link.next : &engine->live;
		job_unref(job);
	}
	atomic_store_explicit(&engine->backlog_since, 0, memory_order_relaxed);
	atomic_store_explicit(&engine->backlog_seen, engine->backlog_sum, memory_order_relaxed);
	engine->stored = engine->stored_sum;
	atomic_store_explicit(&engine->room.owed_since, 0, memory_order_relaxed);
	atomic_store_explicit(&engine->room.owed, engine->room.owed_sum, memory_order_relaxed);
	ops_answer_impatient(engine);
	engine_discard(engine);
	retention_run(engine);
	trim_when_idle(engine);
	engine_check_drained(engine);
}
