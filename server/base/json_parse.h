/*
 * json_parse: a text that a person wrote, as a jansson tree.
 *
 * yyjson reads, and what it has read is copied into a tree: jansson's own reader does not look
 * at every allocation, and where one fails in the middle of a string it writes behind its
 * buffer. Here a failure is an error, and every mistake has its place.
 *
 * Thread: any.
 */
#ifndef LEAT_BASE_JSON_PARSE_H
#define LEAT_BASE_JSON_PARSE_H

#include <jansson.h>

#include "base/error.h"

/*
 * Any value. `flags`: with JSON_REJECT_DUPLICATES a key may stand in an object only once (else
 * the last counts), with JSON_ALLOW_NUL strings, not keys, may hold U+0000. A whole number
 * beyond 64 bits becomes a real. Errors: ERR_BAD_JSON, as in "line 7, column 3: unexpected
 * character"; ERR_NO_MEMORY.
 */
json_t *json_parse(const char *bytes, size_t len, size_t flags, struct error *err);
/* A whole file, without duplicates. Errors: ERR_BAD_REQUEST, from its path on; ERR_NO_MEMORY.
 */
json_t *json_parse_file(const char *path, struct error *err);

#endif
