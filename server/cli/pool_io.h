/*
 * pool_io: read(2) and write(2) on descriptors that may block, from the loop.
 *
 * Standard input and output may be a file, a pipe, a terminal or a socket that other
 * processes share, so nothing about them is changed (no O_NONBLOCK). One of libuv's pool
 * threads waits in poll(2) for the descriptor *or* for a stop, and then moves only as much
 * as cannot block: an operation always ends soon after pool_stop_now().
 *
 * One operation at a time for each struct. Thread: loop.
 */
#ifndef LEAT_CLI_POOL_IO_H
#define LEAT_CLI_POOL_IO_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <uv.h>

#include "base/error.h"

/* What ends all operations that were given it. Wraps an eventfd(2). */
struct pool_stop {
	int fd;
};
int pool_stop_init(struct pool_stop *stop, struct error *err);
void pool_stop_now(struct pool_stop *stop);
void pool_stop_done(struct pool_stop *stop);

struct pool_io {
	uv_loop_t *loop;
	const struct pool_stop *stop;
	int fd;
	void *arg;
	/* Bytes moved, 0 at the end of the input, or -errno: -EAGAIN when nothing came within
	 * the patience, -ECANCELED after a stop. */
	void (*done)(void *arg, ssize_t result);
	/* The operation under way; the module's own. */
	uv_work_t work;
	struct iovec *parts, single;
	unsigned part_count;
	int patience_ms;
	ssize_t result;
	bool busy;
};

/* Neither fails: what goes wrong comes by `done`, never from within the call. */
void pool_io_read(struct pool_io *io, void *to, size_t size, int patience_ms);
/* All of the parts, in order. `parts` is borrowed until `done`. */
void pool_io_write(struct pool_io *io, struct iovec *parts, unsigned count);

#endif
