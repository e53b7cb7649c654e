#include "http/followers.h"

#include "base/mem.h"
#include "http/exposition.h"
#include "http/internal.h"
#include "http/request.h"

static const struct {
	const char *name, *setting;
} kinds[FOLLOWS_COUNT] = {
	[FOLLOWS_EVENTS] = { "events", "sse-max" },
	[FOLLOWS_WAITING] = { "results", "followers-max" },
};

static unsigned bound(const struct http_server *server, enum follows what)
{
	const struct http_config *config = &server->config;

	return what == FOLLOWS_EVENTS ? config->sse_max : config->followers_max;
}

int follow_begin(struct request *request, enum follows what, struct error *err)
{
	struct followers *followers = &request->server->followers;
	unsigned max = bound(request->server, what);

	if (request->follows != FOLLOWS_NOTHING)
		return 0;
	if (followers->now[what] >= max) {
		followers->refused[what]++;
		return error_set(err, ERR_BUSY,
			what == FOLLOWS_EVENTS
				? "%u streams of events are open, as many as %s allows; ask for "
				  "the state now and then instead, or try again later"
				: "%u requests follow or wait, as many as %s allows; ask without "
				  "follow and wait_ms, or try again later",
			max, kinds[what].setting);
	}
	request->follows = what;
	followers->now[what]++;
	return 0;
}

void follow_end(struct request *request)
{
	if (request->follows != FOLLOWS_NOTHING)
		request->server->followers.now[request->follows]--;
	request->follows = FOLLOWS_NOTHING;
}

void followers_write(const struct http_server *server, struct exposition *to)
{
	const struct followers *followers = &server->followers;

	exposition_family(to, "leat_http_followers", "gauge",
		"Requests that stay: streams of events, and results followed or waited for.");
	for (int at = FOLLOWS_EVENTS; at < FOLLOWS_COUNT; at++)
		exposition_count(to, LABELS({ "of", kinds[at].name }), followers->now[at]);
	exposition_family(to, "leat_http_followers_max", "gauge",
		"How many there may be: the settings sse-max and followers-max.");
	for (int at = FOLLOWS_EVENTS; at < FOLLOWS_COUNT; at++)
		exposition_count(
			to, LABELS({ "of", kinds[at].name }), bound(server, (enum follows)at));
	exposition_family(to, "leat_http_followers_refused_total", "counter",
		"Requests refused with 503 because as many stayed as may.");
	for (int at = FOLLOWS_EVENTS; at < FOLLOWS_COUNT; at++)
		exposition_count(to, LABELS({ "of", kinds[at].name }), followers->refused[at]);
}
