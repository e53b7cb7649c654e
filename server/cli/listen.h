/*
 * listen: HOST:PORT taken apart.
 *
 * `127.0.0.1:8080`, `localhost:0`, `[::1]:8080`. Thread: any.
 */
#ifndef LEAT_CLI_LISTEN_H
#define LEAT_CLI_LISTEN_H

#include <stdint.h>

#include "base/error.h"

#define LISTEN_HOST_SIZE 256

/* ERR_BAD_REQUEST says what a good one looks like. */
int listen_parse(const char *text, char ret_host[static LISTEN_HOST_SIZE], uint16_t *ret_port,
	struct error *err);

#endif
