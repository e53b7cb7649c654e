#include "engine/output.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/internal.h"

bool output_reason(const struct job *job, char *ret, size_t size)
{
	const struct engine_config *config = &job->engine->config;
	const struct job_record *record = &job->record;

	if (record->ephemeral)
		return false;
	if (config->results_max > 0 && record->result_bytes >= config->results_max) {
		snprintf(ret, size,
			"its results have %llu bytes, and %llu is all they may have (results-max): "
			"raise it, or cancel the job",
			(unsigned long long)record->result_bytes,
			(unsigned long long)config->results_max);
		return true;
	}
	if (config->failures_max > 0 && record->failed >= config->failures_max) {
		snprintf(ret, size,
			"%llu items have failed, and %llu is all that may (failures-max): retry "
			"them, raise it, or cancel the job",
			(unsigned long long)record->failed,
			(unsigned long long)config->failures_max);
		return true;
	}
	return false;
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
