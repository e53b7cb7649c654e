/*
 * traffic: what HTTP has done since the start, by route; for metrics.
 *
 * A request is counted once, when it is over. Its labels are the route's pattern, the method
 * and the status, so there are no more of them than the table of routes and that of errors
 * allow: whatever a client asks for that is not there counts as one route.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_TRAFFIC_H
#define LEAT_HTTP_TRAFFIC_H

#include "base/tally.h"
#include "http/exposition.h"
#include "http/router.h"

struct http_traffic {
	const struct route *routes;
	size_t count;
	struct route_traffic *by_route; /* one more than there are routes: none of them */
	uint64_t bytes_in, bytes_out;   /* of bodies */
};

/* -1 without memory. The routes stay the caller's. */
int traffic_init(struct http_traffic *traffic, const struct route *routes, size_t count);
void traffic_done(struct http_traffic *traffic);
/*
 * `route` NULL: none was found. `status` 0: the client went away before there was a reply.
 * Without memory it stays uncounted.
 */
void traffic_add(struct http_traffic *traffic, const struct route *route, enum method method,
	unsigned status, uint64_t ns);
void traffic_write(const struct http_traffic *traffic, struct exposition *to);

#endif
