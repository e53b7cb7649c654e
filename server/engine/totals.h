/*
 * totals: what has been done since the start, over all jobs; for metrics.
 *
 *	stage runs ──told now and then──► a row for each registered stage ──► engine_metrics()
 *	transactions ──each commit──────► items                          ──┘
 *
 * Jobs come and go, these only grow. The way of an item stays what it is: a stage run counts
 * under its pipeline's lock as ever, and what is new is carried over when somebody asks and
 * when the pipeline ends. Rows are those of the registry, so jobs cannot add any.
 *
 * Lock order: a pipeline's lock, then this one.
 */
#ifndef LEAT_ENGINE_TOTALS_H
#define LEAT_ENGINE_TOTALS_H

#include <pthread.h>
#include <stdint.h>

#include "base/tally.h"
#include "engine/meter.h"
#include "job/record.h"
#include "plugin/registry.h"

struct pipeline;

struct stage_totals {
	const struct stage *stage;
	uint64_t in, out, filtered, failed, retries;
	double busy_ns, blocked_ns, starved_ns; /* shares of capacity */
	struct tally times;                     /* in stage code, an item; ns */
	struct stage_meter *meter;              /* what it counts itself */
};

/* What jobs' records count, as far as it grows. */
struct item_totals {
	uint64_t received, bytes, succeeded, filtered, failed, cancelled;
	uint64_t results, result_bytes, failures;
};

struct totals {
	pthread_mutex_t lock;
	struct stage_totals *stages; /* in the registry's order */
	struct stage_meter *meters;  /* as many */
	unsigned stage_count;
	struct item_totals items; /* on disk */
	struct item_totals open;  /* the commit thread's: in its transaction */
};

/* -1 without memory. */
int totals_init(struct totals *totals, const struct registry *registry);
void totals_done(struct totals *totals);

/* A stage's row, NULL where it is not registered. */
struct stage_totals *totals_of(struct totals *totals, const struct stage *stage);
/* Carry over what the pipeline's stages have counted. Its lock is held, or nobody has it. */
void totals_take(struct totals *totals, struct pipeline *pipeline);

/* Around a change of a job's record: it counts if the transaction commits. Thread: commit. */
struct item_totals totals_before(const struct job_record *record);
void totals_after(struct totals *totals, const struct item_totals *before,
	const struct job_record *record);
void totals_commit(struct totals *totals);
void totals_abort(struct totals *totals);

#endif
