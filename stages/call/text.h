/*
 * text: what URLs and JSON want in a text (stage_text.h).
 */
#ifndef LEAT_CALL_TEXT_H
#define LEAT_CALL_TEXT_H

#include <stddef.h>

#include "stage_text.h"

/* Everything but RFC 3986's unreserved characters as %XX. */
void text_percent(struct stage_text *text, const char *bytes, size_t len);
/* As a JSON string, quotes included; what is no UTF-8 becomes U+FFFD. */
void text_json(struct stage_text *text, const char *bytes, size_t len);

#endif
