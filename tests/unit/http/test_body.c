/* body: gzip, zstd and identity, in pieces of any size; what is cut, broken or a bomb. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "http/body.h"

static struct buf text, packed, unpacked;
static struct error err;

static void tear_down(void)
{
	buf_done(&text);
	buf_done(&packed);
	buf_done(&unpacked);
}

TestSuite(body, .fini = tear_down);

static void make_text(size_t len)
{
	buf_clear(&text);
	buf_clear(&packed);
	for (size_t at = 0; text.len < len; at++)
		buf_printf(&text, "{\"n\":%zu,\"h\":%zu}\n", at, at * 2654435761u % 1000003);
}

/* Append one more member or frame with all of the text. */
static void pack(bool zstd)
{
	z_stream stream = { 0 };
	size_t bound = text.len + text.len / 100 + 1000;

	buf_reserve(&packed, bound);
	if (zstd) {
		packed.len +=
			ZSTD_compress(packed.data + packed.len, bound, text.data, text.len, 3);
		return;
	}
	deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
	stream.next_in = (Bytef *)text.data;
	stream.avail_in = (uInt)text.len;
	stream.next_out = (Bytef *)packed.data + packed.len;
	stream.avail_out = (uInt)bound;
	deflate(&stream, Z_FINISH);
	packed.len += stream.total_out;
	deflateEnd(&stream);
}

/* 0, or -1 with err. */
static int unpack(const char *encoding, const char *bytes, size_t len, size_t piece)
{
	struct body body;
	const char *out;
	size_t out_len;
	int got = 0;

	buf_clear(&unpacked);
	if (body_open(&body, encoding, 1000, &err) < 0)
		return -1;
	for (size_t at = 0; at < len && got == 0; at += piece) {
		size_t part = MIN(piece, len - at);
		char *copy = malloc(part);

		memcpy(copy, bytes + at, part);
		body_feed(&body, copy, part);
		while ((got = body_next(&body, &out, &out_len, &err)) > 0)
			buf_append(&unpacked, out, out_len);
		free(copy);
	}
	if (got == 0)
		got = body_end(&body, &err);
	body_close(&body);
	return got;
}

static const char *const encodings[] = { NULL, "identity", "gzip", "x-gzip", "GZIP", "zstd" };

Test(body, comes_out_as_it_was_in_pieces_of_every_size)
{
	make_text(200000);
	for (size_t at = 0; at < ARRAY_SIZE(encodings); at++) {
		buf_clear(&packed);
		if (at < 2)
			buf_append(&packed, text.data, text.len);
		else
			pack(at == 5);
		for (size_t piece = 1; piece < 300000; piece = piece * 3 + 1) {
			cr_assert_eq(unpack(encodings[at], packed.data, packed.len, piece), 0,
				"%s", err.text);
			cr_assert_eq(unpacked.len, text.len, "%s in %zu", encodings[at], piece);
			cr_assert_eq(memcmp(unpacked.data, text.data, text.len), 0);
		}
	}
}

Test(body, may_have_several_members_or_frames)
{
	for (int zstd = 0; zstd < 2; zstd++) {
		make_text(1000);
		pack(zstd);
		pack(zstd);
		pack(zstd);
		cr_assert_eq(unpack(zstd ? "zstd" : "gzip", packed.data, packed.len, 7), 0);
		cr_assert_eq(unpacked.len, 3 * text.len);
	}
}

Test(body, that_is_cut_anywhere_is_corrupt_and_gives_what_it_has)
{
	for (int zstd = 0; zstd < 2; zstd++) {
		make_text(2000);
		pack(zstd);
		for (size_t len = 1; len < packed.len; len++) {
			cr_assert_eq(unpack(zstd ? "zstd" : "gzip", packed.data, len, 64), -1,
				"%zu of %zu", len, packed.len);
			cr_assert_eq(err.code, ERR_BODY_CORRUPT);
			cr_assert(zstd || len < packed.len / 2 || unpacked.len > 0);
		}
	}
}

Test(body, of_nothing_is_nothing)
{
	cr_assert_eq(unpack("gzip", "", 0, 1), 0);
	cr_assert_eq(unpack("zstd", "", 0, 1), 0);
}

Test(body, that_is_something_else_is_corrupt)
{
	make_text(1000);
	cr_assert_eq(unpack("gzip", text.data, text.len, 100), -1);
	cr_assert_eq(err.code, ERR_BODY_CORRUPT);
	cr_assert_eq(unpack("zstd", text.data, text.len, 100), -1);
	cr_assert_eq(err.code, ERR_BODY_CORRUPT);
	pack(false);
	buf_append_str(&packed, "rest");
	cr_assert_eq(unpack("gzip", packed.data, packed.len, 100), -1);
	buf_clear(&packed);
	pack(false);
	packed.data[packed.len - 5] ^= 1; /* checksum */
	cr_assert_eq(unpack("gzip", packed.data, packed.len, 100), -1);
	cr_assert_eq(err.code, ERR_BODY_CORRUPT);
}

Test(body, in_an_unknown_encoding_is_refused)
{
	cr_assert_eq(unpack("br", "", 0, 1), -1);
	cr_assert_eq(err.code, ERR_ENCODING);
	cr_assert_eq(unpack("gzip, zstd", "", 0, 1), -1);
	cr_assert_eq(err.code, ERR_ENCODING);
}

Test(body, that_is_a_bomb_is_stopped_after_little_work)
{
	size_t len = 64 << 20;
	char *zeros = calloc(1, len);

	for (int zstd = 0; zstd < 2; zstd++) {
		buf_clear(&packed);
		buf_clear(&text);
		buf_append(&text, zeros, len);
		pack(zstd);
		cr_assert_eq(
			unpack(zstd ? "zstd" : "gzip", packed.data, packed.len, 1 << 15), -1);
		cr_assert_eq(err.code, ERR_BODY_TOO_LARGE, "%s", err.text);
		cr_assert_lt(unpacked.len, 40 << 20);
	}
	free(zeros);
}

Test(body, that_packs_well_is_no_bomb_while_it_is_small)
{
	buf_clear(&packed);
	buf_clear(&text);
	while (text.len < 4 << 20)
		buf_append_str(&text, "{}\n");
	pack(true);
	cr_assert_lt(packed.len * 1000, text.len);
	cr_assert_eq(unpack("zstd", packed.data, packed.len, 100), 0, "%s", err.text);
	cr_assert_eq(unpacked.len, text.len);
}
