/*
 * block: the bytes of the ledger's records, written down once.
 *
 * An input block is self-contained (number, first item, count, checksum, texts), so that it
 * may travel to another machine one day. It has two shapes: *lines*, consecutive items as
 * they came in, and *retries*, items that failed and run again from the stage that failed.
 * Texts end with a NUL byte, so that a stage can be handed them in place.
 *
 * A result block holds lines that end with '\n', just as a reader sends them, and the number
 * of the input item each descends from.
 *
 * All integers are little-endian in memory order (the ledger does not move between machines
 * of different endianness). Checksum: XXH3-64 (https://github.com/Cyan4973/xxHash).
 *
 * Thread: any; nothing here allocates.
 */
#ifndef LEAT_LEDGER_BLOCK_H
#define LEAT_LEDGER_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define BLOCK_VERSION 1

/* With LMDB's page header and the seal it fills 16 pages exactly: freed runs fit the next. */
#define BLOCK_SIZE_MAX  65512
#define BLOCK_ITEMS_MAX 1024

enum block_kind { BLOCK_LINES = 0, BLOCK_RETRIES = 1 };

struct block_head { /* 32 bytes, in front of an input block's texts */
	uint8_t version, kind;
	uint16_t reserved;
	uint32_t count;
	uint64_t number;
	uint64_t first_item;
	uint64_t checksum; /* of what follows the head */
};

/* In front of each text of a BLOCK_RETRIES. */
struct retry_head { /* 32 bytes */
	uint64_t item;
	uint64_t part;
	uint32_t len; /* of the text, without its NUL */
	uint16_t stage;
	uint8_t span_bits;
	uint8_t had_results; /* other parts of the item have left results */
	uint64_t reserved;
};

struct result_head { /* 16 bytes; then count × u64 item numbers, then the lines */
	uint8_t version;
	uint8_t reserved[3];
	uint32_t count;
	uint64_t checksum; /* of what follows the head */
};

struct failure_head {          /* 48 bytes; then the error's text, then the input's */
	uint8_t version, kind; /* enum failure_kind */
	uint8_t span_bits, had_results;
	uint16_t stage, attempts;
	uint64_t item, part;
	uint64_t at_ms;
	uint32_t error_len, input_len;
	uint64_t checksum; /* of what follows the head */
};

enum failure_kind { FAILURE_PERMANENT, FAILURE_TRANSIENT, FAILURE_TIMEOUT, FAILURE_CRASH };
const char *failure_kind_name(enum failure_kind kind);

uint64_t block_checksum(const void *bytes, size_t len);

/* Fill in a head in front of `len` bytes of texts that follow it. */
void block_seal(struct block_head *head, size_t len);
/* Check version, sizes and checksum; ERR_STORE names what is wrong. */
int block_check(const void *bytes, size_t len, struct block_head *ret, struct error *err);

/* A view of a result block, and a walk over its lines. */
struct result_view {
	uint32_t count;
	const char *items; /* unaligned u64s: result_view_item() */
	const char *lines;
	size_t lines_len;
};
int result_view(const void *bytes, size_t len, struct result_view *ret, struct error *err);
uint64_t result_view_item(const struct result_view *view, uint32_t index);
/* How many results a stored block holds, without checking it whole; 0 if it is no block. */
uint32_t result_count(const void *bytes, size_t len);

struct failure_view {
	struct failure_head head;
	const char *error, *input;
};
int failure_view(const void *bytes, size_t len, struct failure_view *ret, struct error *err);
/* Append a whole record; the head says how long the texts are, the rest of it is filled in. */
int failure_encode(
	struct failure_head head, const char *error, const char *input, struct buf *to);

/* Bitmaps of finished items: bit i of byte i/8. */
static inline bool bitmap_test(const uint8_t *bitmap, size_t len, uint32_t bit)
{
	return bit / 8 < len && (bitmap[bit / 8] >> (bit % 8) & 1) != 0;
}
static inline void bitmap_set(uint8_t *bitmap, uint32_t bit)
{
	bitmap[bit / 8] |= (uint8_t)(1u << (bit % 8));
}

#endif
