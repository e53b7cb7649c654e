#include "call/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage_write.h"

void text_done(struct text *text)
{
	free(text->at);
	*text = (struct text){ 0 };
}

void text_clear(struct text *text, size_t keep)
{
	if (text->capacity > keep)
		text_done(text);
	text->len = 0;
	text->no_memory = false;
}

char *text_room(struct text *text, size_t len)
{
	size_t capacity = text->capacity;
	char *at;

	if (text->no_memory)
		return NULL;
	if (text->capacity - text->len > len)
		return text->at + text->len;
	if (len > SIZE_MAX / 4 - text->len)
		return text->no_memory = true, NULL;
	while (capacity - text->len <= len)
		capacity += capacity / 2 + 64;
	at = realloc(text->at, capacity);
	if (at == NULL)
		return text->no_memory = true, NULL;
	text->at = at;
	text->capacity = capacity;
	return at + text->len;
}

void text_took(struct text *text, size_t len)
{
	text->len += len;
}

char *text_end(struct text *text)
{
	char *at = text_room(text, 1);

	if (at == NULL)
		return NULL;
	*at = '\0';
	return text->at;
}

void text_put(struct text *text, const char *bytes, size_t len)
{
	char *at = text_room(text, len);

	if (at == NULL || len == 0)
		return;
	memcpy(at, bytes, len);
	text->len += len;
}

void text_puts(struct text *text, const char *string)
{
	text_put(text, string, strlen(string));
}

void text_format(struct text *text, const char *format, ...)
{
	char line[400];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	text_puts(text, line);
}

static bool is_unreserved(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

void text_percent(struct text *text, const char *bytes, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";
	char *to = text_room(text, 3 * len), *begin = to;

	if (to == NULL)
		return;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (is_unreserved(c)) {
			*to++ = (char)c;
			continue;
		}
		*to++ = '%';
		*to++ = hex[c >> 4];
		*to++ = hex[c & 15];
	}
	text_took(text, (size_t)(to - begin));
}

/* Length of the UTF-8 sequence there, 0 where there is none: RFC 3629's table. */
static size_t sequence(const unsigned char *at, size_t left)
{
	unsigned char c = at[0], low = 0x80, high = 0xbf;
	size_t len = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || len > left)
		return 0;
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < len; i++, low = 0x80, high = 0xbf)
		if (at[i] < low || at[i] > high)
			return 0;
	return len;
}

void text_json(struct text *text, const char *bytes, size_t len)
{
	char *to = text_room(text, STAGE_ESCAPED_MAX(len) + 2), *begin = to;

	if (to == NULL)
		return;
	*to++ = '"';
	for (size_t i = 0, step; i < len; i += step) {
		step = sequence((const unsigned char *)bytes + i, len - i);
		if (step > 0) {
			to = stage_put_escaped(to, bytes + i, step);
			continue;
		}
		to = stage_put(to, "\xef\xbf\xbd", 3);
		step = 1;
	}
	*to++ = '"';
	text_took(text, (size_t)(to - begin));
}
