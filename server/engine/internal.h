/*
 * internal: what the engine's own files share: the engine, and a job's inside.
 *
 * Who owns what: the *loop* owns every field that is not marked; the *commit thread* owns the
 * transaction's side (`next`, `stable`); `committed` is passed between them under
 * `record_lock`.
 */
#ifndef LEAT_ENGINE_INTERNAL_H
#define LEAT_ENGINE_INTERNAL_H

#include "engine/budget.h"
#include "engine/engine.h"
#include "engine/expiry.h"
#include "engine/keys.h"
#include "engine/metrics.h"
#include "engine/pipeline.h"
#include "engine/room.h"
#include "engine/scheduler.h"
#include "engine/states.h"
#include "isolate/spawner.h"
#include "ledger/committer.h"

#define TICK_MS 250

/* Besides the events of engine.h: something visible has changed. */
#define JOB_EVENT_VERSION_PENDING 0x100

struct job {
	_Atomic uint32_t refs;
	struct engine *engine;
	struct id id;
	char id_text[ID_TEXT_SIZE];
	struct definition *def;
	struct pipeline *pipeline; /* NULL once the job is done, or where it never ran */

	enum job_state state; /* what it is becoming; record.state is what is on disk */
	bool retained;        /* counted in the engine's retained_bytes */
	bool deleted;
	uint64_t deadline_ns; /* of limits.deadline_ms, monotonic; 0: not looked at yet */
	uint64_t epoch;   /* of the input: grows with each refusal; under the pipeline's lock */
	bool has_states;  /* what source and sink have saved is in memory */
	bool closing;     /* the input is closed, or will be with the next commit */
	uint64_t workers; /* that the engine counts */
	bool listed, cached;      /* in the table of jobs; with those that are done */
	uint64_t extra_version;   /* visible changes that are not on disk */
	struct job_record record; /* what is on disk, the loop's copy */
	struct list touched_loop; /* committed since the last round */
	bool results_new;

	/* the commit thread's side */
	struct job_record next, stable;
	uint64_t refused_epoch; /* an append of that epoch was refused */
	struct states states;   /* the loop's until `has_states` */
	struct list touched;
	pthread_mutex_t record_lock;
	struct job_record committed; /* under record_lock */

	/* loop */
	struct list link; /* of the engine's live or cached jobs */
	struct job *hash_next;
	struct list watches;
	unsigned events; /* to tell the watchers */
	struct list event_link;
	struct list unwanted; /* in the engine's, until it can be deleted */
	struct list uploads;
	struct key *keys[KEY_CHAINS];
	unsigned key_count;
	bool reading; /* a cold read is under way */
	bool cold_failed;
	uv_timer_t *timer; /* retries, rates, timeouts */
	unsigned retrying; /* failures/retry under way: the job must not end meanwhile */
	bool resetting;    /* its pipeline is taken down, to be built again from the ledger */

	/* measured */
	double rate;
	uint64_t rate_ns, rate_finished, tick_moved, tick_moved_ns;
	bool changed; /* since the last tick */
	bool stalled;
	char stalled_stage[72];
	char stalled_reason[160];
	char traceparent[TRACE_TEXT_SIZE], trace_id[TRACE_ID_SIZE]; /* of the record */
	uint64_t stalled_since_ms;
};

#define JOB_CHAINS 4096

/* Bytes that lie in the ledger. */
struct stored {
	uint64_t results, failures;
};

struct engine {
	struct engine_config config;
	uv_loop_t *loop;
	struct ledger *ledger;
	struct registry *registry;
	struct committer *committer;
	struct scheduler *scheduler;
	struct spawner spawner; /* of isolated stages */

	struct job *jobs[JOB_CHAINS]; /* live and cached, by id */
	struct list live, cache;      /* not done; done, oldest first */
	unsigned live_count, cache_count;
	uint64_t workers; /* of the live ones */
	struct budget budget;
	struct room room;
	uint64_t backlog_sum;           /* while a tick adds it up */
	_Atomic uint64_t backlog_seen;  /* of all jobs, at the last tick */
	_Atomic uint64_t backlog_since; /* what came since, or a little before */
	struct list admitted;           /* being made, and not among the live ones yet */
	struct list watches;
	struct list events;   /* jobs with events to tell */
	struct list unwanted; /* jobs to be deleted as soon as there is memory for it */
	struct list touched_loop;
	struct list impatient; /* changes whose clients do not wait for a full disk */
	uv_timer_t tick;
	uv_async_t look; /* some pipeline wants the loop */
	uv_async_t calls_done;
	uv_prepare_t tell;
	unsigned handles; /* open ones of ours */

	bool draining, closing;
	void (*drained)(void *arg);
	void *drained_arg;
	uint64_t drain_deadline_ns;
	unsigned reads; /* work on libuv's pool */

	pthread_mutex_t loop_lock;
	struct list look_list;
	struct list completed_calls;
	struct list posts;

	pthread_mutex_t dirty_lock;
	struct list dirty;

	/* the commit thread's transaction */
	struct list touched_jobs, touched_inputs;

	/* totals since start */
	uint64_t busy_mark;  /* of the work done, at the last tick */
	unsigned idle_ticks; /* since anything was done */
	uint64_t stood_ns;   /* clock_stood_ns(), as the log has it */
	uint64_t deletions;  /* a read that began before one may have seen what is gone */
	uint64_t jobs_created, items_accepted, items_finished;
	uint64_t done[JOB_STATE_COUNT]; /* jobs that came to that end */
	struct totals totals;
	struct traffic traffic;
	_Atomic unsigned blocking_threads, open_calls;
	atomic_bool abandoned; /* closed: a thread that comes back from a stage ends at once */
	/* Of the bound blocking_max: threads, requests for one, one has ended, somebody waits.
	 */
	_Atomic unsigned blocking_taken, blocking_asked;
	atomic_bool blocking_freed, blocking_starved;
	unsigned blocking_waiting; /* loop's: stages that asked since they were last served */
	_Atomic uint64_t open_pipelines;
	uint64_t started_ms;
	struct expiry_heap expiries; /* by when something of them goes */
	struct expiry_heap finished; /* that have results, by their end; with a bound only */
	uint64_t retained_bytes;     /* of results and failures of done jobs, about */
	struct stored retained;      /* the same, each */
	struct stored stored;     /* of jobs that are not done: at the last tick, and since */
	struct stored stored_sum; /* while a tick adds it up */
	bool expiring;            /* one of `finished` is being looked at */
};

/* What a change of the record needs; `text` is owned by the operation. */
struct change_args {
	uint64_t a;
	char *text;
};
/* On the commit thread; -1 without memory, then it is called again. */
typedef int (*record_change)(struct job_record *next, const struct change_args *args);

struct job_op {
	record_change change;    /* NULL: none */
	struct change_args args; /* text is taken */
	char *definition;        /* its new JSON text, taken; NULL: as it is */
	bool must;
	bool stops; /* the pipeline stops first, once nothing can fail any more */
	void (*then)(struct job *job, const struct error *err); /* what follows; may be NULL */
	job_reply reply; /* after that; NULL: nobody waits */
	void *arg;
	bool impatient; /* reply also when the store fails meanwhile: the change stands */
};

/* What a job may keep in front of its first queue, as memory is. */
static inline uint64_t hot_bytes(const struct pipeline *pipeline)
{
	return budget_hot_bytes(&pipeline->engine->budget, pipeline->engine->config.hot_bytes);
}

static inline bool engine_backlog_is_full(const struct engine *engine)
{
	uint64_t max = engine->config.backlog_total_max;

	return max > 0 && atomic_load_explicit(&engine->backlog_seen, memory_order_relaxed) +
					  atomic_load_explicit(&engine->backlog_since,
						  memory_order_relaxed) >=
				  max;
}

/* ---- jobs (job.c) ---- */

struct job *job_new(struct engine *engine, const struct id *id, struct definition *def);
/* Its record says which trace it is part of: as text too. */
void job_name_trace(struct job *job);
/* Into the table, live or cached as its state says; the table holds a reference. */
void engine_list_job(struct job *job);
/* Also one that was deleted and whose record is not marked so yet. */
struct job *engine_find_any(struct engine *engine, const struct id *id);
void engine_unlist_job(struct job *job);
/* It is done: nothing of it runs or waits any more. */
void job_retire(struct job *job);
void job_stop_pipeline(struct job *job);
void job_drop_timer(struct job *job);
/* The sink's report is there (taken). */
void job_reported(struct job *job, char *report);
/* Reply without anything to wait for, but from the loop. */
int job_reply_later(struct job *job, job_reply reply, void *arg, struct error *err);
void job_tell(struct job *job, unsigned events);
/* The one function that moves a job: table, store, counter, event. Of `op` it takes args.text,
 * reply, arg and impatient. Cannot be refused by the store. */
int job_move(struct job *job, enum job_state to, struct job_op op, struct error *err);
/* Fail the job with a reason; nothing when it is done already. */
void job_fail(struct job *job, const struct error *why);
/* A definition that was once checked, from the ledger; stages that are missing here are
 * replaced by one that cannot open. */
int definition_reload(struct engine *engine, const char *text, size_t len,
	struct definition **ret, struct error *err);
struct job *job_load(struct engine *engine, const struct id *id, const struct buf *definition,
	const struct buf *record, struct error *err);
/* Look at the counters: is it over, has it failed? Called after every commit. */
void job_check_end(struct job *job);
/* Something on the pipeline wants the loop (look.c). */
void job_look(struct job *job);
void engine_look(struct engine *engine);
void engine_tell_all(struct engine *engine);
/* Try again with those that job_discard() could not delete yet. */
void engine_discard(struct engine *engine);
void engine_check_drained(struct engine *engine);

/* ---- operations on the ledger (ops.c, erase.c) ---- */

/* Give the impatient their reply when the store cannot be written. */
void ops_answer_impatient(struct engine *engine);
/* In the next transaction; then the reply. Takes what it takes also on failure. */
int job_submit(struct job *job, struct job_op op, struct error *err);
/* The loop's copy of the record becomes what is on disk. */
void job_refresh(struct job *job);
/* Something of it was committed: it is looked at when the round is over. Loop. */
void job_committed(struct job *job);
/* Commit thread: the job's record, the block's bits are part of this transaction. */
void job_touch(struct job *job);
/* Commit thread: what source or sink has saved is part of this transaction. */
int job_put_state(
	struct job *job, enum state_of of, const struct buf *state, struct error *err);
/* Commit thread: it has ended or is being erased; what comes late must not count. */
bool job_is_sealed(const struct job *job);
void input_touch(struct engine *engine, struct input *input);
struct committer_hooks engine_hooks(struct engine *engine);
/* Remove in the background, piece by piece, ... */
enum erase_what {
	ERASE_INPUT,  /* input blocks of a job that will not work on them */
	ERASE_VALUES, /* everything but definition and record */
	ERASE_ALL,
};
void job_erase(struct job *job, enum erase_what what);

/* ---- the loop's mailbox (engine.c) ---- */

/* Run `fn` on the loop. Thread: any. Owner: the caller until it runs. */
struct post {
	struct list link;
	void (*fn)(struct post *post);
};
void engine_post(struct engine *engine, struct post *post);

/* ---- retention (retention.c) ---- */
/* The job is done: what goes next of it, goes when it is due. */
void retention_watch(
	struct engine *engine, const struct id *id, const struct job_record *record);
/* The same for one that was done before the start. */
void retention_watch_found(
	struct engine *engine, const struct id *id, const struct job_record *record);
/* Its results and failures go, or it is at work again. */
void retention_forget(struct job *job);
void retention_run(struct engine *engine);
/* About how many bytes a job's failures have. */
uint64_t retention_failure_bytes(const struct job_record *record);
void retention_done(struct engine *engine);

/* ---- input (cold.c) ---- */

void cold_check(struct job *job);

/* ---- recovery (recovery.c) ---- */
int engine_recover(struct engine *engine, struct error *err);
/* Make the job's pipeline and open its stages (off the loop where they have code to run);
 * `started` comes later on the loop. */
int job_start_pipeline(struct job *job, const struct buf *state,
	void (*started)(struct job *job, void *arg, const struct error *err), void *arg,
	struct error *err);
/* The same at once, before the loop runs. */
int job_start_pipeline_now(struct job *job, struct error *err);
/* Build the pipeline again from what is on disk. */
void job_reset(struct job *job);

/* ---- measuring (tick.c) ---- */
void engine_tick(struct engine *engine);

/* ---- uploads (upload.c) ---- */
void uploads_check_room(struct job *job);
void uploads_break(struct job *job, const struct error *why);
/* The same, but what was taken so far still goes to disk. */
void uploads_drain(struct job *job, const struct error *why);

/* The loop shall look at this pipeline. Thread: any. */
void engine_want_look(struct pipeline *pipeline);
/* It has something to flush. Thread: any, pipeline lock held. */
void engine_mark_dirty(struct pipeline *pipeline);

#endif
