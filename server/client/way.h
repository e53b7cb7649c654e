/*
 * way: how a server is reached, besides its URL: through a Unix socket, or over TLS with
 * certificates of one's own.
 *
 * Thread: one.
 */
#ifndef LEAT_CLIENT_WAY_H
#define LEAT_CLIENT_WAY_H

#include <curl/curl.h>
#include <stdbool.h>

#include "base/error.h"

struct remote_config;

#define WAY_UNIX "unix:"

struct way {
	char *socket; /* the path of a Unix socket; NULL: TCP */
	char *cacert; /* whose signatures are believed; NULL: those of the system */
	char *cert, *key;
};

/* ERR_BAD_REQUEST, ERR_NO_MEMORY; way_done() in any case. */
int way_init(struct way *way, const struct remote_config *config, struct error *err);
void way_done(struct way *way);
void way_apply(const struct way *way, CURL *easy);

/* What may be done about a connection that failed so, of which libcurl says `said`; NULL:
 * nothing that has to do with it. */
const char *way_hint(const struct way *way, CURLcode why, const char *said);

#endif
