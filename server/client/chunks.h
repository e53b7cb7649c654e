/*
 * chunks: a stream of lines, cut into pieces of whole lines that can be sent again.
 *
 * A chunk is what may be lost on the way: it stays in memory until the next one is asked
 * for. It is full at 4 MiB; where the stream pauses it ends earlier, so that a slow one is
 * sent as it comes. One line may be longer, up to 64 MiB, then it is a chunk of its own.
 *
 * Thread: one.
 */
#ifndef LEAT_CLIENT_CHUNKS_H
#define LEAT_CLIENT_CHUNKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define CHUNKS_BYTES    ((size_t)4 << 20)
#define CHUNKS_LINE_MAX ((size_t)64 << 20)
#define CHUNKS_PAUSE_MS 20

struct chunks {
	int fd, interrupt_fd; /* borrowed; -1: none */
	struct buf held;
	size_t given;  /* bytes of `held` that were given out last */
	uint64_t line; /* lines before the next chunk */
	bool ended;
};

struct chunk {
	const char *bytes; /* borrowed until the next call */
	size_t len;
	uint64_t first_line, lines;
};

enum chunks_result {
	CHUNKS_CHUNK,
	CHUNKS_END,
	CHUNKS_INTERRUPTED,
	CHUNKS_FAILED, /* err: the stream cannot be read, a line is too long, no memory */
};

static inline void chunks_init(struct chunks *chunks, int fd, int interrupt_fd)
{
	*chunks = (struct chunks){ .fd = fd, .interrupt_fd = interrupt_fd };
}
void chunks_done(struct chunks *chunks);
enum chunks_result chunks_next(struct chunks *chunks, struct chunk *ret, struct error *err);
/* Passes over lines that need not be sent; CHUNKS_CHUNK when that is done. */
enum chunks_result chunks_skip(struct chunks *chunks, uint64_t lines, struct error *err);
/* One line, without its end, in front of the rest. */
enum chunks_result chunks_line(struct chunks *chunks, struct buf *to, struct error *err);

#endif
