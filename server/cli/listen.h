/*
 * listen: where to listen, taken apart.
 *
 * `127.0.0.1:8080`, `localhost:0`, `[::1]:8080`, `unix:/run/leat.sock`; more than one with
 * commas between them. Thread: any.
 */
#ifndef LEAT_CLI_LISTEN_H
#define LEAT_CLI_LISTEN_H

#include <stdint.h>

#include "base/error.h"
#include "http/place.h"

#define LISTEN_HOST_SIZE PLACE_TEXT_SIZE

/* ERR_BAD_REQUEST says what a good one looks like. */
int listen_parse(const char *text, char ret_host[static LISTEN_HOST_SIZE], uint16_t *ret_port,
	struct error *err);
/* All of them. A Unix socket is given `mode` and `group`. */
int listen_parse_places(const char *text, mode_t mode, gid_t group,
	struct http_place ret_places[static PLACES_MAX], unsigned *ret_count,
	struct error *err);

#endif
