#include "http/events.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "http/internal.h"
#include "http/sse.h"

/* What an event of a job is called, in the order in which they are told. */
static const struct {
	unsigned events;
	const char *name;
} kinds[] = { { JOB_EVENT_STATE, "state" }, { JOB_EVENT_STALLED, "stalled" },
	{ JOB_EVENT_VERSION, "progress" } };

/* A new state says all that progress would. */
static unsigned worth_telling(unsigned events)
{
	if ((events & JOB_EVENT_STATE) != 0)
		events &= ~(unsigned)JOB_EVENT_VERSION;
	return events & (JOB_EVENT_STATE | JOB_EVENT_STALLED | JOB_EVENT_VERSION);
}

static void version_text(const struct job *job, char ret[static 24])
{
	snprintf(ret, 24, "%llu", (unsigned long long)job_version(job));
}

static void no_memory(struct request *request)
{
	struct error err;

	error_no_memory(&err);
	request_reply_problem(request, &err, NULL);
}

/* One stream more; false: answered. */
static bool may_follow(struct request *request)
{
	struct error err;

	if (follow_begin(request, FOLLOWS_EVENTS, &err) == 0)
		return true;
	request_reply_problem(request, &err, NULL);
	return false;
}

/* ---- one job ---- */

struct job_stream {
	struct sse sse;
	struct job *job; /* a reference */
	struct job_watch watch;
	unsigned due; /* events */
};

static int write_due(struct job_stream *stream)
{
	char id[24];
	int result = 0;

	version_text(stream->job, id);
	for (size_t at = 0; at < ARRAY_SIZE(kinds); at++)
		if ((stream->due & kinds[at].events) != 0)
			result |= sse_append(
				&stream->sse.out, kinds[at].name, id, job_to_json(stream->job));
	stream->due = 0;
	return result;
}

static ssize_t job_read(struct request *request, char *to, size_t max)
{
	struct job_stream *stream = request->state;

	if (stream->sse.out.len == 0 && stream->due != 0 && write_due(stream) < 0)
		return READ_CUT;
	return sse_read(&stream->sse, to, max);
}

static void on_job_event(struct job_watch *watch, struct job *job, unsigned events)
{
	struct job_stream *stream = CONTAINER_OF(watch, struct job_stream, watch);

	stream->due = worth_telling(stream->due | events);
	if ((events & JOB_EVENT_DELETED) != 0 || job_is_done(job))
		stream->sse.last = true;
	if (stream->due != 0 || stream->sse.last)
		request_go_on(stream->sse.request);
}

/* A browser comes back when a stream ends; 204 tells it that there is no more. */
static bool has_seen_the_end(struct request *request, struct job *job)
{
	const char *last = request_header(request, "Last-Event-ID");
	char id[24];

	version_text(job, id);
	return last != NULL && job_is_done(job) && strcmp(last, id) == 0;
}

static void watch_job(struct request *request, struct job *job)
{
	struct job_stream *stream;

	if (has_seen_the_end(request, job)) {
		request_reply_empty(request, 204);
		return;
	}
	if (!may_follow(request))
		return;
	stream = mem_zalloc(sizeof(*stream));
	if (stream == NULL) {
		no_memory(request);
		return;
	}
	stream->job = job_ref(job);
	stream->due = JOB_EVENT_STATE;
	stream->sse.last = job_is_done(job) || request_is_last(request);
	stream->watch.fn = on_job_event;
	job_watch(job, &stream->watch);
	request->state = stream;
	sse_start(&stream->sse, request);
}

static void job_finish(struct request *request)
{
	request_with_job(request, watch_job);
}

static void job_end(struct request *request)
{
	struct job_stream *stream = request->state;

	if (stream == NULL)
		return;
	job_unwatch(&stream->watch);
	job_unref(stream->job);
	sse_done(&stream->sse);
	mem_free(stream);
}

const struct endpoint events_job = {
	.finish = job_finish,
	.read = job_read,
	.tick = sse_tick,
	.quiesce = sse_quiesce,
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
	struct sse sse;
	struct list link;
	bool lost;
};

static void offer(struct all_stream *stream, const struct buf *event, bool progress)
{
	size_t waiting = sse_waiting(&stream->sse);

	if (progress && waiting > OUT_PROGRESS_MAX)
		return;
	if (waiting + event->len > OUT_MAX ||
		buf_append(&stream->sse.out, event->data, event->len) < 0)
		stream->lost = true;
	request_go_on(stream->sse.request);
}

/* All whose job it is. */
static void tell_all(
	struct hub *hub, const struct job *job, const char *event, const char *id, json_t *json)
{
	const json_t *labels = job_definition(job)->labels;
	struct buf bytes = BUF_INIT;
	bool made = sse_append(&bytes, event, id, json) == 0;

	LIST_EACH(&hub->streams, link)
	{
		struct all_stream *stream = LIST_ENTRY(link, struct all_stream, link);

		if (made && principal_sees(stream->sse.request->principal, labels))
			offer(stream, &bytes, strcmp(event, "progress") == 0);
	}
	buf_done(&bytes);
}

static void on_any_event(struct job_watch *watch, struct job *job, unsigned events)
{
	struct hub *hub = CONTAINER_OF(watch, struct hub, watch);
	char id[24];

	version_text(job, id);
	if ((events & JOB_EVENT_DELETED) != 0) {
		tell_all(hub, job, "deleted", id, json_pack("{s:s}", "id", job_id_text(job)));
		return;
	}
	events = worth_telling(events);
	for (size_t at = 0; at < ARRAY_SIZE(kinds); at++)
		if ((events & kinds[at].events) != 0)
			tell_all(hub, job, kinds[at].name, id, job_to_json(job));
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

	return stream->lost ? READ_CUT : sse_read(&stream->sse, to, max);
}

static void all_finish(struct request *request)
{
	struct all_stream *stream;

	if (!may_follow(request))
		return;
	stream = mem_zalloc(sizeof(*stream));
	if (stream == NULL || buf_append_str(&stream->sse.out, SSE_COMMENT) < 0) {
		mem_free(stream);
		no_memory(request);
		return;
	}
	stream->sse.last = request_is_last(request);
	request->state = stream;
	hub_add(request->server->hub, stream);
	sse_start(&stream->sse, request);
}

static void all_end(struct request *request)
{
	struct all_stream *stream = request->state;

	if (stream == NULL)
		return;
	hub_remove(request->server->hub, stream);
	sse_done(&stream->sse);
	mem_free(stream);
}

const struct endpoint events_all = {
	.finish = all_finish,
	.read = all_read,
	.tick = sse_tick,
	.quiesce = sse_quiesce,
	.end = all_end,
};
