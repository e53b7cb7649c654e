/*
 * socket: what libmicrohttpd does not do for us.
 *
 * Thread: any.
 */
#ifndef LEAT_HTTP_SOCKET_H
#define LEAT_HTTP_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/*
 * A listening socket; port 0 takes a free one. Numbers and names that the machine itself knows
 * are understood. Errors: ERR_BUSY (taken), ERR_BAD_REQUEST (no such address), ERR_INTERNAL.
 */
int socket_listen(
	const char *address, uint16_t port, int *ret_fd, uint16_t *ret_port, struct error *err);

/* Ask the system for descriptors for that many connections; returns how many there are. */
unsigned socket_reserve(unsigned connections);

#endif
