/*
 * The job resource and the engine's part of the server resource, as the API shows them.
 */
#include "base/clock.h"
#include "base/json_parse.h"
#include "base/role.h"
#include "engine/internal.h"

static json_t *time_or_null(uint64_t ms)
{
	char text[32];

	if (ms == 0)
		return json_null();
	clock_format(ms, text);
	return json_string(text);
}

static json_t *number_or_null(bool known, double value)
{
	return known ? json_real(value) : json_null();
}

static json_t *json_u64(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/* To three decimals: more is noise. */
static double round3(double value)
{
	return (double)(int64_t)(value * 1000 + 0.5) / 1000;
}

/* What there is to know while it runs; zeros when it does not. */
struct live {
	uint64_t running, pending, retries, backlog_bytes;
	const char *bottleneck;
};

/* Lock held. The furthest downstream of the stages that are busy with a queue in front. */
static const char *bottleneck(const struct pipeline *pipeline)
{
	const struct stage_run *best = NULL;

	for (unsigned at = pipeline->first; at < pipeline->end; at++) {
		const struct stage_run *run = &pipeline->stages[at];
		bool fed = 2 * (uint64_t)(run->queue.count + run->queue.delayed) >=
				   run->queue.max_items ||
			   2 * run->queue.bytes >= run->queue.max_bytes ||
			   (at == pipeline->first && !list_empty(&pipeline->inbox));

		if (run->usage.busy > 0.5 && fed)
			best = run;
	}
	if (pipeline->sink != NULL && pipeline->sink->usage.busy > 0.5 &&
		tail_is_crowded(pipeline))
		best = pipeline->sink;
	return best == NULL ? NULL : best->def->name;
}

/* Lock held. received = pending + running + what has an outcome, at every moment. */
static void split_unfinished(
	const struct job *job, const struct pipeline *pipeline, struct live *live)
{
	uint64_t open = job->record.received -
			MIN(job->record.received, job_record_finished(&job->record));
	uint64_t running = pipeline->begun - MIN(pipeline->begun, pipeline->settled);

	live->running = MIN(running, open);
	live->pending = open - live->running;
	live->backlog_bytes = pipeline->backlog_bytes;
	live->retries = 0;
	for (unsigned at = 0; at < pipeline->count; at++)
		live->retries += pipeline->stages[at].counts.retries;
	live->bottleneck = bottleneck(pipeline);
}

static json_t *counts_json(const struct job *job, const struct live *live)
{
	const struct job_record *record = &job->record;

	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "total",
		record->input_closed ? json_u64(record->received) : json_null(), "pending",
		(json_int_t)live->pending, "running", (json_int_t)live->running, "succeeded",
		(json_int_t)record->succeeded, "filtered", (json_int_t)record->filtered,
		"failed", (json_int_t)record->failed, "cancelled",
		(json_int_t)record->cancelled, "results", (json_int_t)record->results,
		"retries", (json_int_t)live->retries);
}

static json_t *stage_counts_json(const struct stage_def *def, unsigned workers, unsigned busy,
	const struct stage_counts *counts)
{
	return json_pack("{s:s, s:s, s:i, s:i, s:I, s:I, s:I, s:I, s:I}", "name", def->name,
		"use", def->stage->name, "workers", (int)workers, "busy", (int)busy, "in",
		(json_int_t)counts->in, "out", (json_int_t)counts->out, "filtered",
		(json_int_t)counts->filtered, "failed", (json_int_t)counts->failed, "retries",
		(json_int_t)counts->retries);
}

static void add_queue(json_t *json, uint64_t items, uint64_t bytes, const struct stage_def *def)
{
	json_object_set_new(json, "queue",
		json_pack("{s:I, s:I, s:I, s:I}", "items", (json_int_t)items, "bytes",
			(json_int_t)bytes, "max_items", (json_int_t)def->queue_items,
			"max_bytes", (json_int_t)def->queue_bytes));
}

static void add_times(json_t *json, const struct usage *usage)
{
	json_object_set_new(json, "time",
		json_pack("{s:f, s:f, s:f}", "busy", round3(usage->busy), "blocked",
			round3(usage->blocked), "starved", round3(usage->starved)));
}

static void add_latency(json_t *json, const struct stage_counts *counts)
{
	json_object_set_new(json, "latency_us",
		json_pack("{s:f, s:f, s:f}", "p50", round3((double)counts->p50_ns / 1000),
			"p99", round3((double)counts->p99_ns / 1000), "max",
			round3((double)counts->max_ns / 1000)));
}

/* Lock held. */
static json_t *stage_run_json(const struct stage_run *run)
{
	struct stage_counts counts = stage_run_counts(run);
	json_t *json = stage_counts_json(run->def, run->workers, stage_run_busy(run), &counts);

	add_queue(json, (uint64_t)run->queue.count + run->queue.delayed, run->queue.bytes,
		run->def);
	add_times(json, &run->usage);
	add_latency(json, &counts);
	return json;
}

static json_t *stage_done_json(const struct stage_def *def, const struct stage_counts *counts)
{
	static const struct usage none;
	json_t *json = stage_counts_json(def, def->workers, 0, counts);

	add_queue(json, 0, 0, def);
	add_times(json, &none);
	add_latency(json, counts);
	return json;
}

static json_t *stages_json(const struct job *job, struct live *live)
{
	struct pipeline *pipeline = job->pipeline;
	json_t *stages = json_array();

	if (pipeline == NULL) {
		for (unsigned at = 0; at < job->def->stage_count; at++)
			json_array_append_new(stages, stage_done_json(&job->def->stages[at],
							      &job->record.stages[at]));
		return stages;
	}
	pipeline_lock(pipeline);
	for (unsigned at = 0; at < pipeline->count; at++)
		json_array_append_new(stages, stage_run_json(&pipeline->stages[at]));
	split_unfinished(job, pipeline, live);
	pthread_mutex_unlock(&pipeline->lock);
	return stages;
}

static json_t *stalled_json(const struct job *job)
{
	if (!job->stalled || job_is_done(job))
		return json_null();
	return json_pack("{s:s, s:s, s:o}", "stage", job->stalled_stage, "reason",
		job->stalled_reason, "since", time_or_null(job->stalled_since_ms));
}

/* A stored JSON text. */
static json_t *text_json(const char *text)
{
	json_t *json =
		text == NULL ? NULL : json_parse(text, strlen(text), JSON_ALLOW_NUL, NULL);

	return json == NULL ? json_null() : json;
}

static void add_progress(json_t *json, const struct job *job)
{
	const struct job_record *record = &job->record;
	uint64_t finished = job_record_finished(record);
	bool known = record->input_closed != 0;
	double share = record->received == 0 ? 1 : (double)finished / (double)record->received;
	bool done = job_is_done(job);

	json_object_set_new(json, "rate",
		json_pack("{s:f}", "items_per_s", done ? 0.0 : round3(job->rate)));
	json_object_set_new(json, "eta_s",
		number_or_null(known && (done || job->rate > 0),
			done ? 0
			     : round3((double)(record->received - finished) /
				       MAX(job->rate, 0.001))));
	json_object_set_new(json, "progress", number_or_null(known, round3(share)));
}

/* A tree that lacks what there was no memory for is none. */
static json_t *whole_or_none(json_t *json, unsigned failures)
{
	if (mem_failures() == failures)
		return json;
	json_decref(json);
	return NULL;
}

json_t *job_to_json(struct job *job)
{
	unsigned failures = mem_failures();
	const struct job_record *record = &job->record;
	struct live live = { .retries = record->retries };
	json_t *stages = stages_json(job, &live), *json;

	assert_on(ROLE_LOOP);
	if (job->pipeline == NULL) /* what has no outcome waits: nobody works on it */
		live.pending =
			record->received - MIN(record->received, job_record_finished(record));
	json = json_pack(
		"{s:s, s:s, s:O, s:s, s:b, s:I, s:o, s:o, s:o, s:{s:s, s:I, s:I}, s:o}", "id",
		job->id_text, "name", job->def->name, "labels", job->def->labels, "state",
		job_state_name(job_state(job)), "done", job_is_done(job), "version",
		(json_int_t)job_version(job), "created_at", time_or_null(record->created_ms),
		"started_at", time_or_null(record->started_ms), "finished_at",
		time_or_null(record->finished_ms), "input", "state",
		record->input_closed ? "closed" : "open", "received",
		(json_int_t)record->received, "bytes", (json_int_t)record->bytes, "counts",
		counts_json(job, &live));
	if (json == NULL) {
		json_decref(stages);
		return NULL;
	}
	add_progress(json, job);
	json_object_set_new(json, "bottleneck",
		live.bottleneck == NULL ? json_null() : json_string(live.bottleneck));
	json_object_set_new(json, "stalled", stalled_json(job));
	json_object_set_new(json, "error", text_json(record->error));
	json_object_set_new(json, "report", text_json(record->report));
	json_object_set_new(json, "traceparent",
		job->traceparent[0] == '\0' ? json_null() : json_string(job->traceparent));
	json_object_set_new(json, "owner",
		record->owner[0] == '\0' ? json_null() : json_string(record->owner));
	json_object_set_new(json, "order", json_string(job->def->ordered ? "input" : "none"));
	json_object_set_new(json, "backlog",
		json_pack("{s:I, s:I}", "bytes", (json_int_t)live.backlog_bytes, "max_bytes",
			(json_int_t)job->def->backlog_bytes));
	json_object_set_new(json, "stages", stages);
	return whole_or_none(json, failures);
}

/* ---- the engine ---- */

static json_t *limits_json(const struct engine_config *config)
{
	return json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:i, s:i}", "compute",
		(int)config->compute, "blocking_max", (int)config->blocking_max, "item_max",
		(json_int_t)config->item_max, "output_max", (json_int_t)config->output_max,
		"hot_bytes", (json_int_t)config->hot_bytes, "stall_ms",
		(json_int_t)config->stall_ms, "flush_ms", (json_int_t)config->flush_ms,
		"jobs_max", (int)config->jobs_max, "keys_max", (int)config->keys_max);
}

json_t *engine_status(struct engine *engine)
{
	struct ledger_stat stat;
	uint64_t p50_ns, p99_ns;
	bool writable = committer_is_healthy(engine->committer, NULL);

	assert_on(ROLE_LOOP);
	engine->ledger->ops->stat(engine->ledger, &stat);
	committer_latency(engine->committer, &p50_ns, &p99_ns);
	return json_pack(
		"{s:{s:i, s:I, s:I, s:I}, s:o, s:{s:I, s:I, s:I, s:I, s:b, s:I}, s:{s:I, s:f, s:f}, s:{s:I}}",
		"totals", "jobs_open", (int)engine->live_count, "jobs_created",
		(json_int_t)engine->jobs_created, "items_accepted",
		(json_int_t)engine->items_accepted, "items_finished",
		(json_int_t)engine->items_finished, "limits", limits_json(&engine->config),
		"disk", "used_bytes", (json_int_t)stat.used_bytes, "file_bytes",
		(json_int_t)stat.file_bytes, "max_bytes", (json_int_t)stat.max_bytes,
		"free_bytes", (json_int_t)stat.free_bytes, "writable", writable, "damaged",
		(json_int_t)stat.damaged, "commit", "count", (json_int_t)stat.commits, "p50_ms",
		round3((double)p50_ns / 1e6), "p99_ms", round3((double)p99_ns / 1e6), "memory",
		"slab_bytes", (json_int_t)slab_bytes());
}
