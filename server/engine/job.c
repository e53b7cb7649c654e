/*
 * A job's life, on the loop: made, moved from state to state, ended, let go.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/role.h"
#include "engine/append.h"
#include "engine/calls.h"
#include "engine/flush.h"
#include "engine/internal.h"
#include "engine/output.h"

struct job *job_new(struct engine *engine, const struct id *id, struct definition *def)
{
	struct job *job = mem_zalloc(sizeof(*job));

	if (job == NULL)
		return NULL;
	if (job_record_init(&job->record, def->stage_count) < 0 ||
		job_record_init(&job->next, def->stage_count) < 0 ||
		job_record_init(&job->stable, def->stage_count) < 0 ||
		job_record_init(&job->committed, def->stage_count) < 0) {
		mem_free(job->record.stages);
		mem_free(job->next.stages);
		mem_free(job->stable.stages);
		mem_free(job);
		return NULL;
	}
	atomic_init(&job->refs, 1);
	job->epoch = 1;
	job->engine = engine;
	job->id = *id;
	id_format(id, job->id_text);
	job->def = def;
	list_init(&job->touched_loop);
	list_init(&job->touched);
	list_init(&job->link);
	list_init(&job->watches);
	list_init(&job->event_link);
	list_init(&job->unwanted);
	list_init(&job->uploads);
	pthread_mutex_init(&job->record_lock, NULL);
	return job;
}

void job_name_trace(struct job *job)
{
	struct trace trace = job_record_trace(&job->record);

	trace_format(&trace, job->traceparent);
	trace_id_format(&trace, job->trace_id);
}

struct job *job_ref(struct job *job)
{
	atomic_fetch_add_explicit(&job->refs, 1, memory_order_relaxed);
	return job;
}

void job_unref(struct job *job)
{
	if (atomic_fetch_sub_explicit(&job->refs, 1, memory_order_acq_rel) != 1)
		return;
	job_keys_free(job);
	job_record_done(&job->record);
	job_record_done(&job->next);
	job_record_done(&job->stable);
	job_record_done(&job->committed);
	states_done(&job->states);
	pthread_mutex_destroy(&job->record_lock);
	definition_free(job->def);
	mem_free(job);
}

/* ---- what others see ---- */

const struct id *job_id(const struct job *job)
{
	return &job->id;
}

const char *job_id_text(const struct job *job)
{
	return job->id_text;
}

const char *job_traceparent(const struct job *job)
{
	return job->traceparent;
}

const char *job_trace_id(const struct job *job)
{
	return job->trace_id;
}

struct engine *job_engine(const struct job *job)
{
	return job->engine;
}

/* What it is on disk; an end that is not there yet is "finishing". */
enum job_state job_state(const struct job *job)
{
	if (job_is_done(job))
		return (enum job_state)job->record.state;
	return job_state_is_done(job->state) ? JOB_FINISHING : job->state;
}

/* On disk, that is: readers may then rely on every result being there. */
bool job_is_done(const struct job *job)
{
	return job_state_is_done((enum job_state)job->record.state);
}

uint64_t job_version(const struct job *job)
{
	return job->record.version + job->extra_version;
}

const struct definition *job_definition(const struct job *job)
{
	return job->def;
}

const struct job_record *job_record(const struct job *job)
{
	return &job->record;
}

/* ---- moving ---- */

static int change_text(char **to, const char *text)
{
	char *copy = text == NULL ? NULL : mem_strdup(text);

	if (text == NULL)
		return 0;
	if (copy == NULL)
		return -1;
	mem_free(*to);
	*to = copy;
	return 0;
}

static int change_state(struct job_record *next, const struct change_args *args)
{
	uint64_t finished;

	if (job_state_is_done((enum job_state)next->state) && args->a != JOB_RUNNING)
		return 0; /* it had ended before this was asked for */
	next->state = args->a;
	if (args->a == JOB_RUNNING)
		next->finished_ms = next->expires_ms = 0;
	if (!job_state_is_done((enum job_state)args->a))
		return 0;
	next->finished_ms = clock_wall_ms();
	if (args->a == JOB_SUCCEEDED)
		return change_text(&next->report, args->text);
	finished = next->succeeded + next->filtered + next->failed;
	next->cancelled = next->received - MIN(next->received, finished);
	next->cancelled -= next->cancelled > 0 && fault_planted("cancel-forgets");
	return args->a == JOB_FAILED ? change_text(&next->error, args->text) : 0;
}

static void ended(struct job *job, const struct error *err);

int job_move(struct job *job, enum job_state to, struct job_op op, struct error *err)
{
	enum job_state from = job->state;

	assert_on(ROLE_LOOP);
	assert(job_state_may_follow(from, to));
	op.change = change_state;
	op.args.a = to;
	op.must = true;
	op.stops = to == JOB_FAILED || to == JOB_CANCELLED;
	op.then = job_state_is_done(to) ? ended : NULL;
	if (job_submit(job, op, err) < 0)
		return -1;
	job->state = to;
	if (!job_state_is_done(to))
		retention_forget(job);
	job_tell(job, JOB_EVENT_STATE);
	log_info("job_state", JOB_LOG " from=%s to=%s", JOB_LOG_ARGS(job), job_state_name(from),
		job_state_name(to));
	return 0;
}

static bool finds_room(const struct job *job)
{
	const struct flush *flush = job->pipeline->flush;

	return flush == NULL || flush_finds_room(flush, &job->record);
}

void job_stop_pipeline(struct job *job)
{
	struct pipeline *pipeline = job->pipeline;
	struct flush *flush;

	if (pipeline == NULL)
		return;
	pipeline_lock(pipeline);
	append_release(pipeline, APPEND_ALL);
	/* What is over is over: it goes to disk in front of the job's end. A sink has not seen
	 * its part yet, that is dropped; and so is that for which there is no room, lest the
	 * end, which may be what makes room, waits behind it. */
	flush = pipeline->sink != NULL || pipeline->stopped || !finds_room(job)
			? NULL
			: tail_take(pipeline, clock_mono_ns(), true);
	if (flush != NULL)
		committer_submit(job->engine->committer, &flush->op);
	pipeline_stop(pipeline);
	pthread_mutex_unlock(&pipeline->lock);
	calls_cancel(pipeline);
}

static void timer_closed(uv_handle_t *handle)
{
	mem_free(handle);
}

void job_drop_timer(struct job *job)
{
	if (job->timer == NULL)
		return;
	job->timer->data = NULL;
	uv_close((uv_handle_t *)job->timer, timer_closed);
	job->timer = NULL;
}

void job_retire(struct job *job)
{
	struct error over;

	job_stop_pipeline(job);
	error_set(&over, ERR_STATE_CONFLICT, "the job is %s", job_state_name(job->state));
	uploads_break(job, &over);
	job_drop_timer(job);
	if (job->pipeline != NULL) {
		/* Somebody may hold it for a while yet; what it has done is done. */
		pipeline_lock(job->pipeline);
		totals_take(&job->engine->totals, job->pipeline);
		pthread_mutex_unlock(&job->pipeline->lock);
		pipeline_unref(TAKE(job->pipeline));
	}
	if (job->listed) {
		engine_unlist_job(job_ref(job));
		if (!job->deleted)
			engine_list_job(job);
		job_unref(job);
	}
}

/* The move into a last state is stored. */
static void ended(struct job *job, const struct error *err)
{
	if (err != NULL || job->deleted)
		return; /* the program ends; the next start moves it again */
	job->engine->done[job->record.state]++;
	job_ref(job);
	job_retire(job);
	if (job->record.state != JOB_SUCCEEDED)
		job_erase(job, ERASE_INPUT);
	retention_watch(job->engine, &job->id, &job->record);
	job->retained = true;
	job_tell(job, JOB_EVENT_STATE | JOB_EVENT_RESULTS);
	engine_check_drained(job->engine);
	job_unref(job);
}

/* JSON of a job's `error`: a problem (RFC 9457). */
static char *problem_text(const struct error *why)
{
	const struct error_info *info = error_info(why->code);
	char type[96];
	json_t *problem;
	char *text;

	snprintf(type, sizeof(type), "/problems/%s", info->slug);
	problem = json_pack(
		"{s:s, s:s, s:s}", "type", type, "title", info->title, "detail", why->text);
	text = json_text(problem, JSON_COMPACT);
	json_decref(problem);
	return text;
}

static struct job_op with_text(char *text)
{
	return (struct job_op){ .args = { .text = text } };
}

void job_fail(struct job *job, const struct error *why)
{
	struct error over;

	if (!job_state_may_follow(job->state, JOB_FAILED))
		return;
	/* Without memory the reason stands: the next look, or the next tick, comes back here.
	 */
	if (job_move(job, JOB_FAILED, with_text(problem_text(why)), NULL) < 0)
		return;
	log_warn("job_failed", JOB_LOG " err=\"%s\"", JOB_LOG_ARGS(job), why->text);
	error_set(&over, ERR_STATE_CONFLICT, "the job has failed: %s", why->text);
	uploads_break(job, &over);
}

static void job_succeed(struct job *job, char *report)
{
	struct pipeline *pipeline = job->pipeline;

	if (job->state != JOB_FINISHING) {
		mem_free(report);
		return;
	}
	if (job_move(job, JOB_SUCCEEDED, with_text(report), NULL) == 0)
		return;
	/* No memory: back to where it was, the next tick tries again, the report included. */
	job->state = (enum job_state)job->record.state;
	if (pipeline == NULL)
		return;
	pipeline_lock(pipeline);
	pipeline->report_done = false;
	pthread_mutex_unlock(&pipeline->lock);
}

static void job_finish(struct job *job)
{
	struct pipeline *pipeline = job->pipeline;

	log_debug("job_finishing", JOB_LOG, JOB_LOG_ARGS(job));
	job->state = JOB_FINISHING;
	job_tell(job, JOB_EVENT_STATE);
	if (pipeline == NULL || pipeline->sink == NULL) {
		job_succeed(job, NULL);
		return;
	}
	pipeline_lock(pipeline);
	mem_free(TAKE(pipeline->report)); /* of an end that failed items have undone since */
	pipeline->report_done = false;
	pipeline->report_wanted = true;
	pipeline_unlock(pipeline, pipeline_wake_mask(pipeline));
}

/* The report is there (look.c). */
void job_reported(struct job *job, char *report)
{
	job_succeed(job, report);
}

/* ---- limits ---- */

/* How much of it is left is asked of the clock on the wall once, when the job is there: if
 * somebody sets it after that, no job is older for it. */
static bool is_past_deadline(struct job *job, uint64_t deadline_ms)
{
	uint64_t now_ms = clock_wall_ms(), end_ms = job->record.created_ms + deadline_ms;
	uint64_t left_ms = end_ms > now_ms ? MIN(end_ms - now_ms, deadline_ms) : 0;

	if (job->deadline_ns == 0)
		job->deadline_ns = clock_mono_ns() + left_ms * NS_PER_MS;
	return clock_mono_ns() > job->deadline_ns;
}

static bool over_limits(struct job *job, struct error *ret_why)
{
	const struct job_limits *limits = &job->def->limits;
	const struct job_record *record = &job->record;
	uint64_t finished = job_record_finished(record);

	if (limits->max_failures >= 0 && record->failed > (uint64_t)limits->max_failures)
		return error_set(ret_why, ERR_JOB_FAILURES,
			       "%llu items failed; limits.max_failures allows %lld",
			       (unsigned long long)record->failed,
			       (long long)limits->max_failures) < 0;
	if (limits->max_failure_ratio >= 0 && finished >= 100 &&
		(double)record->failed > limits->max_failure_ratio * (double)finished)
		return error_set(ret_why, ERR_JOB_FAILURES,
			       "%llu of %llu items failed; limits.max_failure_ratio allows %g",
			       (unsigned long long)record->failed, (unsigned long long)finished,
			       limits->max_failure_ratio) < 0;
	if (limits->deadline_ms > 0 && is_past_deadline(job, limits->deadline_ms))
		return error_set(ret_why, ERR_JOB_DEADLINE,
			       "limits.deadline_ms (%llu) has passed",
			       (unsigned long long)limits->deadline_ms) < 0;
	return false;
}

/* Its counters may say that it is over: an item may have failed it all the same (the next look
 * takes that up), and a source that was told to stop may be at its last items. */
static bool may_finish(const struct job *job)
{
	struct pipeline *pipeline = job->pipeline;
	bool may;

	if (job->retrying > 0 || job->resetting)
		return false;
	if (pipeline == NULL)
		return true;
	pipeline_lock(pipeline);
	may = pipeline->failure.code == ERR_NONE && !pipeline->source_busy &&
	      pipeline->appending_bytes == 0;
	pthread_mutex_unlock(&pipeline->lock);
	return may;
}

/* Batches that wait for company have no reason to any more. */
static void tell_input_over(struct pipeline *pipeline)
{
	pipeline_lock(pipeline);
	pipeline->input_over = true;
	pipeline_unlock(pipeline, pipeline_wake_mask(pipeline));
}

void job_check_end(struct job *job)
{
	const struct job_record *record = &job->record;
	struct error why;

	if (job->deleted || (job->state != JOB_RUNNING && job->state != JOB_PAUSED))
		return;
	if (record->input_closed && job->pipeline != NULL && !job->pipeline->input_over)
		tell_input_over(job->pipeline);
	output_check(job);
	if (over_limits(job, &why))
		job_fail(job, &why);
	else if (record->input_closed && job_record_finished(record) == record->received &&
		 may_finish(job))
		job_finish(job);
}
