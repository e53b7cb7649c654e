#include "sql/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sql_text_done(struct sql_text *text)
{
	free(text->at);
	*text = (struct sql_text){ 0 };
}

void sql_text_clear(struct sql_text *text, size_t keep)
{
	if (text->capacity > keep)
		sql_text_done(text);
	text->len = 0;
	text->no_memory = false;
}

char *sql_text_room(struct sql_text *text, size_t len)
{
	size_t capacity = text->capacity;
	char *at;

	if (text->no_memory)
		return NULL;
	if (len < capacity - text->len) /* one byte stays for the NUL */
		return text->at + text->len;
	capacity = capacity + capacity / 2 + len + 64;
	at = realloc(text->at, capacity);
	if (at == NULL) {
		text->no_memory = true;
		return NULL;
	}
	text->at = at;
	text->capacity = capacity;
	return at + text->len;
}

void sql_text_took(struct sql_text *text, size_t len)
{
	text->len += len;
}

char *sql_text_end(struct sql_text *text)
{
	char *to = sql_text_room(text, 0);

	if (to == NULL)
		return NULL;
	*to = '\0';
	return text->at;
}

void sql_text_put(struct sql_text *text, const char *bytes, size_t len)
{
	char *to = sql_text_room(text, len);

	if (to == NULL || len == 0)
		return;
	memcpy(to, bytes, len);
	text->len += len;
}

void sql_text_puts(struct sql_text *text, const char *string)
{
	sql_text_put(text, string, strlen(string));
}

void sql_text_format(struct sql_text *text, const char *format, ...)
{
	char piece[256];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(piece, sizeof(piece), format, args);
	va_end(args);
	sql_text_put(
		text, piece, (size_t)len < sizeof(piece) ? (size_t)len : sizeof(piece) - 1);
}

void sql_text_name(struct sql_text *text, const char *name)
{
	sql_text_put(text, "\"", 1);
	for (; *name != '\0'; name++)
		sql_text_put(text, *name == '"' ? "\"\"" : name, *name == '"' ? 2 : 1);
	sql_text_put(text, "\"", 1);
}

void sql_text_comma(struct sql_text *text, bool first)
{
	if (!first)
		sql_text_put(text, ", ", 2);
}

/* ---- base64 ---- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *sql_base64_put(char *to, const unsigned char *bytes, size_t len)
{
	for (; len > 0; bytes += 3) {
		size_t take = len < 3 ? len : 3;
		unsigned group = (unsigned)bytes[0] << 16 |
				 (take > 1 ? (unsigned)bytes[1] << 8 : 0) |
				 (take > 2 ? (unsigned)bytes[2] : 0);

		*to++ = digits[group >> 18];
		*to++ = digits[group >> 12 & 63];
		*to++ = take > 1 ? digits[group >> 6 & 63] : '=';
		*to++ = take > 2 ? digits[group & 63] : '=';
		len -= take;
	}
	return to;
}

size_t sql_base64_read(unsigned char *to, const char *text, size_t len)
{
	unsigned char *begin = to;
	unsigned group = 0, bits = 0;
	size_t padding = 0;

	if (len % 4 != 0)
		return (size_t)-1;
	while (padding < 2 && len > 0 && text[len - 1] == '=') {
		len--;
		padding++;
	}
	for (size_t i = 0; i < len; i++) {
		const char *digit = text[i] == '\0' ? NULL : strchr(digits, text[i]);

		if (digit == NULL)
			return (size_t)-1;
		group = (group << 6 | (unsigned)(digit - digits)) & 0xffffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			*to++ = (unsigned char)(group >> bits);
		}
	}
	return (size_t)(to - begin);
}
