#include "http/body.h"

#include <string.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

#include "base/mem.h"

#define BUFFER_SIZE ((size_t)64 << 10)
#define RATIO_FREE  ((uint64_t)8 << 20) /* decoded bytes that nobody counts */
#define WINDOW_LOG  23                  /* zstd: 8 MiB, what RFC 8878 asks of every decoder */

static int parse_encoding(const char *text, enum body_encoding *ret, struct error *err)
{
	if (text == NULL || text[0] == '\0' || strcasecmp(text, "identity") == 0)
		*ret = BODY_IDENTITY;
	else if (strcasecmp(text, "gzip") == 0 || strcasecmp(text, "x-gzip") == 0)
		*ret = BODY_GZIP;
	else if (strcasecmp(text, "zstd") == 0)
		*ret = BODY_ZSTD;
	else
		return error_set(err, ERR_ENCODING,
			"Content-Encoding '%.60s' is not one of gzip, zstd, identity", text);
	return 0;
}

static void *zlib_alloc(void *arg, unsigned count, unsigned size)
{
	return mem_alloc((size_t)count * size);
}

static void zlib_free(void *arg, void *memory)
{
	mem_free(memory);
}

static void *open_gzip(void)
{
	z_stream *stream = mem_zalloc(sizeof(*stream));

	if (stream == NULL)
		return NULL;
	stream->zalloc = zlib_alloc;
	stream->zfree = zlib_free;
	if (inflateInit2(stream, 15 + 16) == Z_OK)
		return stream;
	mem_free(stream);
	return NULL;
}

static void *open_zstd(void)
{
	ZSTD_DStream *stream = ZSTD_createDStream();

	if (stream != NULL)
		ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, WINDOW_LOG);
	return stream;
}

size_t body_memory(const char *encoding)
{
	enum body_encoding known;

	if (parse_encoding(encoding, &known, NULL) < 0 || known == BODY_IDENTITY)
		return 0;
	return BUFFER_SIZE + (known == BODY_ZSTD ? (size_t)1 << WINDOW_LOG : BUFFER_SIZE);
}

int body_open(struct body *body, const char *encoding, double ratio_max, struct error *err)
{
	*body = (struct body){ .ratio_max = ratio_max };
	if (parse_encoding(encoding, &body->encoding, err) < 0)
		return -1;
	if (body->encoding == BODY_IDENTITY)
		return 0;
	body->buffer = mem_alloc(BUFFER_SIZE);
	body->decoder = body->encoding == BODY_GZIP ? open_gzip() : open_zstd();
	if (body->buffer != NULL && body->decoder != NULL)
		return 0;
	body_close(body);
	return error_no_memory(err);
}

void body_close(struct body *body)
{
	if (body->decoder != NULL && body->encoding == BODY_GZIP) {
		inflateEnd(body->decoder);
		mem_free(body->decoder);
	} else if (body->decoder != NULL) {
		ZSTD_freeDStream(body->decoder);
	}
	mem_free(body->buffer);
	body->decoder = NULL;
	body->buffer = NULL;
}

void body_feed(struct body *body, const char *bytes, size_t len)
{
	body->at = bytes;
	body->left = len;
	body->in += len;
}

static int corrupt(struct error *err, const char *what, const char *why)
{
	return error_set(err, ERR_BODY_CORRUPT, "the body is not proper %s: %s", what, why);
}

/* Each member ends with its checksum; another may follow at once. */
static int next_gzip(struct body *body, size_t *ret_len, struct error *err)
{
	z_stream *stream = body->decoder;
	int result;

	stream->next_in = (Bytef *)(uintptr_t)body->at;
	stream->avail_in = (uInt)body->left;
	stream->next_out = (Bytef *)body->buffer;
	stream->avail_out = (uInt)BUFFER_SIZE;
	body->inside |= body->left > 0;
	result = inflate(stream, Z_NO_FLUSH);
	body->at += body->left - stream->avail_in;
	body->left = stream->avail_in;
	body->pending = stream->avail_out == 0;
	*ret_len = BUFFER_SIZE - stream->avail_out;
	if (result == Z_MEM_ERROR)
		return error_no_memory(err);
	if (result == Z_STREAM_END) {
		inflateReset(stream);
		body->inside = body->pending = false;
	} else if (result != Z_OK && result != Z_BUF_ERROR) {
		return corrupt(
			err, "gzip", stream->msg != NULL ? stream->msg : "unknown error");
	}
	return 0;
}

static int next_zstd(struct body *body, size_t *ret_len, struct error *err)
{
	ZSTD_inBuffer in = { body->at, body->left, 0 };
	ZSTD_outBuffer out = { body->buffer, BUFFER_SIZE, 0 };
	size_t hint = ZSTD_decompressStream(body->decoder, &out, &in);

	if (ZSTD_isError(hint))
		return corrupt(err, "zstd", ZSTD_getErrorName(hint));
	if (in.pos > 0 || out.pos > 0)
		body->inside = hint != 0;
	body->at += in.pos;
	body->left -= in.pos;
	body->pending = out.pos == out.size;
	*ret_len = out.pos;
	return 0;
}

static int check_ratio(struct body *body, struct error *err)
{
	if (body->out <= RATIO_FREE || (double)body->out <= body->ratio_max * (double)body->in)
		return 0;
	return error_set(err, ERR_BODY_TOO_LARGE,
		"the body unpacks to more than %.0f times its size", body->ratio_max);
}

int body_next(struct body *body, const char **ret_piece, size_t *ret_len, struct error *err)
{
	size_t len = 0;
	int result;

	if (body->encoding == BODY_IDENTITY) {
		*ret_piece = body->at;
		*ret_len = body->left;
		body->left = 0;
		return *ret_len > 0;
	}
	while (body->left > 0 || body->pending) {
		result = body->encoding == BODY_GZIP ? next_gzip(body, &len, err)
						     : next_zstd(body, &len, err);
		if (result < 0)
			return -1;
		body->out += len;
		if (check_ratio(body, err) < 0)
			return -1;
		if (len > 0) {
			*ret_piece = body->buffer;
			*ret_len = len;
			return 1;
		}
	}
	return 0;
}

int body_end(const struct body *body, struct error *err)
{
	if (body->encoding == BODY_IDENTITY || (!body->inside && body->in > 0))
		return 0;
	if (body->in == 0)
		return 0; /* nothing at all is as good as nothing packed */
	return corrupt(
		err, body->encoding == BODY_GZIP ? "gzip" : "zstd", "it ends in the middle");
}
