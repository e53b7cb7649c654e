/*
 * child: the helper processes of one jq stage.
 *
 * A helper is started when an item wants one and none is free; it is kept warm until nothing
 * has come for JQ_IDLE_MS, when it ends by itself. There are never more than threads that are
 * in the stage at once. The program of the helper is part of this one (memfd), so that it is
 * always the one that belongs to it.
 *
 * Thread: any, for jq_pool_*; a child is one thread's while it is taken.
 */
#ifndef LEAT_JQ_CHILD_H
#define LEAT_JQ_CHILD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire.h"

struct jq_child {
	struct jq_child *next; /* in the pool */
	pid_t pid;
	int fd;
	bool fresh; /* it has worked on nothing yet */
	char *in;   /* what it has said: from `at` to `len` */
	size_t at, len, capacity;
};

struct jq_pool {
	const char *program, *args; /* borrowed */
	int64_t time_ms, memory_bytes;
	pthread_mutex_t lock;
	struct jq_child *idle;
};

#define JQ_WHY_SIZE 300

/* JQ_SHORT: for want of descriptors, processes or memory; later it may go well. */
enum jq_start { JQ_STARTED, JQ_NOT_STARTED, JQ_SHORT, JQ_NO_PROGRAM };

void jq_pool_init(struct jq_pool *pool);
void jq_pool_done(struct jq_pool *pool);
/* One that has compiled the program; `fresh`: a new one. Otherwise `why` says why not. */
enum jq_start jq_pool_take(
	struct jq_pool *pool, bool fresh, struct jq_child **ret, char why[JQ_WHY_SIZE]);
void jq_pool_give(struct jq_pool *pool, struct jq_child *child);

/* What the child says next, if it has come whole; the text stays until jq_child_hear(). */
bool jq_child_message(struct jq_child *child, struct jq_head *ret, const char **ret_text);
/* Read what there is: 1 something, 0 nothing now, -1 it has ended, -2 no memory. */
int jq_child_hear(struct jq_child *child);
/* End it, at once. Returns how it ended, as waitpid() says. */
int jq_child_end(struct jq_child *child);

#endif
