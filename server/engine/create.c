/*
 * Jobs come into being, and back into memory.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/role.h"
#include "engine/admission.h"
#include "engine/internal.h"
#include "engine/stages_life.h"

/* ---- create ---- */

struct creating {
	struct admission admission; /* of a check: on no list */
	job_reply reply;
	void *arg;
};

static struct creating *new_creating(job_reply reply, void *arg)
{
	struct creating *creating = mem_alloc(sizeof(*creating));

	if (creating == NULL)
		return NULL;
	*creating = (struct creating){ .reply = reply, .arg = arg };
	list_init(&creating->admission.link);
	return creating;
}

static void created(void *arg, struct job *job, const struct error *err)
{
	struct creating *creating = arg;

	admission_drop(&creating->admission);
	FAULT_POINT("create-stored");
	if (err != NULL) {
		job_stop_pipeline(job);
		pipeline_unref(TAKE(job->pipeline));
		creating->reply(creating->arg, NULL, err);
	} else {
		job->engine->jobs_created++;
		engine_list_job(job);
		log_info("job_created", JOB_LOG " stages=%u", JOB_LOG_ARGS(job),
			job->def->stage_count);
		creating->reply(creating->arg, job, NULL);
		/* A source begins by itself. */
		pipeline_lock(job->pipeline);
		pipeline_unlock(job->pipeline, pipeline_wake_mask(job->pipeline));
	}
	mem_free(creating);
}

static int write_new(struct job *job, struct creating *creating, struct error *err)
{
	json_t *whole = definition_to_json(job->def);
	char *text = json_text(whole, JSON_COMPACT);

	json_decref(whole);
	if (text == NULL)
		return error_no_memory(err);
	return job_submit(job,
		(struct job_op){ .definition = text, .reply = created, .arg = creating }, err);
}

/* The stages are open, or one has refused. */
static void opened(struct job *job, void *arg, const struct error *err)
{
	struct creating *creating = arg;
	struct error failure;

	FAULT_POINT("create-opened");
	if (err == NULL && write_new(job, creating, &failure) == 0)
		return;
	admission_drop(&creating->admission);
	creating->reply(creating->arg, NULL, err != NULL ? err : &failure);
	if (job->pipeline != NULL)
		pipeline_unref(TAKE(job->pipeline));
	mem_free(creating);
}

static void first_record(
	struct job_record *record, bool ephemeral, const struct trace *trace, const char *owner)
{
	record->state = JOB_RUNNING;
	record->created_ms = clock_wall_ms();
	record->ephemeral = ephemeral;
	if (trace != NULL)
		job_record_set_trace(record, trace);
	job_record_set_owner(record, owner);
}

int engine_create(struct engine *engine, struct definition *definition, bool ephemeral,
	const struct trace *trace, const char *owner, job_reply reply, void *arg,
	struct error *err)
{
	struct creating *creating = NULL;
	struct id id = id_new();
	struct job *job = NULL;

	assert_on(ROLE_LOOP);
	if (!engine_admits(engine, err))
		goto fail;
	if (engine_needs_memory(engine, 0, err) < 0)
		goto fail;
	creating = new_creating(reply, arg);
	if (creating == NULL) {
		error_no_memory(err);
		goto fail;
	}
	if (admission_take(engine, definition, owner, &creating->admission, err) < 0)
		goto fail;
	job = job_new(engine, &id, definition);
	if (job == NULL) {
		error_no_memory(err);
		goto fail;
	}
	definition = NULL; /* the job's now */
	first_record(&job->record, ephemeral, trace, owner);
	first_record(&job->next, ephemeral, trace, owner);
	creating->admission.owner = job->record.owner;
	job_name_trace(job);
	job_record_copy(&job->stable, &job->next);
	job_record_copy(&job->committed, &job->next);
	if (job_start_pipeline(job, NULL, opened, creating, err) < 0)
		goto fail;
	job_unref(job);
	return 0;
fail:
	if (creating != NULL)
		admission_drop(&creating->admission);
	mem_free(creating);
	if (job != NULL)
		job_unref(job);
	definition_free(definition);
	return -1;
}

/* ---- check ---- */

static void checked(struct job *job, void *arg, const struct error *err)
{
	struct creating *creating = arg;

	creating->reply(creating->arg, NULL, err);
	if (job->pipeline != NULL)
		pipeline_unref(TAKE(job->pipeline));
	mem_free(creating);
}

int engine_check(struct engine *engine, struct definition *definition, job_reply reply,
	void *arg, struct error *err)
{
	struct creating *creating = new_creating(reply, arg);
	struct id id = id_new();
	struct job *job = creating == NULL ? NULL : job_new(engine, &id, definition);
	int done;

	assert_on(ROLE_LOOP);
	if (job == NULL) {
		mem_free(creating);
		definition_free(definition);
		return error_no_memory(err);
	}
	done = job_start_pipeline(job, NULL, checked, creating, err);
	if (done < 0)
		mem_free(creating);
	job_unref(job);
	return done;
}

/* ---- fetch ---- */

struct fetch {
	uv_work_t work;
	struct engine *engine;
	struct id id;
	struct buf definition, record;
	struct key *keys;
	job_reply reply;
	void *arg;
	uint64_t deletions; /* the engine's when the read began */
	int failed;
	struct error err;
};

static void fetch_read(uv_work_t *work)
{
	struct fetch *fetch = work->data;
	struct ledger *ledger = fetch->engine->ledger;

	fetch->failed = ledger->ops->get_job(ledger, &fetch->id, &fetch->definition,
				&fetch->record, &fetch->err) < 0 ||
			keys_read(ledger, &fetch->id, &fetch->keys, &fetch->err) < 0;
}

/* It may have come into the table meanwhile. */
static struct job *take_in(struct fetch *fetch)
{
	struct job *job = engine_find_any(fetch->engine, &fetch->id);

	if (job != NULL && !job->deleted)
		return job_ref(job);
	if (job != NULL) {
		error_set(&fetch->err, ERR_JOB_NOT_FOUND, "there is no such job");
		return NULL;
	}
	job = job_load(
		fetch->engine, &fetch->id, &fetch->definition, &fetch->record, &fetch->err);
	if (job == NULL)
		return NULL;
	if (job->record.erasing || !job_state_is_done(job->state)) {
		/* Being erased; or its first commit is a moment old and nobody was told of it
		 * yet. */
		job_unref(job);
		error_set(&fetch->err, ERR_JOB_NOT_FOUND, "there is no such job");
		return NULL;
	}
	job_keys_take(job, TAKE(fetch->keys));
	engine_list_job(job);
	return job;
}

static void fetch_done(uv_work_t *work, int status);

static void begin_read(struct fetch *fetch)
{
	buf_clear(&fetch->definition);
	buf_clear(&fetch->record);
	keys_free(TAKE(fetch->keys));
	fetch->deletions = fetch->engine->deletions;
	uv_queue_work(fetch->engine->loop, &fetch->work, fetch_read, fetch_done);
}

static void fetch_done(uv_work_t *work, int status)
{
	struct fetch *fetch = work->data;
	struct engine *engine = fetch->engine;
	struct job *job = NULL;

	(void)status;
	if (!fetch->failed && fetch->deletions != engine->deletions) {
		begin_read(fetch); /* what was read may be gone since */
		return;
	}
	engine->reads--;
	if (!fetch->failed)
		job = take_in(fetch);
	fetch->reply(fetch->arg, job, job == NULL ? &fetch->err : NULL);
	if (job != NULL)
		job_unref(job);
	buf_done(&fetch->definition);
	buf_done(&fetch->record);
	keys_free(fetch->keys);
	mem_free(fetch);
	engine_check_drained(engine);
}

int engine_fetch(struct engine *engine, const struct id *id, job_reply reply, void *arg,
	struct error *err)
{
	struct job *job = engine_find(engine, id);
	struct fetch *fetch;

	assert_on(ROLE_LOOP);
	if (job != NULL)
		return job_reply_later(job, reply, arg, err);
	fetch = mem_zalloc(sizeof(*fetch));
	if (fetch == NULL)
		return error_no_memory(err);
	fetch->work.data = fetch;
	fetch->engine = engine;
	fetch->id = *id;
	fetch->reply = reply;
	fetch->arg = arg;
	engine->reads++;
	begin_read(fetch);
	return 0;
}
