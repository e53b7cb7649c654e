/*
 * guard: who asks, from where, and may he? Before anybody works for a request.
 *
 *	guard_identify ─► (route) ─► guard_admit ─► endpoint ─► reply ─► guard_seal
 *
 * Against whom:
 *  - a stranger: where tokens are in force, a route that wants a scope wants a token;
 *  - a web page of somebody else in the browser of somebody who may. It can make that browser
 *    send requests, so what changes something is refused where `Origin` or `Sec-Fetch-Site` is
 *    another's; it cannot read replies, for CORS says nothing unless its origin is listed; and
 *    it cannot have its own name lead here (DNS rebinding), because a `Host` that is a name
 *    must be listed, or come with a token, which no page has. There are no cookies.
 *  - who reads our memory: what `Authorization` holds is wiped once it was looked at.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_GUARD_H
#define LEAT_HTTP_GUARD_H

#include "http/request.h"

/* The tokens of the server's configuration. */
int guard_open(struct http_server *server, struct error *err);
void guard_close(struct http_server *server);
/* Read them again; the old ones stay where that fails. Whoever lost his is cut off. */
int guard_reload(struct http_server *server, struct error *err);

/* Find out who asks, and wipe the token. First of all, and always. */
void guard_identify(struct request *request);
/* May he do this here? Its route is known. ERR_UNAUTHORIZED, ERR_FORBIDDEN, ERR_HOST,
 * ERR_CROSS_ORIGIN. */
int guard_admit(struct request *request, struct error *err);
/* A browser asks whether a page of a listed origin may; false: it is not such a request. */
bool guard_preflight(struct request *request, const char *method);
/* Headers that every reply has, just made. */
void guard_seal(struct request *request);
/* How to come in, for the header WWW-Authenticate. */
void guard_challenge(struct request *request, const struct error *err);

/* Is `word` one of the comma-separated `list`? Without regard to case. */
bool guard_listed(const char *list, const char *word, size_t len);
/* An address or `localhost`, which no rebinding can be behind, or one of `hosts`; NULL:
 * HTTP/1.0 needs none. A port is passed over. */
bool guard_host_is_ours(const char *host, const char *hosts);

#endif
