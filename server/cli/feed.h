/*
 * feed: the items of files or standard input into a job, no faster than the job takes them.
 *
 *	read (pool) ─► split ─► json_check ─► upload
 *	(no room there: nothing is read until there is)
 *
 * It holds one piece of input and the item under way. When standard input pauses, what was
 * gathered goes on its way, so that a slow producer's items do not wait for company.
 *
 * Thread: loop.
 */
#ifndef LEAT_CLI_FEED_H
#define LEAT_CLI_FEED_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "engine/engine.h"
#include "engine/split.h"

struct feed;

struct feed_config {
	uv_loop_t *loop;
	/* "-" is standard input. A name that ends in .json is a JSON array or one value, in
	 * .csv rows. */
	char *const *paths;
	unsigned path_count;
	bool all_json; /* not only those named so */
	bool all_csv;  /* the same for .csv */
	struct stage_csv_options csv;
	bool skip_invalid; /* pass over lines that are no items instead of ending there */
	size_t item_max;
	void *arg;
	/* A line that is no item; `where` is "line 7" or "orders.ndjson line 7". */
	void (*invalid)(void *arg, const char *where, const struct error *err);
	/* Once, last: the input is closed behind the last item (NULL), or why not. */
	void (*ended)(void *arg, const struct error *err);
};

/* --delimiter: `name` as its byte; ret may be NULL. ERR_BAD_REQUEST. */
int csv_delimiter(const char *name, char *ret, struct error *err);

/* ERR_BAD_REQUEST: which file cannot be read, before anything is made. */
int feed_check(const struct feed_config *config, struct error *err);
/* Borrowed: all but config, until free. `job` is referenced. */
int feed_start(const struct feed_config *config, struct job *job, struct feed **ret,
	struct error *err);
/* End soon, wherever it stands: `ended` is called with an error, perhaps from within. */
void feed_stop(struct feed *feed);
/* After `ended`, or when it was never started. */
void feed_free(struct feed *feed);

/* "line 18", "b.ndjson line 3", or "" when it is not known; `ret` of `size` bytes. */
void feed_where(const struct feed *feed, uint64_t item, char *ret, size_t size);
/* Bytes read and, when all of it are plain files, bytes in all; else 0. */
void feed_progress(const struct feed *feed, uint64_t *ret_read, uint64_t *ret_total);

#endif
