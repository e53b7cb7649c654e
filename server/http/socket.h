/*
 * socket: sockets that are listened on.
 *
 * Thread: any.
 */
#ifndef LEAT_HTTP_SOCKET_H
#define LEAT_HTTP_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"
#include "http/place.h"

/*
 * A listening socket; port 0 takes a free one. Numbers and names that the machine itself knows
 * are understood. Errors: ERR_BUSY (taken), ERR_BAD_REQUEST (no such address), ERR_INTERNAL.
 */
int socket_listen(
	const char *address, uint16_t port, int *ret_fd, uint16_t *ret_port, struct error *err);

/*
 * A listening Unix socket. One that lies there already is taken over only if nobody answers
 * on it; anything else that lies there is left alone (ERR_BUSY).
 */
int socket_listen_unix(const struct http_place *place, int *ret_fd, struct error *err);
/* Remove it, unless another one has taken its place; `made` is what was seen after it was made.
 */
void socket_remove_unix(const char *path, const struct stat *made);

/*
 * Is this descriptor one to accept connections from? Then it is made fit for it. `ret_unix`:
 * a Unix socket; else its port is given. ERR_BAD_REQUEST.
 */
int socket_take_handed(int fd, bool *ret_unix, uint16_t *ret_port, struct error *err);
/* What it is bound to, without the port: "127.0.0.1", "::1", "unix:/run/leat.sock". */
void socket_name(int fd, char *ret, size_t size);

/* Ask the system for descriptors for that many connections; returns how many there are. */
unsigned socket_reserve(unsigned connections);

#endif
