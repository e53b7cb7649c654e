#include "cli/pool_io.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

int pool_stop_init(struct pool_stop *stop, struct error *err)
{
	stop->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (stop->fd < 0)
		return error_set(err, ERR_INTERNAL, "eventfd: %m");
	return 0;
}

void pool_stop_now(struct pool_stop *stop)
{
	uint64_t one = 1;

	if (write(stop->fd, &one, sizeof(one)) < 0)
		assert(errno ==
			EAGAIN); /* the counter is full: it is stopped more than enough */
}

void pool_stop_done(struct pool_stop *stop)
{
	if (stop->fd >= 0)
		close(stop->fd);
	stop->fd = -1;
}

/* 1: ready, 0: nothing within the patience, or -errno. */
static int wait_ready(const struct pool_io *io, short events, int patience_ms)
{
	struct pollfd fds[] = { { .fd = io->fd, .events = events },
		{ .fd = io->stop->fd, .events = POLLIN } };
	int ready;

	do
		ready = poll(fds, ARRAY_SIZE(fds), patience_ms);
	while (ready < 0 && errno == EINTR);
	if (ready < 0)
		return -errno;
	if (fds[1].revents != 0)
		return -ECANCELED;
	return ready > 0; /* errors and hang-ups show in the read or write that follows */
}

static void read_work(uv_work_t *work)
{
	struct pool_io *io = CONTAINER_OF(work, struct pool_io, work);
	int ready = wait_ready(io, POLLIN, io->patience_ms);

	if (ready <= 0) {
		io->result = ready < 0 ? ready : -EAGAIN;
		return;
	}
	do
		io->result = readv(io->fd, io->parts, (int)io->part_count);
	while (io->result < 0 && errno == EINTR);
	if (io->result < 0)
		io->result = -errno;
}

/* POLLOUT promises room for PIPE_BUF bytes; a file takes anything. */
static size_t piece_max(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? SSIZE_MAX : PIPE_BUF;
}

static ssize_t write_part(const struct pool_io *io, const struct iovec *part, size_t piece)
{
	const char *at = part->iov_base;
	size_t left = part->iov_len;

	while (left > 0) {
		int ready = wait_ready(io, POLLOUT, -1);
		ssize_t len;

		if (ready < 0)
			return ready;
		len = write(io->fd, at, MIN(left, piece));
		if (len < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (len > 0) {
			at += len;
			left -= (size_t)len;
		}
	}
	return 0;
}

static void write_work(uv_work_t *work)
{
	struct pool_io *io = CONTAINER_OF(work, struct pool_io, work);
	size_t piece = piece_max(io->fd);

	io->result = 0;
	for (unsigned i = 0; i < io->part_count; i++) {
		ssize_t failed = write_part(io, &io->parts[i], piece);

		if (failed < 0) {
			io->result = failed;
			return;
		}
		io->result += (ssize_t)io->parts[i].iov_len;
	}
}

static void after_work(uv_work_t *work, int status)
{
	struct pool_io *io = CONTAINER_OF(work, struct pool_io, work);

	io->busy = false;
	io->done(io->arg, status < 0 ? -ECANCELED : io->result);
}

static void start(struct pool_io *io, uv_work_cb work)
{
	int failed;

	assert(!io->busy);
	io->busy = true;
	failed = uv_queue_work(io->loop, &io->work, work, after_work);
	assert(failed == 0); /* it only fails without a function to call */
}

void pool_io_read(struct pool_io *io, void *to, size_t size, int patience_ms)
{
	io->single = (struct iovec){ .iov_base = to, .iov_len = size };
	io->parts = &io->single;
	io->part_count = 1;
	io->patience_ms = patience_ms;
	start(io, read_work);
}

void pool_io_write(struct pool_io *io, struct iovec *parts, unsigned count)
{
	io->parts = parts;
	io->part_count = count;
	start(io, write_work);
}
