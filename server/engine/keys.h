/*
 * keys: how many lines of a body a job has taken under each idempotency key.
 *
 * They live with the job in memory and are written with the items (append.c); when a job comes
 * back into memory its keys come with it, for a client that has heard nothing of its last
 * upload asks for them even when the job is long done.
 */
#ifndef LEAT_ENGINE_KEYS_H
#define LEAT_ENGINE_KEYS_H

#include "ledger/ledger.h"

struct job;
struct upload;

struct key {
	struct key *next;      /* in the hash chain */
	uint64_t lines;        /* on disk */
	uint64_t taken;        /* sent off; becomes `lines` with the commit */
	struct upload *upload; /* the one that uses it now */
	size_t len;
	char text[];
};
#define KEY_CHAINS 64

/* NULL: there is none, or (`make`) no memory for it. Thread: loop. */
struct key *job_key(struct job *job, const char *text, size_t len, bool make);
void job_keys_free(struct job *job);

/* The stored keys of a job, as a list. Owner: caller. Thread: any. */
int keys_read(struct ledger *ledger, const struct id *job, struct key **ret, struct error *err);
void keys_free(struct key *list);
/* Give a list to a job that has none yet. Thread: loop. */
void job_keys_take(struct job *job, struct key *list);

#endif
