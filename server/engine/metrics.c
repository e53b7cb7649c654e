#include "engine/metrics.h"

#include "base/role.h"
#include "engine/admission.h"
#include "engine/internal.h"
#include "engine/output.h"

struct traffic *engine_traffic(struct engine *engine)
{
	return &engine->traffic;
}

/* ---- live jobs; each one's lock held; shares of time are as of the last tick ---- */

static void add_stage(struct stage_metrics *stage, const struct stage_run *run)
{
	const struct queue *queue = &run->queue;

	stage->workers += run->workers;
	stage->busy += stage_run_busy(run);
	stage->queue_items += (uint64_t)queue->count + queue->delayed;
	stage->queue_bytes += queue->bytes;
	stage->queue_max_items += queue->max_items;
	stage->queue_max_bytes += queue->max_bytes;
	stage->delayed += queue->delayed;
}

static void add_pipeline(struct engine_metrics *metrics, struct pipeline *pipeline)
{
	struct totals *totals = &pipeline->engine->totals;

	for (unsigned at = 0; at < pipeline->count; at++) {
		struct stage_run *run = &pipeline->stages[at];

		if (run->totals != NULL)
			add_stage(&metrics->stages[run->totals - totals->stages], run);
	}
	totals_take(totals, pipeline);
	metrics->output_full += pipeline->output_full;
	metrics->backlog_bytes += pipeline->backlog_bytes;
	metrics->input_bytes += pipeline->inbox_bytes;
	metrics->output_bytes += pipeline->flush_bytes + pipeline->held_bytes;
}

static void add_jobs(struct engine *engine, struct engine_metrics *metrics)
{
	LIST_EACH(&engine->live, link)
	{
		struct job *job = LIST_ENTRY(link, struct job, link);

		metrics->jobs[job_state(job)]++;
		metrics->jobs_stalled += job->stalled;
		metrics->keys += job->key_count;
		metrics->uploads += list_length(&job->uploads);
		if (job->pipeline == NULL)
			continue;
		pipeline_lock(job->pipeline);
		add_pipeline(metrics, job->pipeline);
		pthread_mutex_unlock(&job->pipeline->lock);
	}
}

/* ---- all of it ---- */

static void add_totals(struct engine *engine, struct engine_metrics *metrics)
{
	struct totals *totals = &engine->totals;

	pthread_mutex_lock(&totals->lock);
	metrics->items = totals->items;
	for (unsigned at = 0; at < totals->stage_count; at++)
		metrics->stages[at].totals = totals->stages[at];
	pthread_mutex_unlock(&totals->lock);
}

static void add_store(struct engine *engine, struct engine_metrics *metrics)
{
	struct error why;

	engine->ledger->ops->stat(engine->ledger, &metrics->disk);
	committer_stats(engine->committer, &metrics->commit);
	metrics->healthy = committer_is_healthy(engine->committer, NULL);
	metrics->admits = engine_admits(engine, &why);
	metrics->reserve_bytes = engine->room.reserve + atomic_load(&engine->room.owed);
}

int engine_metrics(struct engine *engine, struct engine_metrics *ret)
{
	unsigned count = engine->totals.stage_count;
	struct stage_metrics *stages = mem_zalloc((count + 1) * sizeof(*stages));
	struct stored stored;

	assert_on(ROLE_LOOP);
	if (stages == NULL)
		return -1;
	*ret = (struct engine_metrics){ .stages = stages,
		.stage_count = count,
		.started_ms = engine->started_ms,
		.jobs_created = engine->jobs_created,
		.jobs_deleted = engine->deletions,
		.retained_bytes = engine->retained_bytes,
		.jobs_retained = engine->expiries.count,
		.jobs_cached = engine->cache_count,
		.workers = admission_workers(engine),
		.memory_bytes = budget_used(&engine->budget),
		.memory_max = engine->budget.max,
		.memory_waits = engine->budget.waits,
		.memory_refused = engine->budget.refused,
		.traffic = engine->traffic,
		.blocking_threads = atomic_load(&engine->blocking_taken),
		.slab_bytes = slab_bytes(),
		.draining = engine->draining };
	memcpy(ret->done, engine->done, sizeof(ret->done));
	stored = output_total(engine);
	ret->results_stored = stored.results;
	ret->failures_stored = stored.failures;
	add_jobs(engine, ret);
	add_totals(engine, ret);
	add_store(engine, ret);
	return 0;
}

void engine_metrics_done(struct engine_metrics *metrics)
{
	mem_free(metrics->stages);
	metrics->stages = NULL;
}
