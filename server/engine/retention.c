/*
 * Retention: results and failures of a job go `retention_ms` after it was done; the rest of it,
 * its definition and its counts, `records_ms` after that. So what a server that runs for years
 * keeps is bounded by what is done in that time.
 *
 * Where results and failures of all done jobs are more than `retention_bytes`, those of the job
 * that ended first go, whatever its time; one job after the other.
 *
 * What is due next stands on top of a heap in memory (24 bytes a job that is done, and as much
 * again for the bound of bytes), so looking costs nothing; what is removed goes in small
 * transactions behind the others.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "engine/internal.h"

#define EXPIRE_MAX    16  /* jobs begun in one tick */
#define FAILURE_BYTES 128 /* of one, beside its input */

/* About what a done job's results and failures occupy; of failures only the number is known. */
static uint64_t bytes_of(const struct job_record *record)
{
	uint64_t each = record->received > 0 ? record->bytes / record->received : 0;

	return record->result_bytes + record->results * sizeof(uint64_t) +
	       record->failed * (each + FAILURE_BYTES);
}

static void retain(struct engine *engine, const struct id *id, const struct job_record *record)
{
	engine->retained_bytes += bytes_of(record);
	if (engine->config.retention_bytes > 0)
		expiry_add(&engine->finished, id, record->finished_ms);
}

void retention_forget(struct job *job)
{
	struct engine *engine = job->engine;

	if (!job->retained)
		return;
	job->retained = false;
	engine->retained_bytes -= MIN(engine->retained_bytes, bytes_of(&job->record));
}

static int change_expired(struct job_record *next, const struct change_args *args)
{
	(void)args;
	next->expired = 1;
	return 0;
}

static void expired(struct job *job, const struct error *err)
{
	if (err != NULL)
		return;
	retention_forget(job);
	FAULT_POINT("expiry-stored");
	log_info("results_expired", JOB_LOG, JOB_LOG_ARGS(job));
	job_erase(job, ERASE_VALUES);
	retention_watch(job->engine, &job->id, &job->record);
}

static void forgotten(void *arg, struct job *job, const struct error *err)
{
	(void)arg;
	if (err == NULL)
		log_info("job_forgotten", JOB_LOG, JOB_LOG_ARGS(job));
}

/* It is found again at the next start if it cannot be done now. */
static void begin(struct job *job)
{
	if (job->record.expired)
		job_delete(job, forgotten, NULL, NULL);
	else
		job_submit(job,
			(struct job_op){
				.change = change_expired, .must = true, .then = expired },
			NULL);
}

/* When something of it goes next; 0: never. */
static uint64_t due_ms(const struct engine *engine, const struct job_record *record)
{
	uint64_t records_ms = engine_config(engine)->records_ms;

	if (!record->expired)
		return record->expires_ms;
	return records_ms == 0 ? 0 : record->expires_ms + records_ms;
}

void retention_watch(
	struct engine *engine, const struct id *id, const struct job_record *record)
{
	uint64_t due = due_ms(engine, record);

	if (due != 0)
		expiry_add(&engine->expiries, id, due);
	if (!record->expired)
		retain(engine, id, record);
}

static void expire(void *arg, struct job *job, const struct error *err)
{
	struct engine *engine = arg;
	uint64_t due;

	/* Deleted since, or at work again: then it is added again when it ends. */
	if (err != NULL || job == NULL || !job_is_done(job))
		return;
	due = due_ms(engine, &job->record);
	if (due == 0)
		return;
	if (due > clock_wall_ms())
		expiry_add(&engine->expiries, &job->id, due);
	else
		begin(job);
}

static void keep_budget(struct engine *engine);

static void went_for_budget(struct job *job, const struct error *err)
{
	job->engine->expiring = false;
	expired(job, err);
	if (err == NULL)
		keep_budget(job->engine);
}

/* The job that ended first, if it still is as it was then; else the next one. */
static void expire_first(void *arg, struct job *job, const struct error *err)
{
	struct engine *engine = arg;

	engine->expiring = false;
	if (err != NULL || job == NULL || !job_is_done(job) || job->record.expired) {
		keep_budget(engine);
		return;
	}
	log_info("results_over_budget", JOB_LOG " bytes=%llu bound=%llu", JOB_LOG_ARGS(job),
		(unsigned long long)engine->retained_bytes,
		(unsigned long long)engine->config.retention_bytes);
	engine->expiring = job_submit(job,
				   (struct job_op){ .change = change_expired,
					   .must = true,
					   .then = went_for_budget },
				   NULL) == 0;
}

/* One at a time, so that no more goes than must. */
static void keep_budget(struct engine *engine)
{
	struct expiry first;

	if (engine->config.retention_bytes == 0 || engine->expiring ||
		engine->retained_bytes <= engine->config.retention_bytes ||
		engine->finished.count == 0)
		return;
	first = expiry_pop(&engine->finished);
	engine->expiring = true;
	if (engine_fetch(engine, &first.id, expire_first, engine, NULL) < 0) {
		engine->expiring = false;
		expiry_add(&engine->finished, &first.id, first.at_ms);
	}
}

void retention_run(struct engine *engine)
{
	uint64_t now_ms = clock_wall_ms();

	for (unsigned n = 0; n < EXPIRE_MAX && engine->expiries.count > 0 &&
			     engine->expiries.items[0].at_ms <= now_ms;
		n++) {
		struct expiry due = expiry_pop(&engine->expiries);

		engine_fetch(engine, &due.id, expire, engine, NULL);
	}
	keep_budget(engine);
}

void retention_done(struct engine *engine)
{
	expiry_done(&engine->expiries);
	expiry_done(&engine->finished);
}
