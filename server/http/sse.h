/*
 * sse: a reply of server-sent events (WHATWG HTML, 9.2) that is written as there is something
 * to say, and a comment line from time to time, so that those between do not think it dead.
 *
 * A stream keeps only what waits to be sent; an idle one keeps nothing.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_SSE_H
#define LEAT_HTTP_SSE_H

#include "http/request.h"

#define SSE_COMMENT ": alive\n\n"

struct sse {
	struct request *request;
	struct buf out; /* sent up to `at` */
	size_t at;
	uint64_t said_ns; /* when something was sent last */
	bool comment;     /* one is due */
	bool last;        /* it ends when all is sent */
};

/* Begin the reply. The stream stands first in the endpoint's state: sse_tick() and
 * sse_quiesce() are made to be the endpoint's. */
void sse_start(struct sse *sse, struct request *request);
void sse_done(struct sse *sse);

/* Append `event`, `id` and `data: JSON` lines; -1 without memory. `json` is taken. */
int sse_append(struct buf *to, const char *event, const char *id, json_t *json);

/* What waits, as of an endpoint's read. */
ssize_t sse_read(struct sse *sse, char *to, size_t max);
size_t sse_waiting(const struct sse *sse);

void sse_tick(struct request *request, uint64_t now_ns);
void sse_quiesce(struct request *request);

/* Is it time for a comment line? Moves `last_ns` on. */
bool sse_comment_due(const struct request *request, uint64_t now_ns, uint64_t *last_ns);

#endif
