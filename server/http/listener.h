/*
 * listener: one socket that clients connect to, and what serves it.
 *
 *	place ─► a listening socket ─► accept ─► a daemon of libmicrohttpd, whose epoll
 *	                                         descriptor is one of the loop's
 *
 * libmicrohttpd speaks TLS for all connections of a daemon or for none, so every listener has
 * one. A socket that was handed over is never removed and stays open where it came from: who
 * connects while nobody accepts waits in its backlog.
 *
 * We accept ourselves. The library would, too, but where the system has no descriptor left it
 * tries again only when a connection of its own ends, and turns round and round when it has
 * none. Here whoever waits is asked for again after ACCEPT_AGAIN_MS, and the loop sleeps.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_LISTENER_H
#define LEAT_HTTP_LISTENER_H

#include <microhttpd.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <uv.h>

#include "base/error.h"
#include "http/place.h"

struct http_server;

#define LISTENER_NAME_SIZE (PLACE_TEXT_SIZE + 8)

struct listener {
	struct http_server *server;
	struct MHD_Daemon *daemon;
	uv_poll_t poll;    /* the daemon's epoll descriptor */
	uv_poll_t *knocks; /* the socket's: somebody wants in; NULL: nobody does any more */
	uv_timer_t again;  /* nobody could be let in: when to try once more */
	unsigned limit;    /* connections that the daemon takes */
	int fd;            /* -1: no more are accepted */
	uint16_t port;     /* of TCP */
	char name[LISTENER_NAME_SIZE];
	bool is_unix, tls, handed;
	char *path; /* of the Unix socket that we made; NULL: none to remove */
	struct stat made;
	bool has_poll;
	int starved; /* the errno for which nobody is let in now; 0: none */
	uint64_t starved_total;
};

/* Of one listener; each has its listener as `data`. */
#define LISTENER_HANDLES 2

/* Listen. Errors: ERR_BUSY, ERR_BAD_REQUEST, ERR_NO_MEMORY, ERR_INTERNAL. */
int listener_open(struct listener *listener, struct http_server *server,
	const struct http_place *place, struct error *err);
/* Have the loop look at the daemon, which is there by now, and at who wants in. */
void listener_watch(struct listener *listener, uv_loop_t *loop, uv_poll_cb on_readable);
/* Accept no more. */
void listener_quiesce(struct listener *listener);
/* Stop the daemon and forget the socket; the handles are left to be closed. */
void listener_stop(struct listener *listener);
void listener_close(struct listener *listener, uv_close_cb on_closed);

#endif
