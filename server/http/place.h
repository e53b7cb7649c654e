/*
 * place: where a server listens.
 *
 * Either an address of its own choice, or a socket that somebody else has opened and goes on
 * holding (systemd, or whoever restarts the server without refusing anybody meanwhile).
 */
#ifndef LEAT_HTTP_PLACE_H
#define LEAT_HTTP_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PLACE_DEFAULT   "127.0.0.1:8080"
#define PLACE_TEXT_SIZE 256
#define PLACES_MAX      8

struct http_place {
	enum place_kind { PLACE_TCP, PLACE_UNIX, PLACE_HANDED } kind;
	char text[PLACE_TEXT_SIZE]; /* a host; the path of a Unix socket */
	uint16_t port;              /* 0: any free one */
	int fd;                     /* PLACE_HANDED */
	mode_t mode;                /* of the Unix socket, and whose it is; -1: not changed */
	gid_t group;
};

/* Certificates, for the places of TCP. */
struct tls_config {
	const char *cert, *key; /* PEM files; NULL: no TLS */
	const char *client_ca;  /* NULL: clients are not asked for certificates */
	bool client_must;       /* have one; otherwise those who show none are let in, too */
};

#endif
