/*
 * request: one request from its headers to the end of its reply.
 *
 *	begin ─► body … body ─► finish ─► (a reply, now or later) ─► read … read ─► end
 *
 * An endpoint is a table of callbacks for these steps; it never blocks. Where it cannot go on
 * it says so (body() returns false, read() returns READ_WAIT, finish() has not replied), the
 * connection is suspended, and request_go_on() or a reply brings it back.
 *
 * Rules of life:
 *  1. A reply may be given at any step, once. What is left of the body is then thrown away.
 *  2. end() comes exactly once, when the reply has been sent or the client has gone; the
 *     endpoint lets go of `state` there, and nothing of the request is called afterwards.
 *  3. Whoever hands the request to a callback of the engine calls request_away() first and
 *     request_back() in the callback; it is false when the request ended meanwhile, and then
 *     the request must not be touched any more.
 *  4. The connection is never suspended in a call that has consumed something of the body,
 *     nor twice: libmicrohttpd does not survive either.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_REQUEST_H
#define LEAT_HTTP_REQUEST_H

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "base/list.h"
#include "engine/engine.h"
#include "http/followers.h"
#include "http/pace.h"
#include "http/peers.h"
#include "http/principal.h"
#include "http/query.h"
#include "http/rate.h"
#include "http/router.h"
#include "http/server.h"

struct access;
struct request;

enum {
	READ_WAIT = 0,  /* request_go_on() comes soon */
	READ_IDLE = -3, /* it may take long: the buffer's memory is given back meanwhile */
	READ_END = -1,
	READ_CUT = -2, /* close the connection: nobody may take this for the whole reply */
};

struct endpoint {
	/* Each may be NULL. begin: the headers are there, the body is not. */
	void (*begin)(struct request *request);
	/* A piece of the body. True: taken. False: not a byte of it; after request_go_on() it
	 * is offered again. NULL: the body is thrown away. */
	bool (*body)(struct request *request, const char *bytes, size_t len);
	/* The body has been read whole. Not called after a reply. */
	void (*finish)(struct request *request);
	/* Fill in a streamed reply: bytes written, or READ_…. */
	ssize_t (*read)(struct request *request, char *to, size_t max);
	/* About once a second. */
	void (*tick)(struct request *request, uint64_t now_ns);
	/* Between two items of its body, where the client may take its time. NULL: it may not.
	 */
	bool (*at_rest)(const struct request *request);
	/* End with this error before the body is whole. NULL: that is the reply. */
	void (*fail)(struct request *request, const struct error *err);
	/* The server ends: finish soon, with whatever makes sense. */
	void (*quiesce)(struct request *request);
	void (*end)(struct request *request);
	/* Members of every problem of this endpoint; `begin` may not have been called. */
	json_t *(*extra)(struct request *request);
};

struct request {
	struct list link;
	struct http_server *server;
	struct MHD_Connection *connection; /* NULL: the request has ended */
	struct peer *peer;                 /* the connection's; NULL: there was no memory */
	const struct route *route;         /* NULL until it was found */
	const struct endpoint *endpoint;   /* of the route */
	struct principal *principal;       /* who asks; a reference, never NULL */
	void *state;                       /* the endpoint's own */
	unsigned refs;
	enum method method;
	char *target; /* as it came; cut at the '?' once it is routed: the path */
	char *search; /* behind the '?', NULL */
	char arg[ROUTE_ARG_SIZE];
	struct query query;

	unsigned status;
	struct MHD_Response *response; /* a reference, until the end */
	const char *text;              /* of a reply that is not streamed; the response's */
	size_t text_len;

	uint64_t body_left; /* UINT64_MAX: unknown */
	uint64_t discarded, discard_since_ns;
	uint64_t began_ns, bytes_in, bytes_out; /* of the bodies */
	struct access *access;                  /* for its line in the log; NULL: none */
	struct pace pace;
	struct rate_state rate;
	enum follows follows;

	uv_timer_t timer;
	void (*on_timer)(struct request *request);

	bool begun, in_body, finished; /* how far it has come */
	bool held;                     /* before the body is read, something must be known */
	bool suspended, woken;         /* woken: request_go_on() came before the suspension */
	bool early;                    /* the reply was written past the library */
	bool http_1_0;
	bool unclear;        /* others may see another end of it: nothing behind it is read */
	bool garbled;        /* its body may be none at all: not a byte of it is looked at */
	bool gone;           /* the client, or we want to be rid of it */
	bool shown, refused; /* a token that is one of ours; one that is not */
	bool has_timer;
};

/* ---- for endpoints ---- */

struct engine *request_engine(const struct request *request);
const struct http_config *request_config(const struct request *request);
/* The server ends: nothing may wait any more. */
bool request_is_last(const struct request *request);
/* A request header, NULL. */
const char *request_header(const struct request *request, const char *name);
/* Its traceparent; NULL when there is none, or none that is valid. `ret` is the caller's. */
const struct trace *request_trace(const struct request *request, struct trace *ret);

/* Suspend the connection; rule 4 is the caller's. */
void request_suspend(struct request *request);

static inline bool request_has_reply(const struct request *request)
{
	return request->response != NULL || request->gone;
}

/* `json` is taken; NULL becomes "out of memory". */
void request_reply_json(struct request *request, unsigned status, json_t *json);
/* The same with a text from mem_alloc(), which is taken. */
void request_reply_text(
	struct request *request, unsigned status, const char *type, char *text, size_t len);
/* With a text that stays where it is for as long as the program runs. */
void request_reply_constant(struct request *request, unsigned status, const char *type,
	const char *text, size_t len);
void request_reply_empty(struct request *request, unsigned status);
/* `mistakes` may be NULL. */
void request_reply_problem(
	struct request *request, const struct error *err, const struct mistakes *mistakes);
/* With members of its own (taken; may be NULL) instead of the endpoint's. */
void request_reply_problem_with(
	struct request *request, const struct error *err, json_t *extra);
/* The endpoint's read() makes the body. */
void request_reply_stream(struct request *request, unsigned status, const char *type);
/* After the reply was given: a header of it; a trailer, up to READ_END. Without memory for a
 * header there is no reply: the connection is closed. */
void request_set_header(struct request *request, const char *name, const char *value);
/* A header of a reply that was meant to be of this status: if there was no memory for it, "out
 * of memory" has none. */
void request_set_header_of(
	struct request *request, unsigned status, const char *name, const char *value);
void request_set_trailer(struct request *request, const char *name, const char *value);

/* Do not read the body before request_go_on(). In begin(). */
void request_hold(struct request *request);
/* Offer the body again, or ask read() again. Cheap when nothing waits. */
void request_go_on(struct request *request);
/* The client has done what it may not: end with this error. */
void request_fail(struct request *request, const struct error *err);
/* No reply: close the connection. */
void request_cut(struct request *request);
/* The same at once, also while it is the client's turn to send or to read. */
void request_hang_up(struct request *request);

/* Rule 3. */
void *request_away(struct request *request);
bool request_back(struct request *request);

/* One timer a request; setting it again moves it. */
void request_set_timer(
	struct request *request, uint64_t ms, void (*fn)(struct request *request));
void request_stop_timer(struct request *request);

/*
 * Find the job that the path names, on disk if need be, and call `then` with it, now or
 * later; or reply that there is none.
 */
void request_with_job(
	struct request *request, void (*then)(struct request *request, struct job *job));

/* ---- for server.c ---- */

/* NULL without memory: the connection is then closed. */
struct request *request_new(
	struct http_server *server, struct MHD_Connection *connection, const char *target);
enum MHD_Result request_step(struct request *request, const char *method, const char *version,
	const char *bytes, size_t *len);
void request_end(struct request *request);
/* Bytes of the bodies that came and went. */
void request_count(struct request *request, uint64_t bytes_in, uint64_t bytes_out);
void request_tick(struct request *request, uint64_t now_ns);
/* The client's side of the socket is closed, or ours must be. */
void request_vanish(struct request *request);

#endif
