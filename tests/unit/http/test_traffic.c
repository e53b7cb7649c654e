/* traffic: requests by route, method and status; a client cannot make new labels. */
#include <criterion/criterion.h>
#include <string.h>

#include "http/traffic.h"

#define MS 1000000ull

static const struct route routes[] = {
	{ METHOD_GET, "/a", 0, NULL, NULL },
	{ METHOD_POST, "/a", 0, NULL, NULL },
	{ METHOD_GET, "/b/{id}", 0, NULL, NULL },
};
static struct http_traffic traffic;
static struct exposition text;

static void begin(void)
{
	cr_assert_eq(traffic_init(&traffic, routes, 3), 0);
}

static void end(void)
{
	traffic_done(&traffic);
	buf_done(&text.text);
}

TestSuite(traffic, .init = begin, .fini = end);

static void expect(const char *line)
{
	if (text.text.len == 0) {
		traffic_write(&traffic, &text);
		cr_assert_not(text.failed);
		buf_append(&text.text, "", 1);
	}
	cr_expect_not_null(strstr(text.text.data, line), "no %s in\n%s", line, text.text.data);
}

Test(traffic, each_outcome_has_a_counter)
{
	traffic_add(&traffic, &routes[0], METHOD_GET, 200, MS);
	traffic_add(&traffic, &routes[0], METHOD_GET, 200, MS);
	traffic_add(&traffic, &routes[0], METHOD_GET, 404, MS);
	traffic_add(&traffic, &routes[0], METHOD_HEAD, 200, MS);
	traffic_add(&traffic, &routes[2], METHOD_GET, 0, MS);
	traffic_add(&traffic, NULL, METHOD_OTHER, 405, MS);
	expect("requests_total{route=\"/a\",method=\"GET\",code=\"200\"} 2\n");
	expect("requests_total{route=\"/a\",method=\"GET\",code=\"404\"} 1\n");
	expect("requests_total{route=\"/a\",method=\"HEAD\",code=\"200\"} 1\n");
	expect("requests_total{route=\"/b/{id}\",method=\"GET\",code=\"none\"} 1\n");
	expect("requests_total{route=\"none\",method=\"other\",code=\"405\"} 1\n");
}

Test(traffic, a_request_that_ended_in_its_head_is_of_another_method)
{
	traffic_add(&traffic, NULL, 0, 0, MS);
	traffic_add(&traffic, NULL, METHOD_OTHER, 0, MS);
	traffic_add(&traffic, NULL, METHOD_OTHER, 405, MS);
	expect("requests_total{route=\"none\",method=\"other\",code=\"none\"} 2\n");
	expect("requests_total{route=\"none\",method=\"other\",code=\"405\"} 1\n");
	expect("duration_seconds_count{route=\"none\",method=\"other\"} 3\n");
}

Test(traffic, a_path_in_two_rows_is_one_route)
{
	const char *first;

	traffic_add(&traffic, &routes[0], METHOD_GET, 200, 2 * MS);
	traffic_add(&traffic, &routes[0], METHOD_GET, 500, 20 * MS);
	traffic_add(&traffic, &routes[1], METHOD_POST, 201, MS);
	expect("duration_seconds_count{route=\"/a\",method=\"GET\"} 2\n");
	expect("duration_seconds_sum{route=\"/a\",method=\"GET\"} 0.022\n");
	expect("duration_seconds_count{route=\"/a\",method=\"POST\"} 1\n");
	first = strstr(text.text.data, "_count{route=\"/a\",method=\"GET\"}");
	cr_expect_null(strstr(first + 1, "_count{route=\"/a\",method=\"GET\"}"), "said twice");
}

Test(traffic, many_statuses_of_one_route_all_stay)
{
	char line[100];

	for (unsigned status = 200; status < 260; status++)
		for (unsigned n = 200; n <= status; n++)
			traffic_add(&traffic, &routes[2], METHOD_GET, status, 1);
	for (unsigned status = 200; status < 260; status++) {
		snprintf(line, sizeof(line), "method=\"GET\",code=\"%u\"} %u\n", status,
			status - 199);
		expect(line);
	}
}

Test(traffic, without_requests_the_families_are_there)
{
	expect("# TYPE leat_http_requests_total counter\n");
	expect("# TYPE leat_http_request_duration_seconds histogram\n");
	expect("leat_http_request_body_bytes_total 0\n");
}
