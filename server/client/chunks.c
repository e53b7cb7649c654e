#include "client/chunks.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define READ_BYTES ((size_t)1 << 20)

void chunks_done(struct chunks *chunks)
{
	buf_done(&chunks->held);
}

static void forget_given(struct chunks *chunks)
{
	if (chunks->given > 0)
		buf_consume(&chunks->held, chunks->given);
	chunks->given = 0;
}

/* ---- reading ---- */

/* CHUNKS_CHUNK: there is something to read; CHUNKS_END: nothing within `timeout_ms`. */
static enum chunks_result wait_for_more(const struct chunks *chunks, int timeout_ms)
{
	struct pollfd fds[] = { { .fd = chunks->fd, .events = POLLIN },
		{ .fd = chunks->interrupt_fd, .events = POLLIN } };

	while (poll(fds, ARRAY_SIZE(fds), timeout_ms) < 0)
		if (errno != EINTR)
			return CHUNKS_CHUNK; /* read() says what is wrong */
	if (fds[1].revents != 0)
		return CHUNKS_INTERRUPTED;
	return fds[0].revents != 0 ? CHUNKS_CHUNK : CHUNKS_END;
}

static enum chunks_result read_more(struct chunks *chunks, struct error *err)
{
	ssize_t got;

	if (buf_reserve(&chunks->held, READ_BYTES) < 0) {
		error_no_memory(err);
		return CHUNKS_FAILED;
	}
	do
		got = read(chunks->fd, chunks->held.data + chunks->held.len, READ_BYTES);
	while (got < 0 && (errno == EINTR || errno == EAGAIN));
	if (got < 0) {
		error_set(err, ERR_BAD_REQUEST, "cannot be read: %m");
		return CHUNKS_FAILED;
	}
	chunks->held.len += (size_t)got;
	chunks->ended = got == 0;
	return CHUNKS_CHUNK;
}

/* Bytes up to behind the last line end. */
static size_t whole_lines(const struct buf *held)
{
	const char *end = held->len > 0 ? memrchr(held->data, '\n', held->len) : NULL;

	return end != NULL ? (size_t)(end + 1 - held->data) : 0;
}

static enum chunks_result too_long(const struct chunks *chunks, struct error *err)
{
	error_set(err, ERR_BAD_REQUEST, "line %llu is longer than %zu MiB",
		(unsigned long long)chunks->line + 1, CHUNKS_LINE_MAX >> 20);
	return CHUNKS_FAILED;
}

/* Until a chunk is full, the stream pauses, or it ends. */
static enum chunks_result fill(struct chunks *chunks, struct error *err)
{
	while (!chunks->ended) {
		size_t whole = whole_lines(&chunks->held);
		enum chunks_result result;

		if (chunks->held.len >= CHUNKS_BYTES && whole > 0)
			return CHUNKS_CHUNK;
		if (chunks->held.len >= CHUNKS_LINE_MAX)
			return too_long(chunks, err);
		result = wait_for_more(chunks, whole > 0 ? CHUNKS_PAUSE_MS : -1);
		if (result == CHUNKS_END)
			return CHUNKS_CHUNK;
		if (result == CHUNKS_CHUNK)
			result = read_more(chunks, err);
		if (result != CHUNKS_CHUNK)
			return result;
	}
	return CHUNKS_CHUNK;
}

/* ---- what is given out ---- */

static uint64_t count_lines(const char *bytes, size_t len)
{
	uint64_t lines = 0;

	for (const char *at = bytes, *end = bytes + len; at < end; at++) {
		at = memchr(at, '\n', (size_t)(end - at));
		lines++;
		if (at == NULL)
			break; /* the last line has no end */
	}
	return lines;
}

enum chunks_result chunks_next(struct chunks *chunks, struct chunk *ret, struct error *err)
{
	enum chunks_result result;
	size_t len;

	forget_given(chunks);
	result = fill(chunks, err);
	if (result != CHUNKS_CHUNK)
		return result;
	len = chunks->ended ? chunks->held.len : whole_lines(&chunks->held);
	if (len == 0)
		return CHUNKS_END;
	*ret = (struct chunk){ .bytes = chunks->held.data,
		.len = len,
		.first_line = chunks->line,
		.lines = count_lines(chunks->held.data, len) };
	chunks->given = len;
	chunks->line += ret->lines;
	return CHUNKS_CHUNK;
}

/* Bytes of the first lines, at most `lines` of them, of a chunk. */
static size_t bytes_of(const struct chunk *chunk, uint64_t lines)
{
	const char *at = chunk->bytes, *end = chunk->bytes + chunk->len;

	for (; lines > 0 && at < end; lines--) {
		const char *next = memchr(at, '\n', (size_t)(end - at));

		at = next != NULL ? next + 1 : end;
	}
	return (size_t)(at - chunk->bytes);
}

/* Of the chunk given out last only these lines are taken; the rest comes again. */
static void take_only(struct chunks *chunks, const struct chunk *chunk, uint64_t lines)
{
	chunks->given = bytes_of(chunk, lines);
	chunks->line = chunk->first_line + lines;
}

enum chunks_result chunks_skip(struct chunks *chunks, uint64_t lines, struct error *err)
{
	struct chunk chunk;

	while (chunks->line < lines) {
		enum chunks_result result = chunks_next(chunks, &chunk, err);

		if (result != CHUNKS_CHUNK)
			return result;
		if (chunks->line > lines)
			take_only(chunks, &chunk, lines - chunk.first_line);
	}
	return CHUNKS_CHUNK;
}

enum chunks_result chunks_line(struct chunks *chunks, struct buf *to, struct error *err)
{
	enum chunks_result result;
	struct chunk chunk;
	size_t len;

	result = chunks_next(chunks, &chunk, err);
	if (result != CHUNKS_CHUNK)
		return result;
	take_only(chunks, &chunk, 1);
	len = chunks->given;
	while (len > 0 && (chunk.bytes[len - 1] == '\n' || chunk.bytes[len - 1] == '\r'))
		len--;
	/* It is no item: the items' lines are counted from behind it. */
	chunks->line = 0;
	if (buf_append(to, chunk.bytes, len) == 0)
		return CHUNKS_CHUNK;
	error_no_memory(err);
	return CHUNKS_FAILED;
}
