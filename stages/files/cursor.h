/*
 * cursor: where the job stands, as it is saved with what it has made: a file, and the place in
 * it behind the last item.
 */
#ifndef FILES_CURSOR_H
#define FILES_CURSOR_H

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "records.h"

#define CURSOR_VERSION 1

struct cursor {
	uint32_t version;
	uint32_t over; /* nothing of the file is left */
	uint64_t inode;
	struct place place;
	char path[PATH_MAX]; /* "": before the first file */
};

#define CURSOR_HEAD offsetof(struct cursor, path)

static inline size_t cursor_size(const struct cursor *cursor)
{
	return CURSOR_HEAD + strlen(cursor->path) + 1;
}

static inline void cursor_init(struct cursor *cursor)
{
	memset(cursor, 0, sizeof(*cursor));
	cursor->version = CURSOR_VERSION;
}

/* False when it is none of ours. */
static inline bool cursor_read(struct cursor *cursor, const char *state, size_t len)
{
	cursor_init(cursor);
	if (state == NULL)
		return true;
	if (len <= CURSOR_HEAD || len > sizeof(*cursor) || state[len - 1] != '\0')
		return false;
	memcpy(cursor, state, len);
	return cursor->version == CURSOR_VERSION && cursor_size(cursor) == len;
}

#endif
