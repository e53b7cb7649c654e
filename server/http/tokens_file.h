/*
 * tokens_file: tokens on disk, a JSON object a line.
 *
 *	{"name":"ci","id":"9f86d081884c","salt":"0123…","hash":"89ab…","scopes":["read","submit"],
 *	 "labels":{"team":"a"},"created":"2026-11-23T07:00:00.000Z"}
 *
 * on one line. `labels` and `created` may be missing, and id, salt and hash all three. What is
 * not known is refused, as everywhere: a record that is half understood would let in whom it
 * should not.
 *
 * Thread: any; it blocks.
 */
#ifndef LEAT_HTTP_TOKENS_FILE_H
#define LEAT_HTTP_TOKENS_FILE_H

#include "base/buf.h"
#include "http/tokens.h"

/* Indexed. Errors, with the path and the line: ERR_NOT_FOUND (there is no such file),
 * ERR_BAD_REQUEST, ERR_NO_MEMORY. */
int tokens_read(const char *path, struct tokens **ret, struct error *err);
/* The same of a text; `from` begins each error. */
int tokens_parse(
	const char *text, size_t len, const char *from, struct tokens **ret, struct error *err);
/* What the file holds then. ERR_NO_MEMORY. */
int tokens_format(const struct tokens *tokens, struct buf *to, struct error *err);
/* A new file is its owner's alone. */
#define TOKENS_FILE_MODE 0600

/* ["read","submit"]; NULL without memory. */
json_t *scopes_to_json(unsigned scopes);

#endif
