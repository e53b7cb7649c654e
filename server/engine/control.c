/*
 * control: what clients ask of a job while it lives: pause, resume, cancel, close its input,
 * delete it, change it. Each is one change of its record, replied to when that is stored.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/role.h"
#include "engine/admission.h"
#include "engine/internal.h"

static int conflict(const struct job *job, const char *what, struct error *err)
{
	return error_set(err, ERR_STATE_CONFLICT, "a job that is %s cannot be %s",
		job_state_name(job->state), what);
}

/* A reply that has nothing to wait for still comes from the loop, not from within the call. */
struct later {
	struct post post;
	struct job *job;
	job_reply reply;
	void *arg;
};

static void later_reply(struct post *post)
{
	struct later *later = CONTAINER_OF(post, struct later, post);

	later->reply(later->arg, later->job, NULL);
	job_unref(later->job);
	mem_free(later);
}

int job_reply_later(struct job *job, job_reply reply, void *arg, struct error *err)
{
	struct later *later = mem_zalloc(sizeof(*later));

	if (later == NULL)
		return error_no_memory(err);
	*later = (struct later){ { { NULL, NULL }, later_reply }, job_ref(job), reply, arg };
	engine_post(job->engine, &later->post);
	return 0;
}

/* Changes wait for the disk; while it cannot be written there is no point in asking. */
static int store_works(const struct job *job, struct error *err)
{
	return committer_is_healthy(job->engine->committer, err) ? 0 : -1;
}

static struct job_op replied(job_reply reply, void *arg)
{
	return (struct job_op){ .reply = reply, .arg = arg, .impatient = true };
}

static void set_paused(struct job *job, bool paused)
{
	struct pipeline *pipeline = job->pipeline;

	if (pipeline == NULL)
		return;
	pipeline_lock(pipeline);
	for (unsigned at = 0; at < pipeline->count; at++)
		stage_run_account(&pipeline->stages[at], clock_mono_ns());
	pipeline->paused = paused;
	pipeline_unlock(pipeline, pipeline_wake_mask(pipeline));
}

int job_pause(struct job *job, job_reply reply, void *arg, struct error *err)
{
	if (job->state == JOB_PAUSED)
		return job_reply_later(job, reply, arg, err);
	if (job->state != JOB_RUNNING)
		return conflict(job, "paused", err);
	if (store_works(job, err) < 0 ||
		job_move(job, JOB_PAUSED, replied(reply, arg), err) < 0)
		return -1;
	FAULT_POINT("pause-asked");
	set_paused(job, true);
	return 0;
}

int job_resume(struct job *job, job_reply reply, void *arg, struct error *err)
{
	if (job->state == JOB_RUNNING)
		return job_reply_later(job, reply, arg, err);
	if (job->state != JOB_PAUSED)
		return conflict(job, "resumed", err);
	if (store_works(job, err) < 0 ||
		job_move(job, JOB_RUNNING, replied(reply, arg), err) < 0)
		return -1;
	FAULT_POINT("resume-asked");
	set_paused(job, false);
	return 0;
}

int job_cancel(struct job *job, job_reply reply, void *arg, struct error *err)
{
	struct error over;

	if (job->state == JOB_CANCELLED)
		return job_reply_later(job, reply, arg, err);
	if (!job_state_may_follow(job->state, JOB_CANCELLED))
		return conflict(job, "cancelled", err);
	if (store_works(job, err) < 0 ||
		job_move(job, JOB_CANCELLED, replied(reply, arg), err) < 0)
		return -1;
	FAULT_POINT("cancel-asked");
	error_set(&over, ERR_STATE_CONFLICT, "the job was cancelled");
	uploads_break(job, &over);
	return 0;
}

static int change_closed(struct job_record *next, const struct change_args *args)
{
	(void)args;
	next->input_closed = 1;
	if (next->started_ms == 0)
		next->started_ms = clock_wall_ms();
	return 0;
}

int job_close_input(struct job *job, job_reply reply, void *arg, struct error *err)
{
	struct error closed;

	if (job->record.input_closed)
		return job_reply_later(job, reply, arg, err);
	if (job_state_is_done(job->state))
		return conflict(job, "closed", err);
	if (store_works(job, err) < 0)
		return -1;
	error_set(&closed, ERR_INPUT_CLOSED, "the job's input was closed by another request");
	uploads_drain(job, &closed); /* what they have taken comes before */
	FAULT_POINT("close-asked");
	job->closing = true;
	if (job->pipeline != NULL && job->pipeline->source != NULL) {
		/* The source stops where it is. */
		pipeline_lock(job->pipeline);
		job->pipeline->source_ended = true;
		__atomic_store_n(&job->pipeline->source_unwanted, true, __ATOMIC_RELAXED);
		pthread_mutex_unlock(&job->pipeline->lock);
	}
	return job_submit(job,
		(struct job_op){ .change = change_closed,
			.must = true,
			.reply = reply,
			.arg = arg,
			.impatient = true },
		err);
}

/* ---- delete ---- */

struct deletion {
	job_reply reply;
	void *arg;
};

static int change_erasing(struct job_record *next, const struct change_args *args)
{
	(void)args;
	next->erasing = 1;
	return 0;
}

static void deleted(void *arg, struct job *job, const struct error *err)
{
	struct deletion *deletion = arg;

	job_ref(job);
	if (err == NULL) {
		FAULT_POINT("delete-stored");
		job->engine->deletions++;
		retention_forget(job);
		job_retire(job);
		job_erase(job, ERASE_ALL);
		job_tell(job, JOB_EVENT_DELETED);
		engine_tell_all(job->engine);
	}
	if (deletion->reply != NULL)
		deletion->reply(deletion->arg, job, err);
	mem_free(deletion);
	engine_check_drained(job->engine);
	job_unref(job);
}

int job_delete(struct job *job, job_reply reply, void *arg, struct error *err)
{
	struct deletion *deletion = mem_alloc(sizeof(*deletion));
	struct error over;

	if (deletion == NULL)
		return error_no_memory(err);
	*deletion = (struct deletion){ reply, arg };
	if (job_submit(job,
		    (struct job_op){ .change = change_erasing,
			    .must = true,
			    .stops = true,
			    .reply = deleted,
			    .arg = deletion },
		    err) < 0) {
		mem_free(deletion);
		return -1;
	}
	job->deleted = true;
	FAULT_POINT("delete-asked");
	error_set(&over, ERR_JOB_NOT_FOUND, "the job was deleted");
	uploads_break(job, &over);
	return 0;
}

void job_discard(struct job *job)
{
	struct error err;

	assert_on(ROLE_LOOP);
	if (job->deleted || !list_empty(&job->unwanted) ||
		job_delete(job, NULL, NULL, &err) == 0)
		return;
	log_warn("job_not_removed_yet", JOB_LOG " err=\"%s\"", JOB_LOG_ARGS(job), err.text);
	job_ref(job);
	list_append(&job->engine->unwanted, &job->unwanted);
}

void engine_discard(struct engine *engine)
{
	struct list jobs, *link;

	list_init(&jobs);
	list_move_all(&jobs, &engine->unwanted);
	while ((link = list_pop(&jobs)) != NULL) {
		struct job *job = LIST_ENTRY(link, struct job, unwanted);

		if (job->deleted || job_delete(job, NULL, NULL, NULL) == 0)
			job_unref(job);
		else
			list_append(&engine->unwanted, &job->unwanted);
	}
}

/* ---- trace ---- */

static int change_trace(struct job_record *next, const struct change_args *args)
{
	struct trace trace;

	if (trace_parse(args->text, &trace) && next->trace_parent == 0)
		job_record_set_trace(next, &trace);
	return 0;
}

void job_adopt_trace(struct job *job, const struct trace *trace)
{
	char text[TRACE_TEXT_SIZE];
	char *copy;

	assert_on(ROLE_LOOP);
	if (job->traceparent[0] != '\0' || job_state_is_done(job->state))
		return;
	trace_format(trace, text);
	copy = mem_strdup(text);
	/* Where it cannot be stored the items matter more: nobody is refused for that. */
	if (copy == NULL ||
		job_submit(job,
			(struct job_op){ .change = change_trace, .args = { .text = copy } },
			NULL) < 0)
		return;
	memcpy(job->traceparent, text, sizeof(job->traceparent));
	trace_id_format(trace, job->trace_id);
	if (job->pipeline != NULL)
		pipeline_trace(job->pipeline, text);
}

/* ---- patch ---- */

static void apply_workers(struct job *job)
{
	struct pipeline *pipeline = job->pipeline;

	if (pipeline == NULL)
		return;
	pipeline_lock(pipeline);
	for (unsigned at = 0; at < pipeline->count; at++) {
		stage_run_account(&pipeline->stages[at], clock_mono_ns());
		pipeline->stages[at].workers = job->def->stages[at].workers;
	}
	pipeline_unlock(pipeline, pipeline_wake_mask(pipeline));
}

int job_patch(struct job *job, const json_t *patch, struct mistakes *mistakes, job_reply reply,
	void *arg, struct error *err)
{
	struct pipeline *pipeline = job->pipeline;
	json_t *whole;
	char *text;
	int done;

	if (job_state_is_done(job->state))
		return conflict(job, "changed", err);
	if (pipeline == NULL && !job->resetting)
		return error_set(err, ERR_STATE_CONFLICT, "the job cannot run here: %s",
			job->stalled_reason);
	if (store_works(job, err) < 0 || admission_patch(job, patch, err) < 0)
		return -1;
	if (pipeline != NULL) /* its threads look into the definition */
		pipeline_lock(pipeline);
	done = definition_patch(job->def, patch, mistakes, err);
	if (pipeline != NULL)
		pthread_mutex_unlock(&pipeline->lock);
	if (done < 0)
		return -1;
	apply_workers(job);
	admission_count(job, true);
	FAULT_POINT("patch-applied");
	whole = definition_to_json(job->def);
	text = json_text(whole, JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(whole);
	if (text == NULL)
		return error_no_memory(err);
	log_info("job_patched", JOB_LOG, JOB_LOG_ARGS(job));
	return job_submit(job,
		(struct job_op){ .definition = text,
			.must = true,
			.reply = reply,
			.arg = arg,
			.impatient = true },
		err);
}
