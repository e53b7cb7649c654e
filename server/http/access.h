/*
 * access: lines of log about a request, when it is over.
 *
 *	event=request client=127.0.0.1 method=POST path=/v1/jobs/j_…/items status=200 ms=12.3
 *	in=37983620 out=93 job=j_… trace=0af7…
 *
 * Off unless it is asked for (--access-log). The path without its query: parameters of stages
 * stand there and may be secret. The trace is the request's own.
 *
 *	event=audit who="ci" client=127.0.0.1 method=POST route=/v1/jobs/{id}/pause job=j_…
 *	status=200
 *
 * for each that would have changed something (--audit-log), whether it did or not: the status
 * says. Those that were turned away are at most ten a second, and then counted (skipped=).
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_ACCESS_H
#define LEAT_HTTP_ACCESS_H

#include "http/request.h"

/* The headers are there. Without memory the request has no line. */
void access_begin(struct request *request);
/* The request is over; status 0: the client left before there was a reply. */
void access_end(struct request *request);

#endif
