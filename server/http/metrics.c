#include "http/metrics.h"

#include <stddef.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/process.h"
#include "engine/metrics.h"
#include "http/exposition.h"
#include "http/internal.h"

/* A metric without labels: where its number stands. */
struct row {
	const char *name, *type, *help;
	size_t offset; /* of a uint64_t */
};

#define GAUGE   "gauge"
#define COUNTER "counter"

static uint64_t number_at(const void *base, size_t offset)
{
	uint64_t value;

	memcpy(&value, (const char *)base + offset, sizeof(value));
	return value;
}

static void write_rows(
	struct exposition *to, const struct row *rows, size_t count, const void *base)
{
	for (size_t at = 0; at < count; at++) {
		exposition_family(to, rows[at].name, rows[at].type, rows[at].help);
		exposition_count(to, NULL, number_at(base, rows[at].offset));
	}
}

static void write_one(struct exposition *to, const char *name, const char *type,
	const char *help, double value)
{
	exposition_family(to, name, type, help);
	exposition_number(to, NULL, value);
}

/* ---- jobs and items ---- */

#define AT(member) offsetof(struct engine_metrics, member)

static const struct row engine_rows[] = {
	{ "leat_jobs_stalled", GAUGE, "Jobs in which no item has moved for stall-ms.",
		AT(jobs_stalled) },
	{ "leat_jobs_output_full", GAUGE,
		"Jobs that stand because what they leave has come to a bound.",
		AT(output_full) },
	{ "leat_results_stored_bytes", GAUGE, "Results of all jobs on disk.",
		AT(results_stored) },
	{ "leat_failures_stored_bytes", GAUGE,
		"Failures of all jobs on disk, the items that failed included.",
		AT(failures_stored) },
	{ "leat_jobs_created_total", COUNTER, "Jobs created, those of /v1/run included.",
		AT(jobs_created) },
	{ "leat_jobs_deleted_total", COUNTER, "Jobs deleted, those of /v1/run included.",
		AT(jobs_deleted) },
	{ "leat_retained_bytes", GAUGE,
		"Results and failures of jobs that are done, about: what retention-bytes bounds.",
		AT(retained_bytes) },
	{ "leat_jobs_retained", GAUGE,
		"Done jobs whose results and failures wait for the end of their retention.",
		AT(jobs_retained) },
	{ "leat_workers", GAUGE, "Workers asked for, in all jobs that are not done.",
		AT(workers) },
	{ "leat_jobs_cached", GAUGE, "Done jobs whose state is kept in memory.",
		AT(jobs_cached) },
	{ "leat_ingest_items_total", COUNTER,
		"Items accepted and on disk, from uploads and sources.", AT(items.received) },
	{ "leat_ingest_bytes_total", COUNTER, "Bytes of accepted items.", AT(items.bytes) },
	{ "leat_ingest_rejected_lines_total", COUNTER,
		"Lines of uploads that were no item: not JSON, or too large.",
		AT(traffic.rejected) },
	{ "leat_ingest_duplicate_lines_total", COUNTER,
		"Lines of uploads that had been taken before under their Idempotency-Key.",
		AT(traffic.duplicates) },
	{ "leat_ingest_waits_total", COUNTER,
		"Times that an upload found no room and was made to wait.", AT(traffic.waits) },
	{ "leat_ingest_uploads", GAUGE, "Uploads under way.", AT(uploads) },
	{ "leat_ingest_keys", GAUGE, "Idempotency keys of jobs that are not done.", AT(keys) },
	{ "leat_backlog_bytes", GAUGE, "Accepted input that no stage has begun, on disk.",
		AT(backlog_bytes) },
	{ "leat_input_memory_bytes", GAUGE, "Of the backlog, what is in memory too.",
		AT(input_bytes) },
	{ "leat_output_memory_bytes", GAUGE,
		"Results and failures that wait for their turn or for the disk.",
		AT(output_bytes) },
	{ "leat_results_total", COUNTER, "Results stored.", AT(items.results) },
	{ "leat_results_bytes_total", COUNTER, "Bytes of stored results.",
		AT(items.result_bytes) },
	{ "leat_failures_total", COUNTER, "Failures stored (dead letters).",
		AT(items.failures) },
	{ "leat_results_read_total", COUNTER, "Results read out by clients.",
		AT(traffic.results_read) },
	{ "leat_failures_read_total", COUNTER, "Failures read out by clients.",
		AT(traffic.failures_read) },
	{ "leat_blocking_threads", GAUGE, "Threads of stages that may sleep.",
		AT(blocking_threads) },
	{ "leat_memory_bytes", GAUGE,
		"Memory in use: all that was allocated, and the buffers of connections.",
		AT(memory_bytes) },
	{ "leat_memory_max_bytes", GAUGE,
		"The setting memory-max; above three quarters of it queues are kept short.",
		AT(memory_max) },
	{ "leat_memory_waits_total", COUNTER,
		"Times that an upload was made to wait because memory-max was reached.",
		AT(memory_waits) },
	{ "leat_memory_refused_total", COUNTER,
		"Requests that were refused because of memory-max.", AT(memory_refused) },
	{ "leat_slab_bytes", GAUGE,
		"Memory that items lie in, what is kept for the next ones included.",
		AT(slab_bytes) },
	{ "leat_store_used_bytes", GAUGE, "Pages in use in the ledger.", AT(disk.used_bytes) },
	{ "leat_store_damaged", GAUGE,
		"Values of the ledger found damaged since start; the log names them.",
		AT(disk.damaged) },
	{ "leat_store_file_bytes", GAUGE, "What the ledger's file occupies on disk.",
		AT(disk.file_bytes) },
	{ "leat_store_max_bytes", GAUGE, "What the ledger may hold (map-size).",
		AT(disk.max_bytes) },
	{ "leat_store_reserve_bytes", GAUGE,
		"Of leat_store_max_bytes, kept for what was accepted: new items are refused with "
		"507 when less is free.",
		AT(reserve_bytes) },
	{ "leat_store_filesystem_free_bytes", GAUGE,
		"What the file system of the data folder still has.", AT(disk.free_bytes) },
	{ "leat_commit_bytes_total", COUNTER, "About how many bytes commits have written.",
		AT(commit.bytes) },
	{ "leat_commit_failures_total", COUNTER,
		"Commits that could not be written, each try of one.", AT(commit.failed) },
};

static void write_states(struct exposition *to, const struct engine_metrics *metrics)
{
	exposition_family(to, "leat_jobs", GAUGE, "Jobs that are not done, by state.");
	for (unsigned at = 0; at < JOB_STATE_COUNT; at++)
		if (!job_state_is_done((enum job_state)at))
			exposition_count(to,
				LABELS({ "state", job_state_name((enum job_state)at) }),
				metrics->jobs[at]);
	exposition_family(
		to, "leat_jobs_done_total", COUNTER, "Jobs that came to an end, by which.");
	for (unsigned at = 0; at < JOB_STATE_COUNT; at++)
		if (job_state_is_done((enum job_state)at))
			exposition_count(to,
				LABELS({ "outcome", job_state_name((enum job_state)at) }),
				metrics->done[at]);
}

static void write_items(struct exposition *to, const struct engine_metrics *metrics)
{
	const struct item_totals *items = &metrics->items;

	exposition_family(to, "leat_items_done_total", COUNTER,
		"Input items that have an outcome on disk; cancelled: their job ended first.");
	exposition_count(to, LABELS({ "outcome", "succeeded" }), items->succeeded);
	exposition_count(to, LABELS({ "outcome", "filtered" }), items->filtered);
	exposition_count(to, LABELS({ "outcome", "failed" }), items->failed);
	exposition_count(to, LABELS({ "outcome", "cancelled" }), items->cancelled);
	write_one(to, "leat_ingest_wait_seconds_total", COUNTER,
		"How long uploads have waited for room, those that still wait not included.",
		(double)metrics->traffic.waited_ns / (double)NS_PER_S);
	write_one(to, "leat_ingest_waiting", GAUGE, "Uploads that wait for room now.",
		metrics->traffic.waiting);
}

static void write_store(struct exposition *to, const struct engine_metrics *metrics)
{
	write_one(to, "leat_store_healthy", GAUGE,
		"1 while the last commit worked, 0 while the store cannot be written.",
		metrics->healthy);
	exposition_family(to, "leat_commit_duration_seconds", "histogram",
		"Time of a group commit, from its first write to the end of its sync.");
	exposition_tally(to, NULL, &metrics->commit.time, &tally_time);
	exposition_family(to, "leat_commit_sync_duration_seconds", "histogram",
		"Of that, its last step: pages written and synced to disk.");
	exposition_tally(to, NULL, &metrics->commit.sync, &tally_time);
	exposition_family(to, "leat_commit_operations", "histogram",
		"Operations that went into one commit together.");
	exposition_tally(to, NULL, &metrics->commit.operations, &tally_count);
}

/* ---- stages ---- */

#define OF(member) offsetof(struct stage_metrics, member)

static const struct row stage_rows[] = {
	{ "leat_stage_items_in_total", COUNTER,
		"Items that a stage has dealt with, work done again included.", OF(totals.in) },
	{ "leat_stage_items_out_total", COUNTER, "Items that a stage has emitted.",
		OF(totals.out) },
	{ "leat_stage_items_filtered_total", COUNTER,
		"Items of which a stage has made nothing, without failing.",
		OF(totals.filtered) },
	{ "leat_stage_items_failed_total", COUNTER,
		"Items that a stage has failed for good, their attempts used up.",
		OF(totals.failed) },
	{ "leat_stage_retries_total", COUNTER, "Attempts after the first one.",
		OF(totals.retries) },
	{ "leat_stage_workers", GAUGE, "Workers asked for, in jobs that are not done.",
		OF(workers) },
	{ "leat_stage_workers_busy", GAUGE, "Activations and calls under way.", OF(busy) },
	{ "leat_stage_items_delayed", GAUGE, "Items that wait for their next attempt.",
		OF(delayed) },
	{ "leat_queue_items", GAUGE, "Items in the queues in front of a stage.",
		OF(queue_items) },
	{ "leat_queue_bytes", GAUGE, "Bytes in the queues in front of a stage.",
		OF(queue_bytes) },
	{ "leat_queue_max_items", GAUGE, "Bound of these queues in items.",
		OF(queue_max_items) },
	{ "leat_queue_max_bytes", GAUGE, "Bound of these queues in bytes.",
		OF(queue_max_bytes) },
};

static void write_stage_rows(struct exposition *to, const struct engine_metrics *metrics)
{
	for (size_t at = 0; at < ARRAY_SIZE(stage_rows); at++) {
		const struct row *row = &stage_rows[at];

		exposition_family(to, row->name, row->type, row->help);
		for (unsigned n = 0; n < metrics->stage_count; n++)
			exposition_count(to,
				LABELS({ "stage", metrics->stages[n].totals.stage->name }),
				number_at(&metrics->stages[n], row->offset));
	}
}

static void write_state_time(
	struct exposition *to, const char *stage, const char *state, double ns)
{
	exposition_number(to, LABELS({ "stage", stage }, { "state", state }), ns * 1e-9);
}

static void write_stage_times(struct exposition *to, const struct engine_metrics *metrics)
{
	exposition_family(to, "leat_stage_state_seconds_total", COUNTER,
		"Where the time of stages goes, one second a job and second: busy, blocked by "
		"what is behind, or starved of items.");
	for (unsigned at = 0; at < metrics->stage_count; at++) {
		const struct stage_totals *totals = &metrics->stages[at].totals;

		write_state_time(to, totals->stage->name, "busy", totals->busy_ns);
		write_state_time(to, totals->stage->name, "blocked", totals->blocked_ns);
		write_state_time(to, totals->stage->name, "starved", totals->starved_ns);
	}
	exposition_family(to, "leat_stage_item_duration_seconds", "histogram",
		"Time an item in a stage; where items are worked on in batches, a batch's mean.");
	for (unsigned at = 0; at < metrics->stage_count; at++)
		exposition_tally(to,
			LABELS({ "stage", metrics->stages[at].totals.stage->name }),
			&metrics->stages[at].totals.times, &tally_time);
}

/* What stages say of themselves, by names of their own. */
static void write_meters(
	struct exposition *to, const struct engine_metrics *metrics, bool level)
{
	struct meter_row rows[METER_NAMES_MAX + 2];

	for (unsigned at = 0; at < metrics->stage_count; at++) {
		const struct stage_totals *totals = &metrics->stages[at].totals;
		unsigned count = meter_read(totals->meter, rows);

		for (unsigned n = 0; n < count; n++) {
			const struct label labels[] = { { "stage", totals->stage->name },
				{ level ? "what" : "event", rows[n].name }, { NULL, NULL } };

			if (rows[n].level == level && level)
				exposition_number(to, labels, (double)(int64_t)rows[n].value);
			else if (rows[n].level == level)
				exposition_count(to, labels, rows[n].value);
		}
	}
}

static void write_stage_meters(struct exposition *to, const struct engine_metrics *metrics)
{
	exposition_family(to, "leat_stage_events_total", COUNTER,
		"What has happened in a stage, as it counts itself; its page says what that is.");
	write_meters(to, metrics, false);
	exposition_family(to, "leat_stage_level", GAUGE,
		"How many a stage has of something now, as it says itself.");
	write_meters(to, metrics, true);
}

/* ---- HTTP ---- */

static void write_starved(struct exposition *to, const struct http_server *server)
{
	uint64_t total = 0;

	for (unsigned at = 0; at < server->listener_count; at++)
		total += server->listeners[at].starved_total;
	exposition_family(to, "leat_http_accept_starved_total", COUNTER,
		"Times that clients had to wait because the system had no descriptor or memory "
		"for one more connection.");
	exposition_count(to, NULL, total);
}

/* Without TLS there is none. */
static void write_certificate(struct exposition *to, const struct http_server *server)
{
	exposition_family(to, "leat_tls_certificate_not_after_timestamp_seconds", GAUGE,
		"When the certificate in force ends, in seconds since 1970.");
	if (server->tls != NULL)
		exposition_number(to, NULL, (double)tls_expires(server->tls));
}

static void write_http(struct exposition *to, const struct http_server *server)
{
	traffic_write(&server->traffic, to);
	write_one(to, "leat_http_requests_in_flight", GAUGE,
		"Requests that have not been answered whole, this one included.",
		server->active);
	peers_write(&server->peers, to);
	write_certificate(to, server);
	write_starved(to, server);
	rates_write(&server->rates, to);
	followers_write(server, to);
}

/* ---- bounds ---- */

static void write_max(
	struct exposition *to, const char *name, const char *setting, uint64_t value)
{
	char help[80];

	snprintf(help, sizeof(help), "The setting %s.", setting);
	exposition_family(to, name, GAUGE, help);
	exposition_count(to, NULL, value);
}

static void write_engine_bounds(struct exposition *to, const struct engine_config *config)
{
	const struct definition_rules *rules = &config->rules;

	write_max(to, "leat_compute_threads", "compute", config->compute);
	write_max(to, "leat_blocking_threads_max", "blocking-max", config->blocking_max);
	write_max(to, "leat_item_max_bytes", "item-max", config->item_max);
	write_max(to, "leat_output_max_bytes", "output-max", config->output_max);
	write_max(to, "leat_job_input_memory_max_bytes", "hot-bytes", config->hot_bytes);
	write_max(to, "leat_jobs_max", "jobs-max", config->jobs_max);
	write_max(to, "leat_jobs_per_token_max", "jobs-per-token", config->jobs_per_token);
	write_max(to, "leat_workers_max", "workers-max", config->workers_max);
	write_max(to, "leat_jobs_cached_max", "cache-max", config->cache_max);
	write_max(to, "leat_job_keys_max", "keys-max", config->keys_max);
	write_max(to, "leat_job_stages_max", "stages-max", rules->stages_max);
	write_max(to, "leat_job_queue_max_items", "queue-items-max", rules->queue_items_max);
	write_max(to, "leat_job_queue_max_bytes", "queue-bytes-max", rules->queue_bytes_max);
	write_max(to, "leat_job_backlog_max_bytes", "backlog-max", rules->backlog_max);
	write_max(to, "leat_backlog_max_bytes", "backlog-total-max", config->backlog_total_max);
	write_max(to, "leat_job_results_max_bytes", "results-max", config->results_max);
	write_max(to, "leat_job_failures_max", "failures-max", config->failures_max);
	write_max(to, "leat_job_failures_max_bytes", "failures-bytes-max",
		config->failures_bytes_max);
	write_max(to, "leat_results_max_bytes", "results-total-max", config->results_total_max);
	write_max(to, "leat_failures_max_bytes", "failures-bytes-total-max",
		config->failures_bytes_total_max);
}

static void write_http_bounds(struct exposition *to, const struct http_server *server)
{
	const struct http_config *config = &server->config;

	write_max(to, "leat_http_connections_max", "connections-max", config->connections_max);
	write_max(to, "leat_http_connections_per_address_max", "connections-per-address",
		server->peers.bounds.per_address);
	write_max(to, "leat_http_min_rate_bytes", "min-rate, in bytes a second",
		config->min_rate);
	write_max(to, "leat_http_connection_memory_bytes", "connection-memory",
		config->connection_memory);
	write_max(to, "leat_http_head_max_bytes", "head-max", config->head_max);
	write_max(to, "leat_http_body_max_bytes", "body-max", config->body_max);
	write_max(to, "leat_http_body_max_ratio", "ratio-max", (uint64_t)config->ratio_max);
	write_max(to, "leat_http_page_max_jobs", "page-limit-max", config->page_limit_max);
	write_max(to, "leat_http_discard_max_bytes", "discard-max", config->discard_max);
}

/* ---- the server and its process ---- */

static void write_server(struct exposition *to, const struct engine_metrics *metrics)
{
	exposition_family(to, "leat_build_info", GAUGE, "1; the version is in the label.");
	exposition_count(to, LABELS({ "version", LEAT_VERSION }), 1);
	write_one(to, "leat_start_time_seconds", GAUGE,
		"When the server was started, in seconds since 1970.",
		(double)metrics->started_ms / 1000);
	write_one(to, "leat_admitting", GAUGE,
		"1 while new jobs and items are taken, 0 while draining or the store is full or "
		"failing.",
		metrics->admits);
	write_one(
		to, "leat_draining", GAUGE, "1 while the server is ending.", metrics->draining);
}

static void write_process(struct exposition *to)
{
	struct process_stat stat;

	process_stat(&stat);
	write_one(to, "process_cpu_seconds_total", COUNTER,
		"Time of processors, user and system.", stat.cpu_seconds);
	write_one(to, "process_resident_memory_bytes", GAUGE, "Resident memory.",
		(double)stat.resident_bytes);
	write_one(to, "process_virtual_memory_bytes", GAUGE,
		"Virtual memory; the ledger's map is most of it and takes none.",
		(double)stat.virtual_bytes);
	write_one(to, "process_threads", GAUGE, "Threads.", (double)stat.threads);
	write_one(
		to, "process_open_fds", GAUGE, "Open file descriptors.", (double)stat.open_fds);
	write_one(to, "process_max_fds", GAUGE, "How many there may be.", (double)stat.max_fds);
	write_one(to, "process_start_time_seconds", GAUGE,
		"When the process was started, in seconds since 1970.", stat.start_seconds);
}

/* ---- the endpoint ---- */

static void write_all(struct exposition *to, const struct http_server *server,
	const struct engine_metrics *metrics)
{
	write_server(to, metrics);
	write_states(to, metrics);
	write_rows(to, engine_rows, ARRAY_SIZE(engine_rows), metrics);
	write_items(to, metrics);
	write_stage_rows(to, metrics);
	write_stage_times(to, metrics);
	write_stage_meters(to, metrics);
	write_store(to, metrics);
	write_http(to, server);
	write_engine_bounds(to, engine_config(server->engine));
	write_http_bounds(to, server);
	write_process(to);
}

static void metrics_finish(struct request *request)
{
	struct exposition text = { 0 };
	struct engine_metrics metrics;
	struct error err;

	if (engine_metrics(request_engine(request), &metrics) < 0) {
		error_no_memory(&err);
		request_reply_problem(request, &err, NULL);
		return;
	}
	write_all(&text, request->server, &metrics);
	engine_metrics_done(&metrics);
	if (text.failed) {
		buf_done(&text.text);
		error_no_memory(&err);
		request_reply_problem(request, &err, NULL);
		return;
	}
	request_reply_text(request, 200, EXPOSITION_TYPE, text.text.data, text.text.len);
}

const struct endpoint metrics_read = { .finish = metrics_finish };
