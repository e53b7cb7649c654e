/*
 * listener: one socket that clients connect to, and what serves it.
 *
 *	place ─► a listening socket ─► a daemon of libmicrohttpd, whose epoll descriptor is
 *	                               one of the loop's
 *
 * libmicrohttpd speaks TLS for all connections of a daemon or for none, so every listener has
 * one. A socket that was handed over is never removed and stays open where it came from: who
 * connects while nobody accepts waits in its backlog.
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
	uv_poll_t poll; /* the daemon's epoll descriptor */
	int fd;         /* -1: no more are accepted */
	uint16_t port;  /* of TCP */
	char name[LISTENER_NAME_SIZE];
	bool is_unix, tls, handed;
	char *path; /* of the Unix socket that we made; NULL: none to remove */
	struct stat made;
	bool has_poll;
};

/* Listen. Errors: ERR_BUSY, ERR_BAD_REQUEST, ERR_NO_MEMORY, ERR_INTERNAL. */
int listener_open(struct listener *listener, struct http_server *server,
	const struct http_place *place, struct error *err);
/* Have the loop look at the daemon, which is there by now. */
void listener_watch(struct listener *listener, uv_loop_t *loop, uv_poll_cb on_readable);
/* Accept no more. */
void listener_quiesce(struct listener *listener);
/* Stop the daemon and forget the socket; the poll handle is left to be closed. */
void listener_stop(struct listener *listener);

#endif
