#include "http/request.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/access.h"
#include "http/caller.h"
#include "http/discard.h"
#include "http/form.h"
#include "http/guard.h"
#include "http/internal.h"

#define LENGTH_UNKNOWN UINT64_MAX

struct engine *request_engine(const struct request *request)
{
	return request->server->engine;
}

const struct http_config *request_config(const struct request *request)
{
	return &request->server->config;
}

bool request_is_last(const struct request *request)
{
	return request->server->quiesced || request->server->leaving;
}

const char *request_header(const struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

struct traceparents {
	unsigned count;
	const char *text;
};

static enum MHD_Result find_traceparent(
	void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct traceparents *found = arg;

	if (strcasecmp(name, "traceparent") == 0) {
		found->count++;
		found->text = value;
	}
	return MHD_YES;
}

/* Two of them are as bad as none: nobody knows which one is meant. */
const struct trace *request_trace(const struct request *request, struct trace *ret)
{
	struct traceparents found = { 0 };
	char text[256];
	size_t len;

	MHD_get_connection_values(
		request->connection, MHD_HEADER_KIND, find_traceparent, &found);
	if (found.count != 1 || found.text == NULL)
		return NULL;
	snprintf(text, sizeof(text), "%s", found.text + strspn(found.text, " \t"));
	for (len = strlen(text); len > 0 && strchr(" \t", text[len - 1]) != NULL; len--)
		text[len - 1] = '\0';
	return trace_parse(text, ret) ? ret : NULL;
}

/* ---- life ---- */

struct request *request_new(
	struct http_server *server, struct MHD_Connection *connection, const char *target)
{
	struct request *request = mem_zalloc(sizeof(*request));

	if (request == NULL)
		return NULL;
	request->target = mem_strdup(target);
	if (request->target == NULL) {
		mem_free(request);
		return NULL;
	}
	request->server = server;
	request->connection = connection;
	request->peer = caller_of(connection)->peer;
	request->principal = principal_ref(server->anonymous);
	request->refs = 1;
	request->began_ns = clock_mono_ns();
	list_append(&server->requests, &request->link);
	server->active++;
	return request;
}

static void request_unref(struct request *request)
{
	if (--request->refs > 0)
		return;
	query_done(&request->query);
	principal_unref(request->principal);
	mem_free(request->target);
	mem_free(request);
}

void *request_away(struct request *request)
{
	request->refs++;
	return request;
}

bool request_back(struct request *request)
{
	bool alive = request->connection != NULL;

	request_unref(request);
	return alive;
}

static void on_timer_closed(uv_handle_t *handle)
{
	request_unref(CONTAINER_OF((uv_timer_t *)handle, struct request, timer));
}

void request_count(struct request *request, uint64_t bytes_in, uint64_t bytes_out)
{
	request->bytes_in += bytes_in;
	request->bytes_out += bytes_out;
	request->server->traffic.bytes_in += bytes_in;
	request->server->traffic.bytes_out += bytes_out;
}

static void note_end(struct request *request)
{
	traffic_add(&request->server->traffic, request->route, request->method, request->status,
		clock_mono_ns() - request->began_ns);
	access_end(request);
}

void request_end(struct request *request)
{
	struct http_server *server = request->server;

	if (request->endpoint != NULL && request->endpoint->end != NULL && request->begun)
		request->endpoint->end(request);
	list_remove(&request->link);
	server->active--;
	server->served++;
	note_end(request);
	follow_end(request);
	peer_idle(request->peer);
	if (request->response != NULL)
		MHD_destroy_response(request->response);
	request->response = NULL;
	request->connection = NULL;
	if (request->has_timer)
		uv_close((uv_handle_t *)&request->timer, on_timer_closed);
	request_unref(request);
}

/* ---- waiting ---- */

void request_suspend(struct request *request)
{
	assert(!request->suspended);
	request->suspended = true;
	MHD_suspend_connection(request->connection);
	if (request->woken)
		request_go_on(request);
}

void request_go_on(struct request *request)
{
	request->held = false;
	request->woken = true;
	if (!request->suspended)
		return;
	request->suspended = false;
	MHD_resume_connection(request->connection);
	http_server_kick(request->server);
}

void request_hold(struct request *request)
{
	request->held = true;
}

void request_cut(struct request *request)
{
	request->gone = true;
	request_go_on(request);
}

void request_fail(struct request *request, const struct error *err)
{
	if (request->endpoint != NULL && request->endpoint->fail != NULL && request->begun)
		request->endpoint->fail(request, err);
	else
		request_reply_problem(request, err, NULL);
}

/* A suspended one is asked again; for the others the library must hear of it. */
void request_hang_up(struct request *request)
{
	if (!request->suspended)
		caller_cut(request->connection);
	request_cut(request);
}

void request_vanish(struct request *request)
{
	request_cut(request);
}

static void on_timer(uv_timer_t *timer)
{
	struct request *request = CONTAINER_OF(timer, struct request, timer);

	request->on_timer(request);
}

void request_set_timer(
	struct request *request, uint64_t ms, void (*fn)(struct request *request))
{
	if (!request->has_timer) {
		uv_timer_init(request->server->loop, &request->timer);
		request->has_timer = true;
		request->refs++;
	}
	request->on_timer = fn;
	uv_update_time(request->server->loop);
	uv_timer_start(&request->timer, on_timer, ms, 0);
}

void request_stop_timer(struct request *request)
{
	if (request->has_timer)
		uv_timer_stop(&request->timer);
}

void request_tick(struct request *request, uint64_t now_ns)
{
	pace_tick(request, now_ns);
	if (discard_is_late(request, now_ns))
		discard_in_time(request, now_ns);
	else if (request->endpoint != NULL && request->endpoint->tick != NULL && request->begun)
		request->endpoint->tick(request, now_ns);
}

/* ---- beginning ---- */

static uint64_t announced_length(const struct request *request)
{
	const char *length = request_header(request, "Content-Length");

	if (request_header(request, "Transfer-Encoding") != NULL)
		return LENGTH_UNKNOWN;
	return length == NULL ? 0 : strtoull(length, NULL, 10);
}

static int check_head(const struct request *request, struct error *err)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	size_t max = request_config(request)->head_max;

	if (info == NULL || info->header_size <= max)
		return 0;
	return error_set(err, ERR_HEADERS_TOO_LARGE,
		"the request's head has %zu bytes, and %zu are allowed", info->header_size,
		max);
}

static int find_route(struct request *request, struct error *err)
{
	_auto_free_ char *path = NULL;
	struct route_match match = { 0 };

	request->search = strchr(request->target, '?');
	if (request->search != NULL)
		*request->search++ = '\0';
	path = mem_strdup(request->target);
	if (path == NULL)
		return error_no_memory(err);
	if (route_find(http_routes, http_route_count, request->method, path, &match, err) ==
		0) {
		request->route = match.route;
		request->endpoint = match.route->endpoint;
		memcpy(request->arg, match.arg, sizeof(request->arg));
		return 0;
	}
	if (err->code == ERR_METHOD) {
		request_reply_problem(request, err, NULL);
		request_set_header(request, "Allow", match.allow);
	}
	return -1;
}

/* Whose connection is one too many is told so, and sent away. */
static int check_peer(struct request *request, struct error *err)
{
	if (peer_check(request->peer, err) == 0)
		return 0;
	request_reply_problem(request, err, NULL);
	request_set_header(request, "Connection", "close");
	return -1;
}

/* Everything that is asked of a request before its endpoint sees it. */
static int admit(struct request *request, const char *method, struct mistakes *mistakes,
	struct error *err)
{
	if (check_peer(request, err) < 0 || form_check(request, method, err) < 0 ||
		check_head(request, err) < 0 || guard_preflight(request, method) ||
		find_route(request, err) < 0 || rate_count(request, err) < 0 ||
		guard_admit(request, err) < 0)
		return -1;
	return query_parse(
		request->search, request->route->params, &request->query, mistakes, err);
}

static void begin(struct request *request, const char *method)
{
	struct mistakes mistakes;
	struct error err;

	request->method = method_parse(method);
	peer_busy(request->peer);
	access_begin(request);
	form_measure(request, method);
	guard_identify(request);
	request->body_left = announced_length(request);
	mistakes_init(&mistakes);
	if (admit(request, method, &mistakes, &err) < 0) {
		if (request->response == NULL)
			request_reply_problem(request, &err, &mistakes);
	} else {
		request->begun = true;
		if (request->endpoint->begin != NULL)
			request->endpoint->begin(request);
	}
	mistakes_done(&mistakes);
}

/* ---- the job of the path ---- */

struct wanted {
	struct request *request;
	void (*then)(struct request *request, struct job *job);
};

/* The same words whether there never was such a job, or it is gone, or somebody else's. */
static void reply_no_job(struct request *request)
{
	struct error err;

	error_set(&err, ERR_JOB_NOT_FOUND, "there is no job %s", request->arg);
	request_reply_problem(request, &err, NULL);
}

static void on_job(void *arg, struct job *job, const struct error *err)
{
	struct wanted wanted = *(struct wanted *)arg;

	mem_free(arg);
	if (!request_back(wanted.request))
		return;
	if (err != NULL && err->code != ERR_JOB_NOT_FOUND)
		request_reply_problem(wanted.request, err, NULL);
	else if (job == NULL ||
		 !principal_sees(wanted.request->principal, job_definition(job)->labels))
		reply_no_job(wanted.request);
	else
		wanted.then(wanted.request, job);
}

static int fetch_job(struct request *request, const struct id *id,
	void (*then)(struct request *request, struct job *job), struct error *err)
{
	struct wanted *wanted = mem_alloc(sizeof(*wanted));

	if (wanted == NULL)
		return error_no_memory(err);
	*wanted = (struct wanted){ request_away(request), then };
	if (engine_fetch(request_engine(request), id, on_job, wanted, err) == 0)
		return 0;
	request_back(request);
	mem_free(wanted);
	return -1;
}

void request_with_job(
	struct request *request, void (*then)(struct request *request, struct job *job))
{
	struct error err;
	struct job *job;
	struct id id;

	if (!id_parse(request->arg, &id)) {
		error_set(&err, ERR_JOB_NOT_FOUND, "'%s' is not the id of a job", request->arg);
		request_reply_problem(request, &err, NULL);
		return;
	}
	job = engine_find(request_engine(request), &id);
	if (job != NULL && principal_sees(request->principal, job_definition(job)->labels))
		then(request, job);
	else if (fetch_job(request, &id, then, &err) < 0)
		request_reply_problem(request, &err, NULL);
}

/* ---- steps, one a call of libmicrohttpd ---- */

static bool expects_continue(const struct request *request)
{
	const char *expect = request_header(request, "Expect");

	return expect != NULL && strcasecmp(expect, "100-continue") == 0 &&
	       request->body_left > 0;
}

static enum MHD_Result queue(struct request *request)
{
	if (request->method != METHOD_HEAD)
		request_count(request, 0, request->text_len);
	if (request->server->leaving || request->unclear)
		request_set_header(request, "Connection", "close");
	if (request->gone)
		return MHD_NO;
	return MHD_queue_response(request->connection, request->status, request->response);
}

static enum MHD_Result step_head(struct request *request, const char *method)
{
	request->woken = false;
	if (!request->begun && request->response == NULL)
		begin(request, method);
	if (request->gone)
		return MHD_NO;
	if (request->response != NULL && (request->garbled || expects_continue(request)))
		return queue(request);
	if (request->response == NULL && request->held) {
		request_suspend(request);
		return MHD_YES;
	}
	request->in_body = true;
	return MHD_YES;
}

static enum MHD_Result step_body(struct request *request, const char *bytes, size_t *len)
{
	bool taken;

	if (request->response != NULL || request->endpoint->body == NULL)
		return discard(request, len);
	request->woken = false;
	taken = request->endpoint->body(request, bytes, *len);
	if (request->gone)
		return MHD_NO;
	if (!taken && request->response == NULL) {
		request_suspend(request);
		return MHD_YES;
	}
	if (request->body_left != LENGTH_UNKNOWN)
		request->body_left -= *len;
	request_count(request, *len, 0);
	*len = 0;
	return MHD_YES;
}

static enum MHD_Result step_end(struct request *request)
{
	request->woken = false;
	if (!request->finished) {
		request->finished = true;
		request->body_left = 0;
		if (request->response == NULL && request->endpoint->finish != NULL)
			request->endpoint->finish(request);
	}
	if (request->gone || request->early)
		return MHD_NO;
	if (request->response != NULL)
		return queue(request);
	request_suspend(request);
	return MHD_YES;
}

enum MHD_Result request_step(struct request *request, const char *method, const char *version,
	const char *bytes, size_t *len)
{
	/* A chunked body goes on being offered while the connection is suspended. */
	if (request->suspended)
		return MHD_YES;
	if (request->gone)
		return MHD_NO;
	if (!request->in_body) {
		request->http_1_0 = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
		return step_head(request, method);
	}
	return *len > 0 ? step_body(request, bytes, len) : step_end(request);
}
