/*
 * server: HTTP on the libuv loop.
 *
 *	socket ─► libmicrohttpd ─► request ─► router ─► a handler ─► engine
 *	                              ▲                                 │ a reply, room, results
 *	                              └────────── resumed ◄─────────────┘
 *
 * libmicrohttpd has no thread of its own here: its epoll descriptor is one of the loop's, so
 * everything of HTTP happens on the loop thread and nothing needs a lock. A request that has
 * to wait is suspended: its socket is not read, and TCP stops whoever uploads.
 *
 * Life: start ─► serve ─► quiesce ─► stop. Draining is the caller's: engine_drain() first
 * (/readyz says 503 and results can still be read meanwhile), then quiesce, then stop.
 *
 * Thread: loop. Nothing here logs that it listens; the caller knows the port.
 */
#ifndef LEAT_HTTP_SERVER_H
#define LEAT_HTTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/engine.h"
#include "http/place.h"

/* Which requests get a line in the log when they are over. */
enum access_log { ACCESS_OFF, ACCESS_ERRORS, ACCESS_ALL };

struct http_config {
	const struct http_place *places; /* borrowed by http_server_start() */
	unsigned place_count;            /* 1 to PLACES_MAX */
	const char *unix_users;          /* "": leat's own user and root; see http/identity.h */
	struct tls_config tls;           /* of the TCP sockets among them; borrowed likewise */
	unsigned connections_max;        /* the descriptors for them are asked of the system */
	unsigned connections_per_address; /* 0: half of connections_max, but at least 256 */
	size_t connection_memory;         /* bytes; a piece of a body is at most half of it */
	size_t head_max;                  /* bytes of a request's line and headers */
	unsigned idle_timeout_s;          /* a connection where nothing moves; 0: for ever */
	uint64_t rate_per_token;          /* requests a second; 0: any number */
	uint64_t rate_per_address;        /* the same, of who shows no token */
	unsigned header_ms;      /* a request's head must be here by then; 0: any time */
	uint64_t min_rate;       /* bytes a second of a body or reply under way; 0: any */
	unsigned slow_ms;        /* how long a client may be slower than that */
	size_t body_max;         /* bytes of a JSON document that is kept whole */
	double ratio_max;        /* decoded bytes for each byte of a compressed body */
	uint64_t discard_max;    /* bytes of a refused body that are read and thrown away */
	unsigned discard_ms;     /* and for how long */
	unsigned sse_comment_ms; /* how often an idle event stream says that it lives */
	unsigned sse_max;        /* streams of events at once */
	unsigned followers_max;  /* results followed, and requests that wait, at once */
	unsigned page_limit_max; /* of `limit` in lists of jobs */
	enum access_log access_log;
	bool audit_log;           /* a line for every request that would change something */
	const char *tokens;       /* path of the file; "": none are in force */
	const char *hosts;        /* names of this server, comma-separated */
	const char *cors_origins; /* whose pages may ask, comma-separated; "": nobody's */
};
extern const struct http_config http_config_default;

struct http_server;

/*
 * Listen and serve from now on. `config` is copied, `engine` is borrowed until stop.
 * Errors: ERR_BUSY (the port is taken), ERR_BAD_REQUEST (no such address), ERR_INTERNAL.
 */
int http_server_start(const struct http_config *config, struct engine *engine,
	struct http_server **ret, struct error *err);
/*
 * Read certificates and tokens again; who lost his token is cut off at once, nobody else
 * notices. On failure what was in force stays. ERR_BAD_REQUEST, ERR_NOT_FOUND.
 */
int http_server_reload(struct http_server *server, struct error *err);
/* How many tokens are in force. */
size_t http_server_tokens(const struct http_server *server);
/* Where it listens, one after the other; false: there are no more. */
struct http_listening {
	const char *address; /* "127.0.0.1", "unix:/run/leat.sock" */
	uint16_t port;
	bool is_unix, tls, handed;
};
bool http_server_listening(
	const struct http_server *server, unsigned at, struct http_listening *ret);
/* Requests that have not been answered whole. */
unsigned http_server_active(const struct http_server *server);
/* Accept no more, and answer whoever was accepted: for sockets that others hold. */
void http_server_leave(struct http_server *server);
/* Is everybody answered? `patient`: also those who have connected and not asked yet. */
bool http_server_has_left(const struct http_server *server, bool patient);
/* Accept no more, end followers, refuse uploads that wait; other replies go on. */
void http_server_quiesce(struct http_server *server);
/*
 * Cut what is left. The handles are closed when the loop has turned once more, and only then
 * is the memory given back: run the loop until it has nothing to do.
 */
void http_server_stop(struct http_server *server);

#endif
