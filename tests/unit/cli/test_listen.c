/* HOST:PORT taken apart. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "base/mem.h"
#include "cli/listen.h"

static const struct {
	const char *text, *host;
	uint16_t port;
} good[] = {
	{ "127.0.0.1:8080", "127.0.0.1", 8080 },
	{ "localhost:0", "localhost", 0 },
	{ "0.0.0.0:65535", "0.0.0.0", 65535 },
	{ "[::1]:8080", "::1", 8080 },
	{ "[::]:1", "::", 1 },
};

Test(listen, takes_host_and_port)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		char host[LISTEN_HOST_SIZE];
		uint16_t port;

		cr_assert(
			listen_parse(good[i].text, host, &port, NULL) == 0, "%s", good[i].text);
		cr_assert(eq(str, host, (char *)good[i].host));
		cr_assert(eq(u16, port, good[i].port));
	}
}

Test(listen, takes_several_places)
{
	struct http_place places[PLACES_MAX];
	struct error err = { 0 };
	unsigned count = 0;

	cr_assert(listen_parse_places("[::1]:80,unix:/run/leat.sock,localhost:0", 0640, 7,
			  places, &count, &err) == 0,
		"%s", err.text);
	cr_assert(eq(u32, count, 3));
	cr_assert(eq(int, places[0].kind, PLACE_TCP));
	cr_assert(eq(str, places[0].text, (char *)"::1"));
	cr_assert(eq(u16, places[0].port, 80));
	cr_assert(eq(int, places[1].kind, PLACE_UNIX));
	cr_assert(eq(str, places[1].text, (char *)"/run/leat.sock"));
	cr_assert(eq(u32, places[1].mode, 0640));
	cr_assert(eq(u32, places[1].group, 7));
	cr_assert(eq(str, places[2].text, (char *)"localhost"));
}

Test(listen, refuses_places_that_are_none)
{
	static const char *const none[] = { "", ",", "unix:", "[::1]:80,", ",[::1]:80",
		"[::1]:80,,[::1]:81", "[::1]:80 unix:/x",
		"a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1" };
	char path[PLACE_TEXT_SIZE + 10];
	struct http_place places[PLACES_MAX];
	struct error err;
	unsigned count = 77;

	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		cr_assert(listen_parse_places(none[i], 0, 0, places, &count, &err) < 0,
			"'%s' is taken", none[i]);
	memset(path, 'x', sizeof(path));
	memcpy(path, "unix:/", 6);
	path[sizeof(path) - 1] = '\0';
	cr_assert(listen_parse_places(path, 0, 0, places, &count, &err) < 0);
	cr_assert(eq(u32, count, 77));
}

static const struct {
	const char *text, *why;
} bad[] = {
	{ "", "'': the port is missing; write HOST:PORT" },
	{ "127.0.0.1", "'127.0.0.1': the port is missing" },
	{ "8080", "'8080': the port is missing" },
	{ ":8080", "':8080': the host is missing" },
	{ "[]:8080", "the host is missing" },
	{ "::1:8080", "an IPv6 address stands in brackets" },
	{ "localhost:", "a port is a number from 0 to 65535" },
	{ "localhost:65536", "a port is a number from 0 to 65535" },
	{ "localhost:http", "a port is a number from 0 to 65535" },
	{ "localhost:-1", "a port is a number from 0 to 65535" },
};

Test(listen, says_what_a_good_address_looks_like)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char host[LISTEN_HOST_SIZE] = "untouched";
		struct error err = { 0 };
		uint16_t port = 7;

		cr_assert(listen_parse(bad[i].text, host, &port, &err) < 0, "'%s' is taken",
			bad[i].text);
		cr_assert(strstr(err.text, bad[i].why) != NULL, "'%s': %s", bad[i].text,
			err.text);
		cr_assert(strstr(err.text, "[::1]:8080") != NULL, "%s", err.text);
		cr_assert(eq(str, host, (char *)"untouched"));
		cr_assert(eq(u16, port, 7));
	}
}
