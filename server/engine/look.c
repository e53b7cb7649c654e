/*
 * What a pipeline wants of the loop: async items started, cold blocks read, uploads let on,
 * timers set, failures and reports taken up. Whoever finds such a thing under the pipeline's
 * lock calls engine_want_look(); the loop then looks once, however many asked.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/role.h"
#include "engine/blocking.h"
#include "engine/calls.h"
#include "engine/internal.h"

void engine_want_look(struct pipeline *pipeline)
{
	struct engine *engine = pipeline->engine;
	bool send = false;

	pthread_mutex_lock(&engine->loop_lock);
	if (!pipeline->look) {
		pipeline->look = true;
		pipeline_ref(pipeline);
		send = list_empty(&engine->look_list);
		list_append(&engine->look_list, &pipeline->loop_link);
	}
	pthread_mutex_unlock(&engine->loop_lock);
	if (send)
		uv_async_send(&engine->look);
}

/* ---- timer ---- */

static void timer_fired(uv_timer_t *timer)
{
	struct job *job = timer->data;
	struct pipeline *pipeline = job == NULL ? NULL : job->pipeline;
	uint64_t now_ns = clock_mono_ns();

	if (pipeline == NULL)
		return;
	pipeline_lock(pipeline);
	pipeline->timer_due_ns = pipeline->timer_armed_ns = 0;
	pthread_mutex_unlock(&pipeline->lock);
	calls_expire(pipeline, now_ns);
	pipeline_lock(pipeline);
	pipeline_release_delayed(pipeline, now_ns);
	pipeline_unlock(pipeline, pipeline_wake_mask(pipeline) | WAKE_LOOP);
}

static int make_timer(struct job *job)
{
	if (job->timer != NULL)
		return 0;
	job->timer = mem_zalloc(sizeof(*job->timer));
	if (job->timer == NULL)
		return -1;
	uv_timer_init(job->engine->loop, job->timer);
	job->timer->data = job;
	return 0;
}

static void arm_timer(struct job *job, struct pipeline *pipeline)
{
	uint64_t due_ns, now_ns = clock_mono_ns(), wait_ms;

	pipeline_lock(pipeline);
	due_ns = pipeline->timer_due_ns;
	if (due_ns == 0 ||
		(pipeline->timer_armed_ns != 0 && pipeline->timer_armed_ns <= due_ns) ||
		make_timer(job) < 0) { /* without memory: the next look or tick tries again */
		pthread_mutex_unlock(&pipeline->lock);
		return;
	}
	pipeline->timer_armed_ns = due_ns;
	pthread_mutex_unlock(&pipeline->lock);
	wait_ms = due_ns > now_ns ? (due_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 0;
	uv_update_time(job->engine->loop);
	uv_timer_start(job->timer, timer_fired, wait_ms, 0);
}

/* ---- looking ---- */

/* What the pipeline has to say to the job; true when it is at an end. */
static bool take_news(struct job *job, struct pipeline *pipeline)
{
	struct error failure;
	char *report = NULL;
	bool reported;

	pipeline_lock(pipeline);
	failure = pipeline->failure;
	reported = pipeline->report_done && pipeline->report_wanted;
	if (reported) {
		pipeline->report_wanted = false;
		report = TAKE(pipeline->report);
	}
	pthread_mutex_unlock(&pipeline->lock);
	if (failure.code == ERR_NO_MEMORY)
		job_reset(job);
	else if (failure.code != ERR_NONE)
		job_fail(job, &failure);
	else if (reported)
		job_reported(job, report);
	return failure.code != ERR_NONE;
}

void job_look(struct job *job)
{
	struct pipeline *pipeline = job->pipeline;

	assert_on(ROLE_LOOP);
	if (pipeline == NULL || job->engine->closing || take_news(job, pipeline))
		return; /* at the close nothing is begun, and no timer armed, any more */
	cold_check(job);
	calls_start(pipeline);
	blocking_start(pipeline);
	uploads_check_room(job);
	if (job->pipeline == pipeline)
		arm_timer(job, pipeline);
}

void engine_look(struct engine *engine)
{
	struct list looks, *link;

	list_init(&looks);
	pthread_mutex_lock(&engine->loop_lock);
	list_move_all(&looks, &engine->look_list);
	pthread_mutex_unlock(&engine->loop_lock);
	while (true) {
		struct pipeline *pipeline;
		struct job *job;

		pthread_mutex_lock(&engine->loop_lock);
		link = list_pop(&looks);
		if (link != NULL)
			LIST_ENTRY(link, struct pipeline, loop_link)->look = false;
		pthread_mutex_unlock(&engine->loop_lock);
		if (link == NULL)
			break;
		pipeline = LIST_ENTRY(link, struct pipeline, loop_link);
		job = pipeline->job;
		if (job->pipeline == pipeline)
			job_look(job);
		pipeline_unref(pipeline);
	}
	blocking_serve(engine);
	engine_check_drained(engine);
}
