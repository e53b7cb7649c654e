/*
 * pointer: where in a request a mistake stands, as a JSON pointer (RFC 6901).
 *
 * A value of fixed size on the caller's stack, made while walking down. One that would be
 * longer than POINTER_MAX keeps its beginning and ends in "…": it is for reading.
 */
#ifndef LEAT_JOB_POINTER_H
#define LEAT_JOB_POINTER_H

#include <stddef.h>

#define POINTER_MAX 512

struct pointer {
	char text[POINTER_MAX];
};

/* `base` + "/" + `key`, with `~` and `/` of the key escaped. */
struct pointer pointer_at(const char *base, const char *key);
struct pointer pointer_index(const char *base, size_t index);

#endif
