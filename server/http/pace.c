#include "http/pace.h"

#include "base/clock.h"
#include "http/discard.h"
#include "http/internal.h"
#include "http/request.h"

/* Whose turn is it? */
static enum pace_in turn(const struct request *request)
{
	const struct endpoint *endpoint = request->endpoint;

	if (request->suspended || request->gone)
		return PACE_NONE;
	if (request->finished)
		return request->response == NULL ? PACE_NONE : PACE_REPLY;
	if (!request->in_body || request->response != NULL ||
		(endpoint->at_rest != NULL && endpoint->at_rest(request)))
		return PACE_NONE;
	return PACE_BODY;
}

static uint64_t gone_by(const struct request *request, enum pace_in in)
{
	return in == PACE_BODY ? request->bytes_in
			       : peer_taken(request->peer, request->bytes_out);
}

static void begin(struct request *request, enum pace_in in, uint64_t now_ns)
{
	request->pace = (struct pace){ .in = in, .at_ns = now_ns };
	if (in != PACE_NONE)
		request->pace.from = gone_by(request, in);
}

static bool is_fast(const struct request *request, uint64_t now)
{
	const struct pace *pace = &request->pace;

	return (double)(now - pace->from) * (double)NS_PER_S >=
	       (double)request_config(request)->min_rate * (double)pace->spent_ns;
}

static void end_body(struct request *request)
{
	const struct http_config *config = request_config(request);
	struct error err;

	request->server->peers.slow_bodies++;
	error_set(&err, ERR_TOO_SLOW,
		"the body came with less than %llu bytes a second (min-rate) for %u ms (slow-ms); "
		"send it faster, or in smaller requests",
		(unsigned long long)config->min_rate, config->slow_ms);
	request_fail(request, &err);
}

static void end_reply(struct request *request)
{
	request->server->peers.slow_replies++;
	peer_cut(request->peer);
}

void pace_tick(struct request *request, uint64_t now_ns)
{
	const struct http_config *config = request_config(request);
	struct pace *pace = &request->pace;
	enum pace_in in = turn(request);

	if (config->min_rate == 0 || request->peer == NULL)
		return;
	if (in != pace->in || in == PACE_NONE) {
		begin(request, in, now_ns);
		return;
	}
	pace->spent_ns += now_ns - pace->at_ns;
	pace->at_ns = now_ns;
	if (is_fast(request, gone_by(request, in))) {
		begin(request, in, now_ns);
	} else if (pace->spent_ns >= config->slow_ms * NS_PER_MS) {
		begin(request, PACE_NONE, now_ns);
		if (in == PACE_BODY)
			end_body(request);
		else
			end_reply(request);
	}
}
