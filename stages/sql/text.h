/*
 * text: a text that grows while SQL, or what goes with it, is put together.
 *
 * It never fails in the middle: without memory it remembers that, takes nothing more, and
 * sql_text_end() answers NULL. So whoever builds checks once, at the end.
 */
#ifndef LEAT_SQL_TEXT_H
#define LEAT_SQL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct sql_text {
	char *at;
	size_t len, capacity;
	bool no_memory;
};

void sql_text_done(struct sql_text *text);
/* Begin again; memory beyond `keep` bytes is given back. */
void sql_text_clear(struct sql_text *text, size_t keep);
/* With a NUL behind it, NULL when memory ran out. */
char *sql_text_end(struct sql_text *text);

/* Room for len more bytes, NULL without memory; sql_text_took() says how many were used. */
char *sql_text_room(struct sql_text *text, size_t len);
void sql_text_took(struct sql_text *text, size_t len);
void sql_text_put(struct sql_text *text, const char *bytes, size_t len);
void sql_text_puts(struct sql_text *text, const char *string);
void sql_text_format(struct sql_text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A name as SQL wants it: "na""me". */
void sql_text_name(struct sql_text *text, const char *name);
/* A comma unless it is the first. */
void sql_text_comma(struct sql_text *text, bool first);

/* ---- base64, RFC 4648 with padding ---- */

#define SQL_BASE64_MAX(len) (((len) + 2) / 3 * 4)
/* Returns where the next byte goes. */
char *sql_base64_put(char *to, const unsigned char *bytes, size_t len);
/* `to` has room for len bytes; returns the length, (size_t)-1 when it is no base64. */
size_t sql_base64_read(unsigned char *to, const char *text, size_t len);

#endif
