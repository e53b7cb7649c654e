#include "http/traffic.h"

#include <stdio.h>

#include "base/mem.h"

struct outcome {
	enum method method;
	unsigned status;
	struct tally time; /* and how many */
};

struct route_traffic {
	struct outcome *outcomes; /* those that have been seen */
	size_t count, capacity;
};

int traffic_init(struct http_traffic *traffic, const struct route *routes, size_t count)
{
	*traffic = (struct http_traffic){ .routes = routes, .count = count };
	traffic->by_route = mem_zalloc((count + 1) * sizeof(traffic->by_route[0]));
	return traffic->by_route == NULL ? -1 : 0;
}

void traffic_done(struct http_traffic *traffic)
{
	for (size_t at = 0; traffic->by_route != NULL && at <= traffic->count; at++)
		mem_free(traffic->by_route[at].outcomes);
	mem_free(traffic->by_route);
	traffic->by_route = NULL;
}

static struct outcome *find(struct route_traffic *route, enum method method, unsigned status)
{
	struct outcome *outcome;

	for (size_t at = 0; at < route->count; at++)
		if (route->outcomes[at].method == method &&
			route->outcomes[at].status == status)
			return &route->outcomes[at];
	if (route->count == route->capacity) {
		size_t capacity = route->capacity * 2 + 4;

		outcome = mem_realloc(route->outcomes, capacity * sizeof(*outcome));
		if (outcome == NULL)
			return NULL;
		route->outcomes = outcome;
		route->capacity = capacity;
	}
	outcome = &route->outcomes[route->count++];
	*outcome = (struct outcome){ .method = method, .status = status };
	return outcome;
}

/* One path may stand in several rows, with other methods: the first one counts for all. */
static size_t index_of(const struct http_traffic *traffic, const struct route *route)
{
	size_t at = 0;

	while (at < traffic->count &&
		(route == NULL || strcmp(traffic->routes[at].pattern, route->pattern) != 0))
		at++;
	return at;
}

void traffic_add(struct http_traffic *traffic, const struct route *route, enum method method,
	unsigned status, uint64_t ns)
{
	struct route_traffic *to = &traffic->by_route[index_of(traffic, route)];
	/* No method: the client left in the middle of the head. */
	struct outcome *outcome = find(to, method == 0 ? METHOD_OTHER : method, status);

	if (outcome != NULL)
		tally_add(&outcome->time, &tally_time, ns, 1);
}

/* ---- as text ---- */

static const char *route_name(const struct http_traffic *traffic, size_t at)
{
	return at == traffic->count ? "none" : traffic->routes[at].pattern;
}

static void write_outcomes(const struct http_traffic *traffic, size_t at, struct exposition *to)
{
	const struct route_traffic *route = &traffic->by_route[at];
	char code[16];

	for (size_t n = 0; n < route->count; n++) {
		const struct outcome *outcome = &route->outcomes[n];

		snprintf(code, sizeof(code), "%u", outcome->status);
		exposition_count(to,
			LABELS({ "route", route_name(traffic, at) },
				{ "method", method_name(outcome->method) },
				{ "code", outcome->status == 0 ? "none" : code }),
			tally_total(&outcome->time));
	}
}

static bool was_seen_before(const struct route_traffic *route, size_t n)
{
	for (size_t earlier = 0; earlier < n; earlier++)
		if (route->outcomes[earlier].method == route->outcomes[n].method)
			return true;
	return false;
}

/* All statuses of a method together. */
static void write_times(const struct http_traffic *traffic, size_t at, struct exposition *to)
{
	const struct route_traffic *route = &traffic->by_route[at];

	for (size_t n = 0; n < route->count; n++) {
		enum method method = route->outcomes[n].method;
		struct tally time = { 0 };

		if (was_seen_before(route, n))
			continue;
		for (size_t other = n; other < route->count; other++)
			if (route->outcomes[other].method == method)
				tally_merge(&time, &route->outcomes[other].time);
		exposition_tally(to,
			LABELS({ "route", route_name(traffic, at) },
				{ "method", method_name(method) }),
			&time, &tally_time);
	}
}

void traffic_write(const struct http_traffic *traffic, struct exposition *to)
{
	exposition_family(to, "leat_http_requests_total", "counter",
		"Requests that are over, by route, method and status (none: the client left "
		"before the reply).");
	for (size_t at = 0; at <= traffic->count; at++)
		write_outcomes(traffic, at, to);
	exposition_family(to, "leat_http_request_duration_seconds", "histogram",
		"From a request's first line to the end of its reply; followers stay for long.");
	for (size_t at = 0; at <= traffic->count; at++)
		write_times(traffic, at, to);
	exposition_family(to, "leat_http_request_body_bytes_total", "counter",
		"Bytes of request bodies taken, as they came.");
	exposition_count(to, NULL, traffic->bytes_in);
	exposition_family(to, "leat_http_response_body_bytes_total", "counter",
		"Bytes of response bodies handed to connections.");
	exposition_count(to, NULL, traffic->bytes_out);
}
