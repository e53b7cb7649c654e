/*
 * metrics: all that the engine knows of itself as plain numbers, for /metrics.
 *
 * Nothing here is named after a job: what jobs do is added up by the stage's registered name,
 * so that the answer is as long on a server with ten thousand jobs as on an empty one. Reading
 * takes each live pipeline's lock for a moment, as the tick does.
 */
#ifndef LEAT_ENGINE_METRICS_H
#define LEAT_ENGINE_METRICS_H

#include "engine/engine.h"
#include "engine/totals.h"
#include "ledger/committer.h"

/* Since the start, counted where it happens: by HTTP's uploads and readers. Thread: loop. */
struct traffic {
	uint64_t rejected, duplicates; /* lines of uploads */
	uint64_t waits;                /* for room */
	uint64_t waited_ns;            /* those that are over */
	unsigned waiting;              /* at the moment */
	uint64_t results_read, failures_read;
};
struct traffic *engine_traffic(struct engine *engine);

/* One registered stage, over all jobs. */
struct stage_metrics {
	struct stage_totals totals;
	/* now, in jobs that are not done */
	uint64_t workers, busy;
	uint64_t queue_items, queue_bytes, queue_max_items, queue_max_bytes;
	uint64_t delayed; /* of the items: waiting for their next attempt */
};

struct engine_metrics {
	uint64_t started_ms;
	uint64_t jobs[JOB_STATE_COUNT]; /* not done, now */
	uint64_t done[JOB_STATE_COUNT]; /* since start */
	uint64_t workers, output_full;
	uint64_t results_stored, failures_stored; /* bytes */
	uint64_t memory_bytes, memory_max, memory_waits, memory_refused;
	uint64_t jobs_created, jobs_deleted, jobs_retained, retained_bytes, jobs_cached,
		jobs_stalled;
	struct item_totals items;
	struct traffic traffic;
	uint64_t uploads;
	uint64_t backlog_bytes, input_bytes, output_bytes; /* waiting; of that in memory */
	uint64_t keys;
	uint64_t blocking_threads, slab_bytes;
	bool admits, draining, healthy;
	uint64_t reserve_bytes;
	struct ledger_stat disk;
	struct commit_stats commit;
	struct stage_metrics *stages;
	unsigned stage_count;
};

/* -1 without memory. Thread: loop. */
int engine_metrics(struct engine *engine, struct engine_metrics *ret);
void engine_metrics_done(struct engine_metrics *metrics);

#endif
