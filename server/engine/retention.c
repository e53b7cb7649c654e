/*
 * Retention: results and failures of a job go `retention_ms` after it was done; the rest of it,
 * its definition and its counts, `records_ms` after that. So what a server that runs for years
 * keeps is bounded by what is done in that time.
 *
 * Where results and failures of all done jobs are more than `retention_bytes`, those of the job
 * that ended first go, whatever its time; one job after the other.
 *
 * What is due next stands on top of a heap in memory (32 bytes a job that is done, and as much
 * again for the bound of bytes), so looking costs nothing; what is removed goes in small
 * transactions behind the others.
 *
 * Ages are measured by the monotonic clock. The one on the wall is asked once, at the start,
 * for how old what is found has become; if somebody sets it meanwhile, nothing ages by that.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"

#define EXPIRE_MAX    16  /* jobs begun in one tick */
#define FAILURE_BYTES 128 /* of one, beside its input */

/* Of those that an older leat has counted only the number is known. */
uint64_t retention_failure_bytes(const struct job_record *record)
{
	uint64_t each = record->received > 0 ? record->bytes / record->received : 0;

	if (record->failure_bytes > 0)
		return record->failure_bytes;
	/* What on_error drops is counted and not stored. */
	return MIN(record->failed, record->next_failure) * (each + FAILURE_BYTES);
}

/* About what a done job's results and failures occupy. */
static uint64_t bytes_of(const struct job_record *record)
{
	return record->result_bytes + record->results * sizeof(uint64_t) +
	       retention_failure_bytes(record);
}

static void less(uint64_t *number, uint64_t by)
{
	*number -= MIN(*number, by);
}

static void retain(struct engine *engine, const struct id *id, const struct job_record *record)
{
	engine->retained_bytes += bytes_of(record);
	engine->retained.results += record->result_bytes;
	engine->retained.failures += retention_failure_bytes(record);
	/* It stood there while it was at work; the next tick finds it there no more. */
	less(&engine->stored.results, record->result_bytes);
	less(&engine->stored.failures, retention_failure_bytes(record));
	if (engine->config.retention_bytes > 0)
		expiry_add(&engine->finished, id, record->finished_ms, 0);
}

void retention_forget(struct job *job)
{
	struct engine *engine = job->engine;

	if (!job->retained)
		return;
	job->retained = false;
	less(&engine->retained_bytes, bytes_of(&job->record));
	less(&engine->retained.results, job->record.result_bytes);
	less(&engine->retained.failures, retention_failure_bytes(&job->record));
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

/* When something of it goes next, by the clock on the wall as it was when it ended; 0: never.
 */
static uint64_t due_ms(const struct engine *engine, const struct job_record *record)
{
	uint64_t records_ms = engine_config(engine)->records_ms;

	if (!record->expired)
		return record->expires_ms;
	return records_ms == 0 ? 0 : record->expires_ms + records_ms;
}

/* How long it stays from the moment on that it is as it is. */
static uint64_t stay_ms(const struct engine *engine, const struct job_record *record)
{
	if (record->expired)
		return engine_config(engine)->records_ms;
	return record->expires_ms - MIN(record->expires_ms, record->finished_ms);
}

static void watch(struct engine *engine, const struct id *id, const struct job_record *record,
	uint64_t left_ms)
{
	uint64_t due = due_ms(engine, record), now_ms = clock_mono_ns() / NS_PER_MS;

	if (due != 0)
		expiry_add(&engine->expiries, id, now_ms + left_ms, due);
	if (!record->expired)
		retain(engine, id, record);
}

void retention_watch(
	struct engine *engine, const struct id *id, const struct job_record *record)
{
	watch(engine, id, record, stay_ms(engine, record));
}

/* Not longer than if it had just become so, also where the clock was set back since. */
void retention_watch_found(
	struct engine *engine, const struct id *id, const struct job_record *record)
{
	uint64_t due = due_ms(engine, record), now_ms = clock_wall_ms();
	uint64_t left = due > now_ms ? due - now_ms : 0;

	watch(engine, id, record, MIN(left, stay_ms(engine, record)));
}

/* Of the one fetch; `stamp`: what was due. */
struct expiring {
	struct engine *engine;
	uint64_t stamp;
};

static void expire(void *arg, struct job *job, const struct error *err)
{
	struct expiring *expiring = arg;
	struct engine *engine = expiring->engine;
	uint64_t stamp = expiring->stamp;

	mem_free(expiring);
	/* Deleted since, or at work again: then it is added again when it ends. */
	if (err == NULL && job != NULL && job_is_done(job) &&
		due_ms(engine, &job->record) == stamp)
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
		expiry_add(&engine->finished, &first.id, first.at_ms, 0);
	}
}

/* Without memory the next tick tries again. */
static bool expire_next(struct engine *engine, uint64_t now_ms)
{
	struct expiring *expiring = mem_alloc(sizeof(*expiring));
	struct expiry due;

	if (expiring == NULL)
		return false;
	due = expiry_pop(&engine->expiries);
	*expiring = (struct expiring){ engine, due.stamp };
	if (engine_fetch(engine, &due.id, expire, expiring, NULL) == 0)
		return true;
	mem_free(expiring);
	expiry_add(&engine->expiries, &due.id, now_ms, due.stamp);
	return false;
}

void retention_run(struct engine *engine)
{
	uint64_t now_ms = clock_mono_ns() / NS_PER_MS;

	for (unsigned n = 0; n < EXPIRE_MAX && engine->expiries.count > 0 &&
			     engine->expiries.items[0].at_ms <= now_ms;
		n++)
		if (!expire_next(engine, now_ms))
			break;
	keep_budget(engine);
}

void retention_done(struct engine *engine)
{
	expiry_done(&engine->expiries);
	expiry_done(&engine->finished);
}
