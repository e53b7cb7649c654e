/*
 * body: a request's body as it was meant, whatever Content-Encoding it came in.
 *
 * Decoding is streamed: nothing is kept but the decoder's window, so a bomb costs time only,
 * and of that no more than `ratio_max` bytes for each byte sent (small bodies may be better).
 *
 *	body_open(&body, "gzip", ratio_max, err)
 *	body_feed(&body, bytes, len)              borrowed until it was all decoded
 *	while ((got = body_next(&body, &piece, &len, err)) > 0) …
 *	body_end(&body, err)                      was it whole?
 *
 * gzip may have several members, zstd several frames. Thread: one.
 */
#ifndef LEAT_HTTP_BODY_H
#define LEAT_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct body {
	enum body_encoding { BODY_IDENTITY, BODY_GZIP, BODY_ZSTD } encoding;
	double ratio_max;
	uint64_t in, out;
	const char *at;
	size_t left;
	char *buffer;  /* decoded bytes */
	void *decoder; /* z_stream, ZSTD_DStream */
	bool inside;   /* a member or frame has begun and not ended */
	bool pending;  /* the decoder may have more without more input */
};

/* What decoding may take, of a body of this encoding. */
size_t body_memory(const char *encoding);
/* `encoding` NULL: as it is. ERR_ENCODING (unknown, or several), ERR_NO_MEMORY. */
int body_open(struct body *body, const char *encoding, double ratio_max, struct error *err);
void body_close(struct body *body);
void body_feed(struct body *body, const char *bytes, size_t len);
/*
 * 1: a decoded piece, borrowed until the next call; 0: all that was fed is decoded.
 * Errors: ERR_BODY_CORRUPT, ERR_BODY_TOO_LARGE (the ratio), ERR_NO_MEMORY.
 */
int body_next(struct body *body, const char **ret_piece, size_t *ret_len, struct error *err);
/* ERR_BODY_CORRUPT when a member or frame is cut off. */
int body_end(const struct body *body, struct error *err);

#endif
