/*
 * link: the header Link of a response (RFC 8288), as far as paging needs it.
 */
#ifndef LEAT_HTTP_PAGES_LINK_H
#define LEAT_HTTP_PAGES_LINK_H

#include <stddef.h>

/* The target of the first link with rel=next: where it begins, and its length; NULL when there
 * is none. */
const char *link_next(const char *header, size_t *ret_len);

#endif
