/*
 * committer_internal: what the two files of the commit thread share.
 *
 *	committer.c     in and out: submit, sleep, hand back to the loop, start and stop
 *	commit_round.c  one transaction after the other, and what becomes of a failed one
 */
#ifndef LEAT_LEDGER_COMMITTER_INTERNAL_H
#define LEAT_LEDGER_COMMITTER_INTERNAL_H

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/histogram.h"
#include "ledger/committer.h"

struct committer {
	struct ledger *ledger;
	struct committer_hooks hooks;
	pthread_t thread;
	uv_async_t async;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;  /* the thread waits here */
	pthread_cond_t calm;  /* committer_stop() waits here */
	struct list queue;    /* submitted */
	struct list finished; /* for the loop */
	bool asleep, woken;
	bool stopping; /* asked to end */
	bool gave_up;  /* something that must happen could not */
	bool parked;   /* has nothing left and waits for the last word */
	bool ended;    /* the last word */
	bool round_over;
	bool healthy;
	struct error why;
	struct histogram recent[2];
	struct commit_stats stats;

	/* The commit thread's own. */
	struct list pending;      /* in order, in front of the queue; all must while failing */
	struct list doubtful;     /* of the commit of which nobody knows whether it happened */
	bool in_doubt, abandoned; /* abandoned: it stopped before it knew */
	bool stop_seen; /* the last round knew that it is the end: all was due in it */
	bool failing;
	bool frees_first;   /* full: every other try is for what makes room */
	uint64_t failed_ns; /* when it last did; real time */
	uint64_t gather_ns; /* when gather() wants to be asked; 0: not by time */
	struct error last;
};

/* Retries go by real time even when a test has stopped the clocks. */
static inline uint64_t real_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Was committer_stop() called? Thread: any. */
bool committer_is_stopping(struct committer *committer);

/* ---- commit_round.c; thread: commit ---- */

/* Write what waits and is due; false when there was nothing to do (yet). */
bool committer_round(struct committer *committer);
/* When a failing store is tried again, if nothing that may fail comes before. */
uint64_t committer_next_try_ns(const struct committer *committer);

#endif
