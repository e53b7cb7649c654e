/* health: does the server answer? For a container's HEALTHCHECK and for scripts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/listen.h"
#include "cli/units.h"

#define TIMEOUT_MS 3000
#define URL_SIZE   (LISTEN_HOST_SIZE + 32)

enum { KEY_READY = 1, KEY_TIMEOUT };

static const struct argp_option own_options[] = {
	{ NULL, 0, NULL, 0, "The question:", 1 },
	{ "ready", KEY_READY, NULL, 0,
		"does it take work? (/readyz: not while it shuts down or its store cannot be "
		"written) instead of: does it live? (/livez)",
		1 },
	{ "timeout", KEY_TIMEOUT, "TIME", 0, "how long it may take (default: 3 s)", 1 },
	{ 0 },
};

struct health {
	bool ready;
	uint64_t timeout_ms;
};

static int take(void *arg, int key, const char *value, struct error *err)
{
	struct health *health = arg;
	struct error why;

	if (key == 0)
		return error_set(
			err, ERR_BAD_REQUEST, "the argument '%.60s' is one too many", value);
	if (key == KEY_READY)
		health->ready = true;
	else if (unit_parse(UNIT_MS, value, &health->timeout_ms, &why) < 0)
		return error_set(err, ERR_BAD_REQUEST, "--timeout: %s", why.text);
	if (health->timeout_ms < 1 || health->timeout_ms > 3600000)
		return error_set(err, ERR_BAD_REQUEST, "--timeout: 1ms to 1h");
	return 0;
}

/* A Unix socket before all others: it asks for no certificate. */
static const struct http_place *nearest(const struct http_place *places, unsigned count)
{
	for (unsigned at = 0; at < count; at++)
		if (places[at].kind == PLACE_UNIX)
			return &places[at];
	return &places[0];
}

/* From inside, "every address" means this one. */
static const char *reachable(const char *host)
{
	return strcmp(host, "0.0.0.0") == 0 ? "127.0.0.1"
	       : strcmp(host, "::") == 0    ? "::1"
					    : host;
}

/* In a container the variables are those of the server: where it listens is where to ask. */
static const char *from_listen(char url[static URL_SIZE])
{
	const char *text = getenv("LEAT_LISTEN"), *cert = getenv("LEAT_TLS_CERT"), *host;
	struct http_place places[PLACES_MAX];
	const struct http_place *place;
	struct error err;
	unsigned count;

	if (text == NULL || listen_parse_places(text, 0, 0, places, &count, &err) < 0)
		return NULL;
	place = nearest(places, count);
	if (place->kind == PLACE_UNIX) {
		snprintf(url, URL_SIZE, "unix:%s", place->text);
		return url;
	}
	if (place->port == 0)
		return NULL;
	host = reachable(place->text);
	snprintf(url, URL_SIZE, strchr(host, ':') != NULL ? "%s://[%s]:%u" : "%s://%s:%u",
		cert != NULL && *cert != '\0' ? "https" : "http", host, place->port);
	return url;
}

static int ask(struct client *client, const struct health *health)
{
	const struct remote_request request = { .path = health->ready ? "/readyz" : "/livez",
		.timeout_ms = (unsigned)health->timeout_ms };
	struct remote_reply reply = REMOTE_REPLY_INIT;
	int code = EXIT_OK;
	struct error err;

	if (remote_call(client->remote, &request, &reply, &err) < 0) {
		code = client_fail(client, &err, EXIT_FAILED);
	} else if (reply.status != 200) {
		error_set(&err, ERR_BUSY, "%s%s answers %d: %.200s", remote_url(client->remote),
			request.path, reply.status, reply.body.data);
		code = client_fail(client, &err, EXIT_FAILED);
	}
	remote_reply_done(&reply);
	return code;
}

int command_health(int argc, char **argv)
{
	static const struct client_command command = {
		.name = "leat health",
		.intro = "Ask a server whether it lives: exit 0 when it does, else 1 and the "
			 "reason on standard error.",
		.examples =
			"Examples:\n"
			"  leat health --ready && echo 'takes work'\n"
			"  HEALTHCHECK CMD [\"leat\", \"health\"]\n\n"
			"Where LEAT_LISTEN is set, as for the server in the same container, and "
			"neither --server nor LEAT_SERVER is, that address is asked.",
		.own = own_options,
		.take = take,
	};
	struct health health = { .timeout_ms = TIMEOUT_MS };
	char url[URL_SIZE];
	struct client client;
	int code = client_begin(&client, &command, argc, argv, &health);

	if (code >= 0)
		return code;
	if (client.server == NULL)
		client.server = from_listen(url);
	code = client_open(&client);
	return client_end(&client, code >= 0 ? code : ask(&client, &health));
}
