/*
 * listing: the files below a root that a pattern means, sorted byte by byte.
 *
 * Nothing outside of the root is ever opened: the way down goes from folder to folder, and
 * links are not followed. What matches and is no regular file (link, pipe, device, socket) is
 * counted, never opened.
 */
#ifndef FILES_LISTING_H
#define FILES_LISTING_H

#include <stddef.h>

#include "trouble.h"

struct listing {
	char **paths; /* below the root */
	size_t count, capacity;
	size_t others; /* match, and are no regular files */
};

/* -1 with the trouble; also when somebody calls it off. */
int listing_make(struct listing *listing, int root, const char *pattern, size_t max,
	struct stage_ctx *ctx, struct trouble *trouble);
void listing_done(struct listing *listing);
/* Index of the first path that is not below this one; `count` when there is none. */
size_t listing_find(const struct listing *listing, const char *path);

#endif
