/*
 * spout: a job's results, or its failures, to a descriptor as they are committed.
 *
 *	committed ─► reader (a page) ─► render ─► write (pool) ─► trimmed ─► the next page
 *
 * One page is in hand at a time, and it is read only when the one before has been written:
 * a slow reader of our output holds one page of memory here and makes nobody else wait.
 *
 * Thread: loop.
 */
#ifndef LEAT_CLI_SPOUT_H
#define LEAT_CLI_SPOUT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "engine/engine.h"
#include "engine/reader.h"

struct spout;

struct spout_config {
	uv_loop_t *loop;
	enum ledger_log log;
	int fd;
	void *arg;
	/* Append what is to be written of this page; NULL: the lines as they are. */
	int (*render)(void *arg, const struct page *page, struct buf *to);
	/* A page has been written. May be NULL. */
	void (*wrote)(void *arg);
	/*
	 * Once, last: all is written (err NULL), or why not. `code` is the errno of a write
	 * that failed (EPIPE: nobody reads any more), else 0.
	 */
	void (*ended)(void *arg, const struct error *err, int code);
};

/* Borrowed: all but config, until free. */
int spout_open(const struct spout_config *config, struct job *job, struct spout **ret,
	struct error *err);
/* There may be more to read; call it at JOB_EVENT_RESULTS and JOB_EVENT_STATE. */
void spout_wake(struct spout *spout);
/* End soon, even in the middle of a page: `ended` is called, perhaps from within. */
void spout_stop(struct spout *spout);
/* After `ended`. */
void spout_free(struct spout *spout);

/* Number of the next value; those below have been written. */
uint64_t spout_next(const struct spout *spout);

#endif
