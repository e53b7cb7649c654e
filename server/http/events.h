/*
 * events: server-sent events of one job and of all.
 *
 *	progress  counts have moved; at most four a second and job
 *	state     the job's state has changed; also the first thing a stream says of its job
 *	stalled   it has stalled, or goes on again
 *	deleted   it is gone (streams of all jobs)
 *
 * The data is the job resource, the id its version. A client that reads slowly is told the
 * newest state of things, not all that happened: a stream of one job keeps only which kinds
 * are due, and one of all jobs loses progress events first and is cut if that is not enough.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_EVENTS_H
#define LEAT_HTTP_EVENTS_H

#include "http/request.h"

extern const struct endpoint events_job, events_all;

/* Watches all jobs while anybody listens; an event is written once for all of them. */
struct hub;
int hub_new(struct http_server *server, struct hub **ret, struct error *err);
void hub_free(struct hub *hub);

#endif
