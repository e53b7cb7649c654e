#include "engine/output.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/internal.h"

/* Who stands goes on only when there is a little more, lest it stands again at once. */
static bool no_room(const struct job *job)
{
	const struct room *room = &job->engine->room;
	const struct pipeline *pipeline = job->pipeline;
	bool outgrows = room_outgrows(&job->record, 0, 0);

	if (pipeline != NULL && atomic_load_explicit(&pipeline->no_room, memory_order_relaxed))
		return true;
	return room_lacks(room, outgrows ? ROOM_OUTGROWING : ROOM_LASTING,
		pipeline != NULL && pipeline->output_full ? room->reserve / 16 : 0);
}

struct stored output_stored(const struct job *job)
{
	const struct job_record *record = &job->record;

	if (record->ephemeral)
		return (struct stored){ 0 };
	return (struct stored){ record->result_bytes, retention_failure_bytes(record) };
}

struct stored output_total(const struct engine *engine)
{
	return (struct stored){ engine->stored.results + engine->retained.results,
		engine->stored.failures + engine->retained.failures };
}

/* Has it come to a bound? `what` to do about it, in words: the setting, then the way out. */
static bool is_full(
	uint64_t now, uint64_t max, const char *of, const char *what, char *ret, size_t size)
{
	int len;

	if (max == 0 || now < max)
		return false;
	len = snprintf(ret, size, "%llu %s, and %llu is all that may be ",
		(unsigned long long)now, of, (unsigned long long)max);
	if (len > 0 && (size_t)len < size)
		snprintf(ret + len, size - (size_t)len, "%s", what);
	return true;
}

bool output_reason(const struct job *job, char *ret, size_t size)
{
	const struct engine_config *config = &job->engine->config;
	struct stored stored = output_stored(job), total = output_total(job->engine);

	if (no_room(job)) {
		snprintf(ret, size,
			"the ledger has no room for more results (map-size): delete jobs, wait "
			"for retention, or raise it");
		return true;
	}
	if (job->record.ephemeral)
		return false;
	return is_full(stored.results, config->results_max, "bytes of results are stored",
		       "(results-max): raise it, or cancel the job", ret, size) ||
	       is_full(job->record.failed, config->failures_max, "items have failed",
		       "(failures-max): retry them, raise it, or cancel the job", ret, size) ||
	       is_full(stored.failures, config->failures_bytes_max,
		       "bytes of failures are stored",
		       "(failures-bytes-max): retry them, raise it, or cancel the job", ret,
		       size) ||
	       is_full(total.results, config->results_total_max,
		       "bytes of results of all jobs are stored",
		       "(results-total-max): delete jobs, or raise it", ret, size) ||
	       is_full(total.failures, config->failures_bytes_total_max,
		       "bytes of failures of all jobs are stored",
		       "(failures-bytes-total-max): delete jobs, retry, or raise it", ret,
		       size);
}

static void set_full(struct job *job, bool full)
{
	struct pipeline *pipeline = job->pipeline;

	pipeline_lock(pipeline);
	for (unsigned at = 0; at < pipeline->count; at++)
		stage_run_account(&pipeline->stages[at], clock_mono_ns());
	pipeline->output_full = full;
	pipeline_unlock(pipeline, pipeline_wake_mask(pipeline));
}

void output_check(struct job *job)
{
	char why[sizeof(job->stalled_reason)];
	bool full;

	if (job->pipeline == NULL)
		return;
	full = output_reason(job, why, sizeof(why));
	if (full == job->pipeline->output_full)
		return;
	set_full(job, full);
	if (full)
		log_warn("job_output_full", JOB_LOG " reason=\"%s\"", JOB_LOG_ARGS(job), why);
}
