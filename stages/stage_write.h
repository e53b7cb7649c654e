/*
 * stage_write: small pieces of JSON into memory that the caller has measured.
 *
 * Every function writes at `to` and returns where the next byte goes.
 */
#ifndef LEAT_STAGE_WRITE_H
#define LEAT_STAGE_WRITE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline char *stage_put(char *to, const char *bytes, size_t len)
{
	memcpy(to, bytes, len);
	return to + len;
}

/* A literal. */
#define STAGE_PUT(to, text) stage_put(to, text, sizeof(text) - 1)

/* At most 20 bytes. */
#define STAGE_INT_MAX 20
static inline char *stage_put_uint(char *to, uint64_t value)
{
	char digits[STAGE_INT_MAX];
	size_t first = sizeof(digits);

	do {
		digits[--first] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return stage_put(to, digits + first, sizeof(digits) - first);
}

static inline char *stage_put_int(char *to, int64_t value)
{
	if (value >= 0)
		return stage_put_uint(to, (uint64_t)value);
	*to++ = '-';
	return stage_put_uint(to, -(uint64_t)value);
}

/* The bytes of a string between its quotes, escaped; at most 6 × len. */
#define STAGE_ESCAPED_MAX(len) (6 * (len))
static inline char *stage_put_escaped(char *to, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x20) {
			if (c == '"' || c == '\\')
				*to++ = '\\';
			*to++ = (char)c;
			continue;
		}
		to = stage_put(to, "\\u00", 4);
		*to++ = hex[c >> 4];
		*to++ = hex[c & 15];
	}
	return to;
}

/* `len` bytes as 2 × len lower-case hex digits. */
static inline char *stage_put_hex(char *to, const uint8_t *bytes, size_t len)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*to++ = hex[bytes[i] >> 4];
		*to++ = hex[bytes[i] & 15];
	}
	return to;
}

#endif
