/*
 * stage_text: bytes that grow while a URL, a statement, a body or a result is put together.
 *
 *	struct stage_text sql = { 0 };
 *
 *	stage_text_puts(&sql, "SELECT ");
 *	…
 *	if (stage_text_end(&sql) == NULL)
 *		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
 *
 * It never fails in the middle: without memory it remembers that and takes nothing more, and
 * stage_text_end() answers NULL. So whoever builds checks once, at the end.
 */
#ifndef LEAT_STAGE_TEXT_H
#define LEAT_STAGE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stage_text {
	char *at;
	size_t len, capacity;
	bool no_memory;
};

static inline void stage_text_done(struct stage_text *text)
{
	free(text->at);
	*text = (struct stage_text){ 0 };
}

/* Begin again; memory beyond `keep` bytes is given back. */
static inline void stage_text_clear(struct stage_text *text, size_t keep)
{
	if (text->capacity > keep)
		stage_text_done(text);
	text->len = 0;
	text->no_memory = false;
}

/* Room for len more bytes and a NUL, NULL without memory; stage_text_took() says how many were
 * used. */
static inline char *stage_text_room(struct stage_text *text, size_t len)
{
	size_t capacity;
	char *at;

	if (text->no_memory)
		return NULL;
	if (len < text->capacity - text->len)
		return text->at + text->len;
	capacity = text->capacity + text->capacity / 2 + len + 64;
	at = len > SIZE_MAX / 4 ? NULL : (char *)realloc(text->at, capacity);
	if (at == NULL) {
		text->no_memory = true;
		return NULL;
	}
	text->at = at;
	text->capacity = capacity;
	return at + text->len;
}

static inline void stage_text_took(struct stage_text *text, size_t len)
{
	text->len += len;
}

/* With a NUL behind it, NULL when memory ran out. */
static inline char *stage_text_end(struct stage_text *text)
{
	char *to = stage_text_room(text, 0);

	if (to == NULL)
		return NULL;
	*to = '\0';
	return text->at;
}

static inline void stage_text_put(struct stage_text *text, const char *bytes, size_t len)
{
	char *to = stage_text_room(text, len);

	if (to == NULL || len == 0)
		return;
	memcpy(to, bytes, len);
	text->len += len;
}

static inline void stage_text_puts(struct stage_text *text, const char *string)
{
	stage_text_put(text, string, strlen(string));
}

/* As printf() has it, whatever its length. */
__attribute__((format(printf, 2, 3))) static inline void stage_text_format(
	struct stage_text *text, const char *format, ...)
{
	va_list args;
	char *to;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	to = len < 0 ? NULL : stage_text_room(text, (size_t)len);
	if (to == NULL)
		return;
	va_start(args, format);
	vsnprintf(to, (size_t)len + 1, format, args);
	va_end(args);
	text->len += (size_t)len;
}

#endif
