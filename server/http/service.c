#include "http/service.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"
#include "http/internal.h"
#include "job/text.h"

/* ---- /v1/server ---- */

static json_t *http_status(const struct http_server *server)
{
	const struct http_config *config = &server->config;

	return json_pack("{s:I, s:I, s:{s:I, s:I, s:I, s:I, s:f, s:I}}", "active",
		(json_int_t)server->active, "served", (json_int_t)server->served, "limits",
		"connections", (json_int_t)config->connections_max, "connection_memory",
		(json_int_t)config->connection_memory, "head_bytes",
		(json_int_t)config->head_max, "body_bytes", (json_int_t)config->body_max,
		"body_ratio", config->ratio_max, "idle_timeout_s",
		(json_int_t)config->idle_timeout_s);
}

/* Where the system tells it. */
static void add_resident(json_t *memory)
{
	struct process_stat stat;

	process_stat(&stat);
	if (stat.resident_bytes > 0)
		json_object_set_new(
			memory, "rss_bytes", json_integer((json_int_t)stat.resident_bytes));
}

static json_t *stages_status(const struct registry *registry)
{
	return json_pack("{s:I, s:o}", "count", (json_int_t)registry_count(registry), "refused",
		registry_refused(registry));
}

static void server_finish(struct request *request)
{
	const struct http_server *server = request->server;
	json_t *json = json_pack("{s:s, s:f, s:I, s:o, s:o}", "version", LEAT_VERSION,
		"uptime_s", (double)(clock_mono_ns() - server->started_ns) / (double)NS_PER_S,
		"pid", (json_int_t)getpid(), "http", http_status(server), "stages",
		stages_status(engine_registry(request_engine(request))));
	json_t *status = engine_status(request_engine(request));

	if (json_object_update(json, status) < 0) {
		json_decref(json);
		json = NULL;
	}
	json_decref(status);
	add_resident(json_object_get(json, "memory"));
	request_reply_json(request, 200, json);
}

const struct endpoint service_server = { .finish = server_finish };

/* ---- health ---- */

static void live_finish(struct request *request)
{
	request_reply_json(request, 200,
		json_pack("{s:s, s:{s:s}}", "status", "ok", "checks", "loop", "ok"));
}

const struct endpoint service_live = { .finish = live_finish };

/* About this server only: one job's trouble must not take all the others away. */
static void ready_finish(struct request *request)
{
	bool draining = request_is_last(request), store = true;
	struct error why = { .code = ERR_NONE };

	if (!engine_admits(request_engine(request), &why)) {
		draining |= why.code == ERR_DRAINING;
		store = why.code == ERR_DRAINING;
	}
	request_reply_json(request, draining || !store ? 503 : 200,
		json_pack("{s:s, s:{s:s, s:s}}", "status",
			draining ? "draining"
			: store  ? "ok"
				 : "failing",
			"checks", "admission", draining ? "draining" : "ok", "store",
			store ? "ok" : why.text));
}

const struct endpoint service_ready = { .finish = ready_finish };

/* ---- stages ---- */

static void list_finish(struct request *request)
{
	const struct registry *registry = engine_registry(request_engine(request));
	json_t *items = json_array();
	int failed = 0;

	for (size_t at = 0; at < registry_count(registry); at++)
		failed |= json_array_append_new(
			items, registry_describe(registry, registry_at(registry, at)));
	if (failed != 0) {
		json_decref(items);
		items = NULL;
	}
	request_reply_json(request, 200,
		json_pack("{s:o, s:o}", "items", items, "refused", registry_refused(registry)));
}

const struct endpoint stages_list = { .finish = list_finish };

static const char *nearest_stage(const struct registry *registry, const char *name)
{
	struct nearest nearest;

	nearest_init(&nearest, name);
	for (size_t at = 0; at < registry_count(registry); at++)
		nearest_offer(&nearest, registry_at(registry, at)->name);
	return nearest_best(&nearest);
}

static void one_finish(struct request *request)
{
	const struct registry *registry = engine_registry(request_engine(request));
	const struct stage *stage = registry_find(registry, request->arg);
	const char *best;
	struct error err;

	if (stage != NULL) {
		request_reply_json(request, 200, registry_describe(registry, stage));
		return;
	}
	best = nearest_stage(registry, request->arg);
	error_set(&err, ERR_STAGE_NOT_FOUND, "there is no stage '%s'%s%s%s", request->arg,
		best == NULL ? "; see /v1/stages" : "; did you mean '",
		best == NULL ? "" : best, best == NULL ? "" : "'?");
	request_reply_problem(request, &err, NULL);
}

const struct endpoint stages_one = { .finish = one_finish };
