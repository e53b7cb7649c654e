/*
 * engine: jobs that run. What HTTP and the command line talk to.
 *
 *	engine_create ─► struct job ─► upload_line… ─► pipeline (compute threads)
 *	                                                        └─► ledger ─► reader_fetch
 *
 * Everything here is called on the loop thread and returns at once. What has to wait for the
 * disk takes a reply: it is called later on the loop, exactly once, unless the call itself
 * has failed (returned -1): then never. A reply is not called from within the call.
 *
 * Owner: the engine owns jobs. A `struct job *` given to a reply or returned by engine_find()
 * is good until the loop turns; keep it longer with job_ref()/job_unref().
 */
#ifndef LEAT_ENGINE_ENGINE_H
#define LEAT_ENGINE_ENGINE_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "base/error.h"
#include "base/id.h"
#include "base/list.h"
#include "base/trace.h"
#include "job/definition.h"
#include "job/record.h"
#include "ledger/ledger.h"
#include "plugin/registry.h"

struct engine;
struct job;

struct engine_config {
	unsigned compute;      /* threads; 0: one a core */
	unsigned blocking_max; /* threads of blocking stages, in all; default 256 */
	uint64_t item_max;     /* bytes of an item that comes in; default 1 MiB */
	uint64_t output_max; /* bytes that one item may become in one attempt; default 16 MiB */
	uint64_t hot_bytes;  /* input a job keeps in memory before its first queue; 2 MiB */
	uint64_t retention_bytes; /* of results and failures of done jobs; 0: no bound */
	uint64_t records_ms;      /* a job is forgotten so long after its results; 0: never */
	uint64_t stall_ms;        /* no item moved for that long: stalled; default 60,000 */
	uint64_t flush_ms;        /* results wait at most this long for company; default 50 */
	uint64_t reserve_bytes;   /* of the ledger, kept for what was accepted; default 1/16 of
				     max */
	uint64_t memory_max;      /* of the process; 0: three quarters of the machine's */
	uint64_t results_max;     /* bytes of results a job; 0: any */
	uint64_t failures_max;    /* failures a job; 0: any number */
	uint64_t failures_bytes_max;       /* bytes of these; 0: any */
	uint64_t results_total_max;        /* bytes of results of all jobs; 0: any */
	uint64_t failures_bytes_total_max; /* and of failures */
	uint64_t backlog_total_max;        /* of all jobs; 0: as much as the ledger takes */
	unsigned jobs_max;                 /* that are not done; default 10,000 */
	unsigned jobs_per_token;           /* of these, of one owner; 0: any number */
	uint64_t workers_max;              /* of all stages of these; default 1,000,000 */
	unsigned cache_max;                /* done jobs kept in memory; default 1,000 */
	unsigned keys_max;                 /* idempotency keys a job; default 10,000 */
	uint64_t isolated_memory; /* of a process of an isolated stage; 0: no bound; 1 GiB */
	uint64_t isolated_timeout_ms; /* its items', where the job says nothing; 0: none */
	const char *isolated_program; /* that is run as one; NULL: the program itself */
	struct definition_rules rules;
};
extern const struct engine_config engine_config_default;

/* Opens, recovers what the ledger holds, starts the threads. Borrowed: all but config. */
int engine_open(const struct engine_config *config, uv_loop_t *loop, struct ledger *ledger,
	struct registry *registry, struct engine **ret, struct error *err);
/*
 * Stop admitting (engine_admits() is false from now on), let what is in hand end for at most
 * `drain_ms`, commit, then call `drained`. Calling it again with 0 ends it at once. Nothing
 * is lost either way: what had no outcome runs at the next start.
 */
void engine_drain(
	struct engine *engine, uint64_t drain_ms, void (*drained)(void *arg), void *arg);
/*
 * Ends the threads, commits, frees. After `drained`, or where no job was ever made. False: the
 * store could not be written to the end, and what was under way runs again at the next start.
 */
bool engine_close(struct engine *engine);
/*
 * Has an engine had to leave a thread behind that a stage never let go? What such a thread may
 * still touch (the registry, modules) must then stay until the process ends.
 */
bool engine_left_threads(void);

/* Are new jobs and items taken? Otherwise says why: ERR_DRAINING, ERR_DISK_FULL, ERR_STORE. */
bool engine_admits(struct engine *engine, struct error *ret_why);
/* Is there memory for what needs much: a job, or `bytes`, which will soon be taken? ERR_BUSY.
 */
int engine_needs_memory(struct engine *engine, uint64_t bytes, struct error *err);
/* What others than the engine hold, and malloc does not know of. */
void engine_set_other_memory(struct engine *engine, uint64_t bytes);
/* Totals, limits in force, memory, disk, commit latency: the engine's part of /v1/server. */
json_t *engine_status(struct engine *engine);
const struct engine_config *engine_config(const struct engine *engine);
struct registry *engine_registry(struct engine *engine);
struct ledger *engine_ledger(struct engine *engine);
uv_loop_t *engine_loop(struct engine *engine);

/* ---- jobs ---- */

/* err NULL: it is on disk. job is NULL when there is none (any more). */
typedef void (*job_reply)(void *arg, struct job *job, const struct error *err);

/*
 * Takes the definition, also on failure. `ephemeral`: of /v1/run; removed at the next start.
 * `trace`: what the request was part of, stored with the job; NULL: nothing. `owner`: the name
 * of who makes it, "": nobody in particular.
 */
int engine_create(struct engine *engine, struct definition *definition, bool ephemeral,
	const struct trace *trace, const char *owner, job_reply reply, void *arg,
	struct error *err);
/*
 * Would its stages open? Makes nothing; the reply has no job. Takes the definition, also on
 * failure. ERR_DEFINITION, its text begins with a JSON pointer.
 */
int engine_check(struct engine *engine, struct definition *definition, job_reply reply,
	void *arg, struct error *err);
/* Jobs that are not done, and some that are; NULL otherwise: then ask engine_fetch(). */
struct job *engine_find(struct engine *engine, const struct id *id);
/* Any job; reads the ledger on another thread where needed. ERR_JOB_NOT_FOUND. */
int engine_fetch(struct engine *engine, const struct id *id, job_reply reply, void *arg,
	struct error *err);

struct job *job_ref(struct job *job);
void job_unref(struct job *job);

const struct id *job_id(const struct job *job);
const char *job_id_text(const struct job *job);
/* The W3C traceparent that it is part of, and of that the trace id; "": none. */
const char *job_traceparent(const struct job *job);
const char *job_trace_id(const struct job *job);
/* A job that is part of no trace becomes part of this one: of the first upload's that has one.
 */
void job_adopt_trace(struct job *job, const struct trace *trace);
/* Begins every line of log about a job: log_info("job_state", JOB_LOG " from=%s",
 * JOB_LOG_ARGS(job), from). */
#define JOB_LOG           "job=%s trace=%s"
#define JOB_LOG_ARGS(job) job_id_text(job), job_trace_id(job)
struct engine *job_engine(const struct job *job);
enum job_state job_state(const struct job *job);
bool job_is_done(const struct job *job);
uint64_t job_version(const struct job *job);
const struct definition *job_definition(const struct job *job);
/* What is on disk. */
const struct job_record *job_record(const struct job *job);
/* The job resource of the API; NULL without memory. */
json_t *job_to_json(struct job *job);

/* Each moves the state or says ERR_STATE_CONFLICT; doing what is done already succeeds. */
int job_close_input(struct job *job, job_reply reply, void *arg, struct error *err);
int job_pause(struct job *job, job_reply reply, void *arg, struct error *err);
int job_resume(struct job *job, job_reply reply, void *arg, struct error *err);
int job_cancel(struct job *job, job_reply reply, void *arg, struct error *err);
/* Gone for every later request when the reply comes; its bytes go in the background. */
int job_delete(struct job *job, job_reply reply, void *arg, struct error *err);
/* The same where nobody is left to be told; while there is no memory for it it is tried again.
 */
void job_discard(struct job *job);
/* The body of PATCH. ERR_DEFINITION with mistakes. */
int job_patch(struct job *job, const json_t *patch, struct mistakes *mistakes, job_reply reply,
	void *arg, struct error *err);
/*
 * Run failed items again: those numbers, or all (items NULL). ERR_STATE_CONFLICT where the
 * job's state does not allow it (cancelled, failed); numbers that have not failed are passed
 * over. The reply's job stands at `running` with its counts true.
 */
int job_retry(struct job *job, const uint64_t *items, size_t count,
	void (*reply)(void *arg, struct job *job, uint64_t retried, const struct error *err),
	void *arg, struct error *err);

/* Results before number `upto` were read and are not needed again (`leat run`, /v1/run). */
int job_trim_results(struct job *job, uint64_t upto, struct error *err);
/* The same of failures with numbers from `from` on (`leat run`): they cannot be retried then.
 */
int job_trim_failures(struct job *job, uint64_t from, uint64_t upto, struct error *err);

/* ---- waiting for something to happen to a job ---- */

enum job_event {
	JOB_EVENT_RESULTS = 1,  /* results or failures were committed */
	JOB_EVENT_STATE = 2,    /* the state moved */
	JOB_EVENT_VERSION = 4,  /* anything visible; at most 4 a second while it runs */
	JOB_EVENT_STALLED = 8,  /* stalled set or cleared */
	JOB_EVENT_DELETED = 16, /* it is gone */
};
/*
 * Called on the loop with the events that happened (a mask) until job_unwatch(); may unwatch
 * itself. `watch` is the caller's storage.
 */
struct job_watch {
	struct list link;
	void (*fn)(struct job_watch *watch, struct job *job, unsigned events);
};
void job_watch(struct job *job, struct job_watch *watch);
/* Those of every job, for /v1/events. */
void engine_watch(struct engine *engine, struct job_watch *watch);
void job_unwatch(struct job_watch *watch);

/* ---- the list of jobs ---- */

struct job_filter {
	int state;        /* enum job_state, -1: any */
	const char *name; /* NULL: any */
	json_t *labels;   /* object of strings that must all match, NULL: any */
};
/* `jobs` is an array of job resources (owner: the callee); `next` is NULL, or from where the
 * next page goes on, in which there may be none. */
typedef void (*list_reply)(
	void *arg, json_t *jobs, const struct id *next, const struct error *err);
/*
 * Newest first, those with ids below `before` (NULL: all), at most `limit`, which is not 0;
 * fewer, too, where few of those match that one call looks at. Filter is copied; the reply may
 * come before the call returns.
 */
int engine_list(struct engine *engine, const struct job_filter *filter, const struct id *before,
	unsigned limit, list_reply reply, void *arg, struct error *err);

#endif
