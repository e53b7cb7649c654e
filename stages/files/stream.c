#include "stream.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define BUFFER_SIZE ((size_t)64 << 10)
#define WINDOW_LOG  23 /* zstd: 8 MiB, what RFC 8878 asks of every decoder */

/* ---- opening ---- */

/* Down from the root: a link on the way, or at its end, is refused by the kernel. */
static int open_below(int root, const char *path)
{
	char name[NAME_MAX + 1];
	int folder = root, next;

	for (;;) {
		size_t len = strcspn(path, "/");
		bool last = path[len] == '\0';
		int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

		if (len == 0 || len >= sizeof(name) ||
			(len == 2 && path[0] == '.' && path[1] == '.')) {
			errno = EINVAL;
			next = -1;
		} else {
			memcpy(name, path, len);
			name[len] = '\0';
			next = openat(folder, name, last ? flags : flags | O_DIRECTORY);
		}
		if (folder != root) {
			int err = errno;

			close(folder);
			errno = err;
		}
		if (next < 0 || last)
			return next;
		folder = next;
		path += len + 1;
	}
}

static int cannot_open(int err, struct trouble *trouble)
{
	if (err == ENOENT)
		return trouble_set(trouble, STAGE_PERMANENT, "is not there any more");
	if (err == ELOOP)
		return trouble_set(
			trouble, STAGE_PERMANENT, "is a link; links are not followed");
	return trouble_set(trouble, trouble_kind(err), "%s", strerror(err));
}

static int check_file(struct stream *stream, struct trouble *trouble)
{
	struct stat stat;

	if (fstat(stream->file, &stat) < 0)
		return cannot_open(errno, trouble);
	if (!S_ISREG(stat.st_mode))
		return trouble_set(trouble, STAGE_PERMANENT,
			"is no regular file; pipes, devices and sockets are not read");
	stream->inode = stat.st_ino;
	return 0;
}

static int make_decoder(struct stream *stream)
{
	z_stream *gzip;

	if (stream->coding == CODING_PLAIN)
		return 0;
	stream->out = malloc(BUFFER_SIZE);
	if (stream->coding == CODING_ZSTD) {
		stream->decoder = ZSTD_createDStream();
		if (stream->decoder != NULL)
			ZSTD_DCtx_setParameter(
				stream->decoder, ZSTD_d_windowLogMax, WINDOW_LOG);
	} else {
		gzip = calloc(1, sizeof(*gzip));
		if (gzip != NULL && inflateInit2(gzip, 15 + 16) != Z_OK) {
			free(gzip);
			gzip = NULL;
		}
		stream->decoder = gzip;
	}
	return stream->out == NULL || stream->decoder == NULL ? -1 : 0;
}

void stream_init(struct stream *stream)
{
	*stream = (struct stream){ .file = -1 };
}

int stream_open(struct stream *stream, int root, const char *path, enum coding coding,
	struct trouble *trouble)
{
	stream_init(stream);
	stream->coding = coding;
	stream->file = open_below(root, path);
	if (stream->file < 0)
		return cannot_open(errno, trouble);
	stream->in = malloc(BUFFER_SIZE);
	if (stream->in == NULL || make_decoder(stream) < 0) {
		stream_close(stream);
		return trouble_memory(trouble);
	}
	if (check_file(stream, trouble) < 0) {
		stream_close(stream);
		return -1;
	}
	return 0;
}

void stream_close(struct stream *stream)
{
	if (stream->decoder != NULL && stream->coding == CODING_GZIP) {
		inflateEnd(stream->decoder);
		free(stream->decoder);
	} else if (stream->decoder != NULL) {
		ZSTD_freeDStream(stream->decoder);
	}
	free(stream->in);
	free(stream->out);
	if (stream->file >= 0)
		close(stream->file);
	stream_init(stream);
}

/* ---- reading ---- */

/* Of the file; in_len is 0 at its end, and that must be where the file ends. */
static int fill(struct stream *stream, struct trouble *trouble)
{
	struct stat stat;
	ssize_t got;

	do {
		got = pread(stream->file, stream->in, BUFFER_SIZE, (off_t)stream->file_at);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return trouble_set(
			trouble, trouble_kind(errno), "cannot be read: %s", strerror(errno));
	stream->in_at = 0;
	stream->in_len = (size_t)got;
	stream->file_at += (uint64_t)got;
	if (got == 0 && fstat(stream->file, &stat) == 0 &&
		(uint64_t)stat.st_size < stream->file_at)
		return trouble_set(trouble, STAGE_PERMANENT,
			"has become shorter while it was read: %llu bytes were read, it has %llu",
			(unsigned long long)stream->file_at, (unsigned long long)stat.st_size);
	return 0;
}

static int damaged(const char *why, struct trouble *trouble)
{
	return trouble_set(
		trouble, STAGE_PERMANENT, "its compressed data is damaged: %.100s", why);
}

/* One step of the decoder; *ret_len may be 0 in the middle, too. */
static int inflate_step(struct stream *stream, size_t *ret_len, struct trouble *trouble)
{
	z_stream *gzip = stream->decoder;
	int result;

	gzip->next_in = (Bytef *)stream->in + stream->in_at;
	gzip->avail_in = (uInt)(stream->in_len - stream->in_at);
	gzip->next_out = (Bytef *)stream->out;
	gzip->avail_out = (uInt)BUFFER_SIZE;
	result = inflate(gzip, Z_NO_FLUSH);
	if (result == Z_MEM_ERROR)
		return trouble_memory(trouble);
	if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
		return damaged(gzip->msg == NULL ? "it is no gzip" : gzip->msg, trouble);
	stream->in_at = stream->in_len - gzip->avail_in;
	*ret_len = BUFFER_SIZE - gzip->avail_out;
	stream->full = gzip->avail_out == 0;
	stream->in_frame = result != Z_STREAM_END;
	if (result == Z_STREAM_END) /* another part may follow */
		inflateReset(gzip);
	return 0;
}

static int zstd_step(struct stream *stream, size_t *ret_len, struct trouble *trouble)
{
	ZSTD_inBuffer in = { stream->in, stream->in_len, stream->in_at };
	ZSTD_outBuffer out = { stream->out, BUFFER_SIZE, 0 };
	size_t hint = ZSTD_decompressStream(stream->decoder, &out, &in);

	if (ZSTD_isError(hint) && strstr(ZSTD_getErrorName(hint), "too much memory") != NULL)
		return trouble_set(trouble, STAGE_PERMANENT,
			"needs a window of more than 8 MiB to be unpacked; compress it with "
			"--long=%d or less",
			WINDOW_LOG);
	if (ZSTD_isError(hint))
		return damaged(ZSTD_getErrorName(hint), trouble);
	stream->in_at = in.pos;
	*ret_len = out.pos;
	stream->full = out.pos == BUFFER_SIZE;
	stream->in_frame = hint != 0;
	return 0;
}

static int read_plain(
	struct stream *stream, const char **ret_bytes, size_t *ret_len, struct trouble *trouble)
{
	if (fill(stream, trouble) < 0)
		return -1;
	*ret_bytes = stream->in;
	*ret_len = stream->in_len;
	stream->at += stream->in_len;
	return 0;
}

int stream_read(
	struct stream *stream, const char **ret_bytes, size_t *ret_len, struct trouble *trouble)
{
	size_t len = 0;
	int result;

	if (stream->coding == CODING_PLAIN)
		return read_plain(stream, ret_bytes, ret_len, trouble);
	while (len == 0) {
		bool fresh = stream->in_at == stream->in_len && !stream->full;

		if (fresh && fill(stream, trouble) < 0)
			return -1;
		if (fresh && stream->in_len == 0 && stream->in_frame)
			return trouble_set(trouble, STAGE_PERMANENT,
				"its compressed data ends in the middle: it is cut off, or still "
				"being written");
		if (fresh && stream->in_len == 0)
			break;
		result = stream->coding == CODING_GZIP ? inflate_step(stream, &len, trouble)
						       : zstd_step(stream, &len, trouble);
		if (result < 0)
			return -1;
	}
	*ret_bytes = stream->out;
	*ret_len = len;
	stream->at += len;
	return 0;
}

bool stream_jump(struct stream *stream, uint64_t at)
{
	if (stream->coding != CODING_PLAIN)
		return false;
	stream->file_at = stream->at = at;
	return true;
}
