/*
 * child_parts: what the files that make up child.h share. For them alone.
 *
 *	child.c        whose it is, and its end
 *	child_start.c  the process and its pipes
 *	child_give.c   what it is given to do, and what it is told to leave
 *	child_read.c   what it answers, and what it says on stderr
 */
#ifndef LEAT_EXEC_CHILD_PARTS_H
#define LEAT_EXEC_CHILD_PARTS_H

#include <stdlib.h>
#include <string.h>

#include "child.h"

/* ---- bytes ---- */

/* -1 without memory. */
static inline int bytes_reserve(struct bytes *bytes, size_t more)
{
	size_t capacity = bytes->capacity * 2 > bytes->len + more ? bytes->capacity * 2
								  : bytes->len + more;
	char *data;

	if (bytes->capacity - bytes->len >= more)
		return 0;
	data = realloc(bytes->data, capacity);
	if (data == NULL)
		return -1;
	bytes->data = data;
	bytes->capacity = capacity;
	return 0;
}

/* What bytes_reserve() has made room for. */
static inline void bytes_put(struct bytes *bytes, const char *text, size_t len)
{
	memcpy(bytes->data + bytes->len, text, len);
	bytes->len += len;
}

static inline void bytes_consume(struct bytes *bytes, size_t len)
{
	memmove(bytes->data, bytes->data + len, bytes->len - len);
	bytes->len -= len;
}

/* ---- slots ---- */

/* FNV-1a (Fowler, Noll, Vo), 64 bits. */
static inline uint64_t slot_hash(const char *text, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325u;

	while (len-- > 0)
		hash = (hash ^ (unsigned char)*text++) * 0x100000001b3u;
	return hash;
}

static inline bool slot_is_wanted(const struct slot *slot)
{
	return slot->task != NULL && !slot->answered;
}

static inline void child_drop_answered(struct child *child)
{
	while (child->first < child->last && child->slots[child->first].answered)
		child->first++;
}

/* ---- child.c ---- */

/* When `ms` have gone by without another call of this. */
void child_wait_for(struct child *child, enum child_wait wait, uint64_t ms);
/* End it, for this reason; "": for none. `event`: as what it is counted. */
void child_condemn(struct child *child, const char *event, const char *why);
/* It has ended, and all that it wrote was read. */
void child_finish(struct child *child);
void child_exited(uv_process_t *process, int64_t status, int number);
/* It is freed behind the last one. */
void child_close_handles(struct child *child);

/* ---- child_read.c ---- */

void child_read(struct child *child);
/* How many lines of its stderr were left out since the last one that was not. */
void child_log_rest(struct child *child);

#endif
