/*
 * stream: the bytes of a file, as it stands or out of gzip or zstd.
 *
 * The file is opened from its root down, folder by folder, without following links, and must
 * be a regular one. Memory is bounded whatever it holds: buffers of 64 KiB, a window of 32 KiB
 * (gzip) or at most 8 MiB (zstd). What is read is told by what it is: a file that has become
 * shorter, or whose compressed data is cut off or damaged, is trouble and never just the end.
 */
#ifndef FILES_STREAM_H
#define FILES_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trouble.h"

enum coding { CODING_PLAIN, CODING_GZIP, CODING_ZSTD };

struct stream {
	int file; /* -1: not open */
	enum coding coding;
	uint64_t inode;
	uint64_t file_at; /* of the file's bytes, those that were read */
	uint64_t at;      /* of the decoded bytes, those that were given out */
	char *in, *out;
	size_t in_at, in_len;
	void *decoder;
	bool in_frame; /* compressed data has begun and not ended */
	bool full;     /* the last step had no room for more */
};

void stream_init(struct stream *stream);
int stream_open(struct stream *stream, int root, const char *path, enum coding coding,
	struct trouble *trouble);
void stream_close(struct stream *stream);
/* The next bytes, borrowed until the next call; *ret_len is 0 at the end. */
int stream_read(struct stream *stream, const char **ret_bytes, size_t *ret_len,
	struct trouble *trouble);
/* Go on from there, without reading what is before; false: it must be read and thrown away. */
bool stream_jump(struct stream *stream, uint64_t at);

#endif
