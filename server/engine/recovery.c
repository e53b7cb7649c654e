/*
 * Making pipelines: for a new job, at the start from what the ledger holds, and again after
 * memory ran out in the middle of one.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/json_parse.h"
#include "base/log.h"
#include "base/role.h"
#include "engine/internal.h"
#include "engine/stages_life.h"

/* After a start the versions that were shown but not stored must not come again: more can
 * not have been shown than ticks in a year. */
#define VERSION_LEAP (1ull << 27)

/* ---- definitions from the ledger ---- */

static enum stage_result missing_open(void *instance, struct stage_ctx *ctx)
{
	(void)instance;
	return stage_fail(ctx, STAGE_PERMANENT,
		"the stage is not installed on this server: start it with the folder of its module "
		"(--stages)");
}

static enum stage_result missing_run(void *instance, struct stage_ctx *ctx)
{
	return missing_open(instance, ctx);
}

/* Stands in for a stage that an earlier start of the server had and this one has not. */
static const struct stage missing_stage = {
	.abi = STAGE_ABI,
	.size = sizeof(struct stage),
	.name = "missing",
	.version = "0",
	.summary = "A stage that is not installed",
	.open = missing_open,
	.run = missing_run,
	.run_batch = missing_run, /* a job may have asked for batches */
};

static const struct catalog *real_catalog;

static const struct stage *find_any(const struct catalog *catalog, const char *name)
{
	const struct stage *stage = real_catalog->find(real_catalog, name);

	(void)catalog;
	return stage == NULL ? &missing_stage : stage;
}

static const char *no_nearest(const struct catalog *catalog, const char *name)
{
	(void)catalog;
	(void)name;
	return NULL;
}

/* They were checked when the job was made. */
static json_t *take_params(const struct catalog *catalog, const struct stage *stage,
	const json_t *params, const char *pointer, struct mistakes *mistakes)
{
	(void)catalog;
	(void)stage;
	(void)pointer;
	(void)mistakes;
	return params == NULL ? json_object() : json_deep_copy(params);
}

static const struct catalog lenient_catalog = { find_any, no_nearest, take_params };

int definition_reload(struct engine *engine, const char *text, size_t len,
	struct definition **ret, struct error *err)
{
	struct error why = { 0 };
	json_t *root = json_parse(text, len, JSON_ALLOW_NUL, &why);
	struct mistakes mistakes;
	int done;

	if (root == NULL) {
		if (why.code == ERR_NO_MEMORY)
			error_no_memory(err);
		else
			error_set(
				err, ERR_STORE, "a job's definition is damaged: %s", why.text);
		return -1;
	}
	mistakes_init(&mistakes);
	real_catalog = registry_catalog(engine->registry);
	done = definition_parse(
		root, &lenient_catalog, &engine->config.rules, &mistakes, ret, err);
	if (done < 0 && mistakes.count > 0)
		error_set(err, ERR_STORE, "a job's definition no longer holds: %s: %s",
			mistakes.items[0].pointer, mistakes.items[0].detail);
	mistakes_done(&mistakes);
	json_decref(root);
	return done;
}

struct job *job_load(struct engine *engine, const struct id *id, const struct buf *definition,
	const struct buf *record, struct error *err)
{
	struct job_record decoded;
	struct definition *def;
	struct job *job;

	if (job_record_decode(record->data, record->len, &decoded, err) < 0)
		return NULL;
	if (definition_reload(engine, definition->data, definition->len, &def, err) < 0) {
		job_record_done(&decoded);
		return NULL;
	}
	error_no_memory(err);
	if (decoded.stage_count != def->stage_count)
		error_set(err, ERR_STORE, "a job's record does not fit its definition");
	job = decoded.stage_count == def->stage_count ? job_new(engine, id, def) : NULL;
	if (job == NULL) {
		definition_free(def);
		job_record_done(&decoded);
		return NULL;
	}
	decoded.version += VERSION_LEAP;
	if (job_record_copy(&job->record, &decoded) < 0 ||
		job_record_copy(&job->next, &decoded) < 0 ||
		job_record_copy(&job->stable, &decoded) < 0 ||
		job_record_copy(&job->committed, &decoded) < 0) {
		job_unref(job);
		job = NULL;
		error_no_memory(err);
	} else {
		job->state = (enum job_state)decoded.state;
		job->closing = decoded.input_closed != 0;
		job->retained = job_state_is_done(job->state) && !decoded.expired;
		job_name_trace(job);
	}
	job_record_done(&decoded);
	return job;
}

/* ---- a pipeline for a job ---- */

/* Take up where the record and the input log stand. */
static int restore(struct job *job, struct pipeline *pipeline, struct error *err)
{
	struct ledger *ledger = job->engine->ledger;
	const struct job_record *record = &job->record;
	uint64_t first = 0, last = 0, bytes = 0;
	int found = 0;

	if (record->next_block > 0)
		found = ledger->ops->input_range(ledger, &job->id, &first, &last, &bytes, err);
	if (found < 0)
		return -1;
	pipeline->next_block = pipeline->stored_upto = record->next_block;
	pipeline->next_item = record->next_item;
	pipeline->source_ended = record->source_ended || record->input_closed;
	pipeline->paused = job->state == JOB_PAUSED;
	pipeline->cold = found > 0;
	pipeline->cold_from = found > 0 ? first : record->next_block;
	pipeline->backlog_bytes = bytes;
	for (unsigned at = 0; at < pipeline->count; at++)
		pipeline->stages[at].counts = pipeline->stages[at].told = record->stages[at];
	return 0;
}

struct starting {
	struct task task;
	struct post post;
	struct job *job; /* a reference */
	struct pipeline *pipeline;
	struct buf state;
	void (*started)(struct job *job, void *arg, const struct error *err);
	void *arg;
	struct error err;
	int failed;
};

/* Loop. */
static void opened(struct post *post)
{
	struct starting *starting = CONTAINER_OF(post, struct starting, post);
	struct job *job = starting->job;
	struct error *err = &starting->err;

	if (!starting->failed && restore(job, starting->pipeline, err) < 0)
		starting->failed = 1;
	if (starting->failed) {
		pipeline_unref(starting->pipeline);
		starting->started(job, starting->arg, err);
	} else {
		job->pipeline = starting->pipeline;
		starting->started(job, starting->arg, NULL);
	}
	buf_done(&starting->state);
	job_unref(job);
	mem_free(starting);
}

/* Compute, where a stage has code to run at open. */
static void open_task(struct task *task)
{
	struct starting *starting = CONTAINER_OF(task, struct starting, task);

	starting->failed = stages_life_open(starting->pipeline, starting->state.data,
				   starting->state.len, &starting->err) < 0;
	engine_post(starting->job->engine, &starting->post);
}

/* The commit thread goes on from what is stored. */
static int take_states(struct job *job, const struct buf *stored, struct error *err)
{
	if (!job->has_states && stored != NULL &&
		states_load(&job->states, stored->data, stored->len) < 0)
		return error_no_memory(err);
	job->has_states = true;
	return 0;
}

int job_start_pipeline(struct job *job, const struct buf *state,
	void (*started)(struct job *job, void *arg, const struct error *err), void *arg,
	struct error *err)
{
	struct starting *starting;

	if (take_states(job, state, err) < 0)
		return -1;
	starting = mem_zalloc(sizeof(*starting));
	if (starting == NULL)
		return error_no_memory(err);
	if (pipeline_new(job->engine, job, &job->id, job->def, &starting->pipeline, err) < 0) {
		mem_free(starting);
		return -1;
	}
	if (state != NULL && buf_append(&starting->state, state->data, state->len) < 0) {
		pipeline_unref(starting->pipeline);
		mem_free(starting);
		return error_no_memory(err);
	}
	starting->job = job_ref(job);
	starting->started = started;
	starting->arg = arg;
	starting->task.run = open_task;
	starting->post.fn = opened;
	if (stages_life_has_open(starting->pipeline))
		scheduler_task(job->engine->scheduler, &starting->task);
	else
		open_task(&starting->task);
	return 0;
}

int job_start_pipeline_now(struct job *job, struct error *err)
{
	struct ledger *ledger = job->engine->ledger;
	struct buf state = BUF_INIT;
	struct pipeline *pipeline;
	int done;

	if (pipeline_new(job->engine, job, &job->id, job->def, &pipeline, err) < 0)
		return -1;
	done = ledger->ops->get_state(ledger, &job->id, &state, err);
	if (done == 0)
		done = take_states(job, &state, err);
	if (done == 0)
		done = stages_life_open(pipeline, state.data, state.len, err);
	if (done == 0)
		done = restore(job, pipeline, err);
	buf_done(&state);
	if (done < 0) {
		pipeline_unref(pipeline);
		return -1;
	}
	job->pipeline = pipeline;
	return 0;
}

/* ---- after memory ran out ---- */

static void try_reset(struct post *post);

struct reset {
	struct post post;
	uv_timer_t timer;
	struct job *job; /* a reference */
};

static void reset_closed(uv_handle_t *handle)
{
	struct reset *reset = CONTAINER_OF((uv_timer_t *)handle, struct reset, timer);

	job_unref(reset->job);
	mem_free(reset);
}

/* Everything that is under way must come home first: then the ledger says where it stands. */
static bool is_quiet(struct pipeline *pipeline)
{
	bool quiet;

	pipeline_lock(pipeline);
	quiet = pipeline->in_hand == 0 && pipeline->appending_bytes == 0 &&
		pipeline->flushes == 0;
	pthread_mutex_unlock(&pipeline->lock);
	return quiet;
}

static void reset_tick(uv_timer_t *timer)
{
	struct reset *reset = CONTAINER_OF(timer, struct reset, timer);

	try_reset(&reset->post);
}

static void try_reset(struct post *post)
{
	struct reset *reset = CONTAINER_OF(post, struct reset, post);
	struct job *job = reset->job;
	struct pipeline *pipeline = job->pipeline;
	struct error err;

	if (pipeline != NULL && !job->deleted && !job_state_is_done(job->state)) {
		if (job->reading || !is_quiet(pipeline))
			return;
		job->pipeline = NULL;
		if (job_start_pipeline_now(job, &err) < 0) {
			job->pipeline = pipeline;
			return; /* next time */
		}
		pipeline_unref(pipeline);
		log_warn("job_reset", JOB_LOG " reason=\"out of memory\"", JOB_LOG_ARGS(job));
		job_look(job);
		job->resetting = false;
		pipeline_lock(job->pipeline);
		pipeline_unlock(job->pipeline, pipeline_wake_mask(job->pipeline));
		job_check_end(job);
	}
	job->resetting = false;
	uv_timer_stop(&reset->timer);
	uv_close((uv_handle_t *)&reset->timer, reset_closed);
}

void job_reset(struct job *job)
{
	struct reset *reset;
	struct error why;

	if (job->resetting)
		return;
	reset = mem_zalloc(sizeof(*reset));
	if (reset == NULL)
		return; /* the failure stands in the pipeline: the next look comes back here */
	error_no_memory(&why);
	uploads_break(job, &why);
	job_stop_pipeline(job);
	job->resetting = true;
	reset->job = job_ref(job);
	uv_timer_init(job->engine->loop, &reset->timer);
	uv_timer_start(&reset->timer, reset_tick, 10, 20);
}

/* ---- the start ---- */

struct found {
	struct engine *engine;
	struct list jobs; /* to be resumed or erased, once the visit is over */
	unsigned live, done, erasing;
	bool no_memory; /* then there is no start: a job must not be missing, nor stand still */
};

static int load_keys(struct job *job, struct error *err)
{
	struct key *keys;

	if (keys_read(job->engine->ledger, &job->id, &keys, err) < 0)
		return -1;
	job_keys_take(job, keys);
	return 0;
}

/* A job that was at work goes on. Where its stages cannot be opened it stays, and says why. */
static int resume(struct job *job)
{
	struct error err;

	engine_list_job(job);
	if (load_keys(job, &err) == 0 && job_start_pipeline_now(job, &err) == 0)
		return 0;
	if (err.code == ERR_NO_MEMORY)
		return -1;
	job->stalled = true;
	job->stalled_since_ms = clock_wall_ms();
	snprintf(job->stalled_reason, sizeof(job->stalled_reason), "%.150s", err.text);
	log_error("job_not_resumed", JOB_LOG " err=\"%s\"", JOB_LOG_ARGS(job), err.text);
	return 0;
}

/* What was found cannot be taken in; false ends the visit. */
static bool unreadable(struct found *found, const char *id_text, const struct error *why)
{
	found->no_memory = why->code == ERR_NO_MEMORY;
	if (!found->no_memory)
		log_error("job_unreadable", "job=%s err=\"%s\"", id_text, why->text);
	return !found->no_memory;
}

static bool found_job(void *arg, const struct id *id, const void *definition,
	size_t definition_len, const void *record, size_t record_len)
{
	struct found *found = arg;
	struct buf def_bytes = { (char *)definition, definition_len, definition_len };
	struct buf record_bytes = { (char *)record, record_len, record_len };
	char text[ID_TEXT_SIZE];
	struct job_record decoded;
	struct error err;
	struct job *job;

	id_format(id, text);
	id_follow(id);
	if (job_record_decode(record, record_len, &decoded, &err) < 0)
		return unreadable(found, text, &err);
	if (job_state_is_done((enum job_state)decoded.state) && !decoded.erasing &&
		!decoded.ephemeral) {
		found->done++;
		retention_watch_found(found->engine, id, &decoded);
		job_record_done(&decoded);
		return true;
	}
	job = job_load(found->engine, id, &def_bytes, &record_bytes, &err);
	job_record_done(&decoded);
	if (job == NULL)
		return unreadable(found, text, &err);
	list_append(&found->jobs, &job->link);
	return true;
}

static void take_up(struct found *found, struct job *job)
{
	if (found->no_memory) {
		job_unref(job);
		return;
	}
	if (job->record.erasing || job->record.ephemeral) {
		found->erasing++;
		job->deleted = true;
		job_erase(job, ERASE_ALL);
	} else {
		found->live++;
		found->no_memory = resume(job) < 0;
	}
	job_unref(job);
}

int engine_recover(struct engine *engine, struct error *err)
{
	struct found found = { .engine = engine };
	struct list *first;

	list_init(&found.jobs);
	if (engine->ledger->ops->each_job(engine->ledger, NULL, found_job, &found, err) < 0)
		return -1;
	FAULT_POINT("recovery-read");
	while ((first = list_pop(&found.jobs)) != NULL) {
		take_up(&found, LIST_ENTRY(first, struct job, link));
		FAULT_POINT("recovery-job");
	}
	if (found.no_memory)
		return error_no_memory(err);
	log_info("recovered", "live=%u done=%u erasing=%u", found.live, found.done,
		found.erasing);
	LIST_EACH(&engine->live, link)
	{
		struct job *job = LIST_ENTRY(link, struct job, link);

		if (job->pipeline == NULL)
			continue;
		pipeline_lock(job->pipeline);
		pipeline_unlock(job->pipeline, pipeline_wake_mask(job->pipeline) | WAKE_LOOP);
		job_check_end(job);
	}
	FAULT_POINT("recovered");
	return 0;
}
