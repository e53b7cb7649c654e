/*
 * text: what SQL wants in a text (stage_text.h): names, lists, and base64.
 */
#ifndef LEAT_SQL_TEXT_H
#define LEAT_SQL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "stage_text.h"

/* A name as SQL wants it: "na""me". */
void sql_text_name(struct stage_text *text, const char *name);
/* A comma unless it is the first. */
void sql_text_comma(struct stage_text *text, bool first);

/* ---- base64, RFC 4648 with padding ---- */

#define SQL_BASE64_MAX(len) (((len) + 2) / 3 * 4)
/* Returns where the next byte goes. */
char *sql_base64_put(char *to, const unsigned char *bytes, size_t len);
/* `to` has room for len bytes; returns the length, (size_t)-1 when it is no base64. */
size_t sql_base64_read(unsigned char *to, const char *text, size_t len);

#endif
