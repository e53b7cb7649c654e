/*
 * id: a job's identity, 128 bits that sort by birth.
 *
 * The layout is ULID's (https://github.com/ulid/spec): 48 bits of milliseconds, 80 random
 * ones; ids made within one millisecond by one process count upwards, so that "newest first"
 * is exact. Its text is `j_` and 26 lower-case Crockford base-32 digits.
 */
#ifndef LEAT_BASE_ID_H
#define LEAT_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ID_BYTES     16
#define ID_TEXT_SIZE 29 /* "j_" + 26 + NUL */

struct id {
	uint8_t bytes[ID_BYTES]; /* big-endian: memcmp() order is birth order */
};

/* Thread: any. */
struct id id_new(void);
/* The ids from now on are born after this one, also where the clock was set back. */
void id_follow(const struct id *id);
void id_format(const struct id *id, char ret_text[static ID_TEXT_SIZE]);
/* False when `text` is not exactly an id. */
bool id_parse(const char *text, struct id *ret_id);

static inline bool id_equal(const struct id *a, const struct id *b)
{
	return memcmp(a->bytes, b->bytes, ID_BYTES) == 0;
}

#endif
