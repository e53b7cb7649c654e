/*
 * text: bytes that grow while a URL, a header, a body or a result is put together.
 *
 * It never fails in the middle: without memory it remembers that and takes nothing more, and
 * text_end() answers NULL. So whoever builds checks once, at the end.
 */
#ifndef LEAT_CALL_TEXT_H
#define LEAT_CALL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
	char *at;
	size_t len, capacity;
	bool no_memory;
};

void text_done(struct text *text);
/* Begin again; memory beyond `keep` bytes is given back. */
void text_clear(struct text *text, size_t keep);
/* With a NUL behind it, NULL when memory ran out. */
char *text_end(struct text *text);
/* Room for len more bytes, NULL without memory; text_took() says how many were used. */
char *text_room(struct text *text, size_t len);
void text_took(struct text *text, size_t len);
void text_put(struct text *text, const char *bytes, size_t len);
void text_puts(struct text *text, const char *string);
void text_format(struct text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Everything but RFC 3986's unreserved characters as %XX. */
void text_percent(struct text *text, const char *bytes, size_t len);
/* As a JSON string, quotes included; what is no UTF-8 becomes U+FFFD. */
void text_json(struct text *text, const char *bytes, size_t len);

#endif
