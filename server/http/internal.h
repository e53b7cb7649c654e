/*
 * internal: what the parts of HTTP know of the server.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_INTERNAL_H
#define LEAT_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <stdbool.h>
#include <uv.h>

#include "base/list.h"
#include "base/log.h"
#include "engine/split.h"
#include "http/followers.h"
#include "http/caller.h"
#include "http/identity.h"
#include "http/listener.h"
#include "http/peers.h"
#include "http/rate.h"
#include "http/server.h"
#include "http/tls.h"
#include "http/traffic.h"

struct hub;
struct principal;
struct tokens;

struct http_server {
	struct http_config config;
	struct engine *engine;
	uv_loop_t *loop;
	struct listener listeners[PLACES_MAX];
	unsigned listener_count;
	struct callers callers;
	struct tls *tls; /* NULL: none */
	struct identity_users unix_users;
	uv_prepare_t
		prepare; /* before the loop sleeps: what was resumed runs, timeouts are asked */
	uv_timer_t timer; /* libmicrohttpd's next timeout */
	uint64_t timer_due_ms;
	uv_timer_t tick;
	unsigned ticks, closing;
	struct list requests;
	struct peers peers;
	struct rates rates;
	struct followers followers;
	unsigned active;
	uint64_t served, started_ns;
	uint64_t stood_ns; /* clock_stood_ns(), as the connections know it */
	struct http_traffic traffic;
	struct json_check *check;
	struct hub *hub;             /* watchers of all jobs */
	struct tokens *tokens;       /* in force; NULL: none are */
	struct principal *anonymous; /* whoever asks, where none are */
	struct principal *nobody;    /* who shows none, where they are */
	struct log_limit log_limit, audit_limit;
	bool kicked, leaving, quiesced, stopping;
};

/* Something was resumed: see to it that libmicrohttpd runs before the loop sleeps. */
void http_server_kick(struct http_server *server);

#endif
