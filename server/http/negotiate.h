/*
 * negotiate: what a client sends and what it wants, from its headers.
 *
 * Thread: any; nothing here allocates.
 */
#ifndef LEAT_HTTP_NEGOTIATE_H
#define LEAT_HTTP_NEGOTIATE_H

#include <stdbool.h>

#include "base/error.h"

/*
 * Accept (RFC 9110, 12.5.1): which of `offers` (NULL at the end, the preferred one first) the
 * client likes best; -1 for none of them. `accept` NULL or empty: the first.
 */
int accept_pick(const char *accept, const char *const *offers);

/* Accept-Encoding (12.5.3): may the reply be in this coding? NULL: it may not. */
bool coding_accepted(const char *accept_encoding, const char *coding);

/*
 * If-None-Match: does the list of entity tags (NULL: there is none) hold ours, which has its
 * quotes? Compared weakly (8.8.3.2).
 */
bool tag_listed(const char *list, const char *tag);

enum media { MEDIA_NONE, MEDIA_NDJSON, MEDIA_JSON, MEDIA_FORM, MEDIA_CSV, MEDIA_OTHER };

/*
 * Content-Type; NULL: MEDIA_NONE. Parameters but a charset are passed over, and a charset
 * other than UTF-8 (or its part US-ASCII) is MEDIA_OTHER.
 */
enum media media_parse(const char *content_type);
/* Does a media type, or the element of an Accept header that names `type`, have the parameter
 * with that value, as in `text/csv; header=absent`? */
bool media_has_param(const char *header, const char *type, const char *name, const char *value);

/* Is it this server's own page that asks? `origin`, `site`, `host` may be NULL. */
bool origin_is_own(const char *origin, const char *site, const char *host);

#endif
