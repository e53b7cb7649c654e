/*
 * tls: the certificates in force, and those of connections that began before.
 *
 *	files ─► generation 1 ◄── connections made with it
 *	reload ─► generation 2 ◄── new connections
 *
 * A reload makes a new generation and touches no connection; the old one goes with the last
 * connection that was made with it. Files that are no good change nothing: the generation in
 * force stays.
 *
 * libmicrohttpd makes the sessions and knows of none of this; each session is given its
 * generation when its connection begins.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_TLS_H
#define LEAT_HTTP_TLS_H

#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <stdint.h>

#include "base/error.h"
#include "http/place.h"

struct tls;
struct tls_generation;

/* Errors say which file and what is wrong with it: ERR_BAD_REQUEST, ERR_NO_MEMORY. */
int tls_new(const struct tls_config *config, struct tls **ret, struct error *err);
void tls_free(struct tls *tls);
/* Read the files again; on failure those that were read before stay in force. */
int tls_reload(struct tls *tls, struct error *err);
/* When the certificate in force ends, as Unix time. */
int64_t tls_expires(const struct tls *tls);

/* What a daemon is told that is to speak TLS. */
extern struct MHD_OptionItem tls_daemon_options[];

/* A connection begins: its session is given what is in force. */
struct tls_generation *tls_begin(struct tls *tls, gnutls_session_t session);
/* And is over. NULL does nothing. */
void tls_end(struct tls_generation *generation);

#endif
