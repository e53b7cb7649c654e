/*
 * caller: who is at the other end of a connection, from its begin to its end.
 *
 *	accepted ─► (TLS: handshake) ─► first request ─► … ─► closed
 *
 * What a request is told of its caller: over a Unix socket the user that the kernel vouches
 * for, over TLS the certificate that was verified.
 *
 * libmicrohttpd 0.9 and 1.0 call a connection that waits in the middle of its handshake ready
 * to be read, and would be run for it without a pause. So a TLS connection on which no request
 * has begun is parked after each turn: suspended, and its socket watched by the loop itself,
 * until something comes or its time is over.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_CALLER_H
#define LEAT_HTTP_CALLER_H

#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <uv.h>

#include "base/list.h"
#include "http/principal.h"

struct listener;
struct tls_generation;
struct http_server;
struct peer;

struct callers {
	struct list all;
	struct list awake;  /* they have just been served, and no request has begun */
	struct list parked; /* the longest waiting first */
};

struct caller {
	struct list among; /* of all */
	struct list link;  /* of one of the other lists above, or itself */
	struct listener *listener;
	struct peer *peer; /* as one of all who are connected; NULL: there was no memory */
	struct MHD_Connection *connection;
	struct tls_generation *tls;
	gnutls_session_t session; /* NULL: no TLS */
	uv_poll_t poll;
	uint64_t since_ns;
	uid_t uid; /* at the other end of a Unix socket; -1: not known */
	/* For http/identity.h: */
	char name[PRINCIPAL_NAME_SIZE]; /* that he shows; "": none */
	struct principal *self;         /* himself, where no tokens file speaks of him; NULL */
	bool has_poll, suspended, looked;
};

void callers_init(struct callers *callers);
/* After libmicrohttpd has run: nobody is left in its hands who is only waiting. */
void callers_park(struct callers *callers);
/* All of them go on; the server ends. */
void callers_wake(struct callers *callers);
/* Once a second: the library does not see how long a parked one has been idle. */
void callers_tick(struct callers *callers, uint64_t idle_ns, uint64_t now_ns);

/* The process has stood: what they have sent meanwhile is not seen yet, and they are not idle
 * for it. */
void callers_excuse(struct callers *callers, unsigned idle_timeout_s);

/* A connection begins; false without memory, and then it must not live. */
bool caller_begin(
	struct listener *listener, struct MHD_Connection *connection, void **socket_context);
void caller_end(void **socket_context);
/* NULL: there was no memory for it. */
struct caller *caller_of(struct MHD_Connection *connection);
/* The first line of a request is there. */
void caller_speaks(struct caller *caller);

/* Bytes of the peer's that the library has still not seen are in our hands already. */
bool caller_has_pending(const struct caller *caller);
/* The library notices, and ends it. */
void caller_cut(struct MHD_Connection *connection);
/* Past libmicrohttpd, and the last that the peer hears: all of it, or false. */
bool caller_send_last(struct MHD_Connection *connection, const char *bytes, size_t len);

#endif
