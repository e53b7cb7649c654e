/*
 * states: what a job's source and sink have saved.
 *
 * Each saves its own bytes in its own time, the ledger keeps one record a job: so the two
 * stand side by side in it. What is saved by a transaction that is then given up is
 * forgotten with it; it comes again when the operations are tried again.
 *
 *	stored: u32 length of the source's bytes, these, the sink's bytes
 *
 * Thread: commit, once the job has been started.
 */
#ifndef LEAT_ENGINE_STATES_H
#define LEAT_ENGINE_STATES_H

#include <stdbool.h>

#include "base/buf.h"

enum state_of { STATE_SOURCE, STATE_SINK };

struct states {
	struct {
		struct buf now, next; /* on disk; in the open transaction, if it has changed */
		bool changed;
	} of[2];
};

/* One's part of what is stored; 0 bytes where there is none, or where it is damaged. */
const char *states_view(const void *stored, size_t len, enum state_of of, size_t *ret_len);
/* Begin with what is stored. -1 without memory. */
int states_load(struct states *states, const void *stored, size_t len);
void states_done(struct states *states);

/* In the open transaction. -1 without memory, nothing changed. */
int states_put(struct states *states, enum state_of of, const void *bytes, size_t len);
bool states_changed(const struct states *states);
/* Append what is to be stored. */
int states_encode(const struct states *states, struct buf *to);
/* The transaction's fate; neither can fail. */
void states_commit(struct states *states);
void states_abort(struct states *states);

#endif
