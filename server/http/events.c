#include "http/events.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "http/internal.h"

int sse_append(struct buf *to, const char *event, const char *id, json_t *json)
{
	size_t before = to->len;
	int result = -1;

	if (buf_printf(to, "event: %s\nid: %s\ndata: ", event, id) == 0 &&
		json_append_text(json, JSON_COMPACT | json_text_reals(json), to) == 0)
		result = buf_append(to, "\n\n", 2);
	json_decref(json);
	if (result < 0)
		to->len = before;
	return result;
}

bool sse_comment_due(const struct request *request, uint64_t now_ns, uint64_t *last_ns)
{
	if (now_ns - *last_ns < request_config(request)->sse_comment_ms * NS_PER_MS)
		return false;
	*last_ns = now_ns;
	return true;
}

/* Copy out what fits; true when something was there. */
static ssize_t drain(struct buf *from, size_t *at, char *to, size_t max)
{
	size_t len = MIN(from->len - *at, max);

	memcpy(to, from->data + *at, len);
	*at += len;
	if (*at == from->len) {
		buf_done(from); /* an idle stream keeps nothing */
		*at = 0;
	} else if (*at > from->len / 2) {
		buf_consume(from, *at);
		*at = 0;
	}
	return (ssize_t)len;
}

/* ---- one job ---- */

enum { DUE_PROGRESS = 1, DUE_STATE = 2, DUE_STALLED = 4 };

struct job_stream {
	struct request *request;
	struct job *job; /* a reference */
	struct job_watch watch;
	unsigned due;
	bool last, comment;
	struct buf out;
	size_t at;
	uint64_t last_ns;
};

static const struct {
	unsigned due;
	const char *event;
} kinds[] = { { DUE_STATE, "state" }, { DUE_STALLED, "stalled" },
	{ DUE_PROGRESS, "progress" } };

static int write_due(struct job_stream *stream)
{
	char id[24];
	int result = 0;

	snprintf(id, sizeof(id), "%llu", (unsigned long long)job_version(stream->job));
	for (size_t at = 0; at < ARRAY_SIZE(kinds); at++)
		if ((stream->due & kinds[at].due) != 0)
			result |= sse_append(
				&stream->out, kinds[at].event, id, job_to_json(stream->job));
	stream->due = 0;
	return result;
}

static ssize_t job_read(struct request *request, char *to, size_t max)
{
	struct job_stream *stream = request->state;

	if (stream->out.len == 0) {
		if (stream->due == 0 && stream->last)
			return READ_END;
		if (stream->due != 0 && write_due(stream) < 0)
			return READ_CUT;
		if (stream->out.len == 0 && stream->comment &&
			buf_append_str(&stream->out, SSE_COMMENT) < 0)
			return READ_CUT;
		stream->comment = false;
		if (stream->out.len == 0)
			return READ_IDLE;
		stream->last_ns = clock_mono_ns();
	}
	return drain(&stream->out, &stream->at, to, max);
}

static void on_job_event(struct job_watch *watch, struct job *job, unsigned events)
{
	struct job_stream *stream = CONTAINER_OF(watch, struct job_stream, watch);

	if ((events & JOB_EVENT_STATE) != 0)
		stream->due |= DUE_STATE;
	else if ((events & JOB_EVENT_VERSION) != 0)
		stream->due |= DUE_PROGRESS;
	if ((events & JOB_EVENT_STALLED) != 0)
		stream->due |= DUE_STALLED;
	if ((events & JOB_EVENT_DELETED) != 0 || job_is_done(job))
		stream->last = true;
	if (stream->due != 0 || stream->last)
		request_go_on(stream->request);
}

/* A browser comes back when a stream ends; 204 tells it that there is no more. */
static bool has_seen_the_end(struct request *request, struct job *job)
{
	const char *last = request_header(request, "Last-Event-ID");
	char id[24];

	snprintf(id, sizeof(id), "%llu", (unsigned long long)job_version(job));
	return last != NULL && job_is_done(job) && strcmp(last, id) == 0;
}

static void begin_stream(struct request *request, const char *type)
{
	request_reply_stream(request, 200, type);
	request_set_header(request, "Cache-Control", "no-store");
}

static void watch_job(struct request *request, struct job *job)
{
	struct job_stream *stream;
	struct error err;

	if (has_seen_the_end(request, job)) {
		request_reply_empty(request, 204);
		return;
	}
	stream = mem_zalloc(sizeof(*stream));
	if (stream == NULL) {
		error_no_memory(&err);
		request_reply_problem(request, &err, NULL);
		return;
	}
	stream->request = request;
	stream->job = job_ref(job);
	stream->due = DUE_STATE;
	stream->last = job_is_done(job) || request_is_last(request);
	stream->watch.fn = on_job_event;
	job_watch(job, &stream->watch);
	request->state = stream;
	begin_stream(request, "text/event-stream");
}

static void job_finish(struct request *request)
{
	request_with_job(request, watch_job);
}

static void job_tick(struct request *request, uint64_t now_ns)
{
	struct job_stream *stream = request->state;

	if (stream == NULL || !sse_comment_due(request, now_ns, &stream->last_ns))
		return;
	stream->comment = true;
	request_go_on(request);
}

static void job_quiesce(struct request *request)
{
	struct job_stream *stream = request->state;

	if (stream == NULL)
		return;
	stream->last = true;
	request_go_on(request);
}

static void job_end(struct request *request)
{
	struct job_stream *stream = request->state;

	if (stream == NULL)
		return;
	job_unwatch(&stream->watch);
	job_unref(stream->job);
	buf_done(&stream->out);
	mem_free(stream);
}

const struct endpoint events_job = {
	.finish = job_finish,
	.read = job_read,
	.tick = job_tick,
	.quiesce = job_quiesce,
	.end = job_end,
};

/* ---- all jobs ---- */

#define OUT_PROGRESS_MAX ((size_t)256 << 10) /* beyond that progress is left out */
#define OUT_MAX          ((size_t)4 << 20)   /* beyond that the client is cut */

struct hub {
	struct http_server *server;
	struct list streams;
	struct job_watch watch;
	bool watching;
};

struct all_stream {
	struct list link;
	struct request *request;
	struct buf out;
	size_t at;
	uint64_t last_ns;
	bool comment, last, lost;
};

static void offer(struct all_stream *stream, const struct buf *event, bool progress)
{
	size_t waiting = stream->out.len - stream->at;

	if (progress && waiting > OUT_PROGRESS_MAX)
		return;
	if (waiting + event->len > OUT_MAX ||
		buf_append(&stream->out, event->data, event->len) < 0)
		stream->lost = true;
	request_go_on(stream->request);
}

static void tell_all(struct hub *hub, const char *event, const char *id, json_t *json)
{
	struct buf bytes = BUF_INIT;

	if (sse_append(&bytes, event, id, json) == 0)
		LIST_EACH(&hub->streams, link)
	offer(LIST_ENTRY(link, struct all_stream, link), &bytes,
		strcmp(event, "progress") == 0);
	buf_done(&bytes);
}

static void on_any_event(struct job_watch *watch, struct job *job, unsigned events)
{
	struct hub *hub = CONTAINER_OF(watch, struct hub, watch);
	char id[24];

	snprintf(id, sizeof(id), "%llu", (unsigned long long)job_version(job));
	if ((events & JOB_EVENT_DELETED) != 0) {
		tell_all(hub, "deleted", id, json_pack("{s:s}", "id", job_id_text(job)));
		return;
	}
	if ((events & JOB_EVENT_STATE) != 0)
		tell_all(hub, "state", id, job_to_json(job));
	else if ((events & JOB_EVENT_VERSION) != 0)
		tell_all(hub, "progress", id, job_to_json(job));
	if ((events & JOB_EVENT_STALLED) != 0)
		tell_all(hub, "stalled", id, job_to_json(job));
}

int hub_new(struct http_server *server, struct hub **ret, struct error *err)
{
	struct hub *hub = mem_zalloc(sizeof(*hub));

	if (hub == NULL)
		return error_no_memory(err);
	hub->server = server;
	hub->watch.fn = on_any_event;
	list_init(&hub->streams);
	*ret = hub;
	return 0;
}

void hub_free(struct hub *hub)
{
	if (hub == NULL)
		return;
	if (hub->watching)
		job_unwatch(&hub->watch);
	mem_free(hub);
}

static void hub_add(struct hub *hub, struct all_stream *stream)
{
	list_append(&hub->streams, &stream->link);
	if (!hub->watching)
		engine_watch(hub->server->engine, &hub->watch);
	hub->watching = true;
}

static void hub_remove(struct hub *hub, struct all_stream *stream)
{
	list_remove(&stream->link);
	if (list_empty(&hub->streams) && hub->watching) {
		job_unwatch(&hub->watch);
		hub->watching = false;
	}
}

static ssize_t all_read(struct request *request, char *to, size_t max)
{
	struct all_stream *stream = request->state;

	if (stream->lost)
		return READ_CUT;
	if (stream->out.len == 0 && stream->last)
		return READ_END;
	if (stream->out.len == 0 && stream->comment &&
		buf_append_str(&stream->out, SSE_COMMENT) < 0)
		return READ_CUT;
	stream->comment = false;
	if (stream->out.len == 0)
		return READ_IDLE;
	stream->last_ns = clock_mono_ns();
	return drain(&stream->out, &stream->at, to, max);
}

static void all_finish(struct request *request)
{
	struct all_stream *stream = mem_zalloc(sizeof(*stream));
	struct error err;

	if (stream == NULL || buf_append_str(&stream->out, SSE_COMMENT) < 0) {
		mem_free(stream);
		error_no_memory(&err);
		request_reply_problem(request, &err, NULL);
		return;
	}
	stream->request = request;
	stream->last = request_is_last(request);
	request->state = stream;
	hub_add(request->server->hub, stream);
	begin_stream(request, "text/event-stream");
}

static void all_tick(struct request *request, uint64_t now_ns)
{
	struct all_stream *stream = request->state;

	if (stream == NULL || !sse_comment_due(request, now_ns, &stream->last_ns))
		return;
	stream->comment = true;
	request_go_on(request);
}

static void all_quiesce(struct request *request)
{
	struct all_stream *stream = request->state;

	if (stream == NULL)
		return;
	stream->last = true;
	request_go_on(request);
}

static void all_end(struct request *request)
{
	struct all_stream *stream = request->state;

	if (stream == NULL)
		return;
	hub_remove(request->server->hub, stream);
	buf_done(&stream->out);
	mem_free(stream);
}

const struct endpoint events_all = {
	.finish = all_finish,
	.read = all_read,
	.tick = all_tick,
	.quiesce = all_quiesce,
	.end = all_end,
};
