/*
 * Retention: results and failures of a job go `retention_ms` after it was done; the rest of it,
 * its definition and its counts, `records_ms` after that. So what a server that runs for years
 * keeps is bounded by what is done in that time.
 *
 * What is due next stands on top of a heap in memory (24 bytes a job that is done), so
 * looking costs nothing; what is removed goes in small transactions behind the others.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "engine/internal.h"

#define EXPIRE_MAX 16 /* jobs begun in one tick */

static void swap(struct expiry *a, struct expiry *b)
{
	struct expiry c = *a;

	*a = *b;
	*b = c;
}

static void retention_add(struct engine *engine, const struct id *id, uint64_t due_ms)
{
	size_t at = engine->expiry_count;

	if (at == engine->expiry_capacity) {
		size_t capacity = at * 2 + 64;
		struct expiry *heap = mem_realloc(engine->expiries, capacity * sizeof(*heap));

		if (heap == NULL)
			return; /* found again at the next start */
		engine->expiries = heap;
		engine->expiry_capacity = capacity;
	}
	engine->expiries[at] = (struct expiry){ due_ms, *id };
	engine->expiry_count++;
	for (; at > 0 && engine->expiries[(at - 1) / 2].due_ms > engine->expiries[at].due_ms;
		at = (at - 1) / 2)
		swap(&engine->expiries[at], &engine->expiries[(at - 1) / 2]);
}

static struct expiry pop(struct engine *engine)
{
	struct expiry *heap = engine->expiries, top = heap[0];
	size_t at = 0, child, count = --engine->expiry_count;

	heap[0] = heap[count];
	while ((child = 2 * at + 1) < count) {
		if (child + 1 < count && heap[child + 1].due_ms < heap[child].due_ms)
			child++;
		if (heap[at].due_ms <= heap[child].due_ms)
			break;
		swap(&heap[at], &heap[child]);
		at = child;
	}
	return top;
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
		retention_add(engine, id, due);
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
		retention_add(engine, &job->id, due);
	else
		begin(job);
}

void retention_run(struct engine *engine)
{
	uint64_t now_ms = clock_wall_ms();

	for (unsigned n = 0; n < EXPIRE_MAX && engine->expiry_count > 0 &&
			     engine->expiries[0].due_ms <= now_ms;
		n++) {
		struct expiry due = pop(engine);

		engine_fetch(engine, &due.id, expire, engine, NULL);
	}
}

void retention_done(struct engine *engine)
{
	mem_free(engine->expiries);
	engine->expiries = NULL;
	engine->expiry_count = engine->expiry_capacity = 0;
}
