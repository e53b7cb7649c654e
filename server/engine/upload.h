/*
 * upload: items on their way into a job.
 *
 *	while there are lines:
 *		if (!upload_has_room(upload)) wait for the `room` callback
 *		upload_line(upload, …)
 *	upload_flush(upload) ─► flushed(err): everything up to here is on disk
 *	upload_close(upload)
 *
 * Lines gather in a block; a full block goes to the ledger and, while memory lasts, straight
 * into the pipeline. The caller has checked each line (engine/split.h, engine/json_check.h).
 *
 * With an idempotency key the upload knows how many physical lines of the body were taken
 * before, upload_skip(): the caller passes these over and tells of none of them, upload_line()
 * and upload_seen() count on from there.
 *
 * Thread: loop.
 */
#ifndef LEAT_ENGINE_UPLOAD_H
#define LEAT_ENGINE_UPLOAD_H

#include "engine/engine.h"

struct upload;

struct upload_counts {
	uint64_t accepted;    /* items on disk */
	uint64_t next_offset; /* physical lines of the body that are dealt with, on disk */
};

struct upload_events {
	void *arg;
	/* There is room again after upload_has_room() said no. */
	void (*room)(void *arg);
	/* The upload has ended by itself: job cancelled or deleted (ERR_STATE_CONFLICT,
	 * ERR_INPUT_CLOSED, ERR_JOB_NOT_FOUND), a newer upload with the same key
	 * (ERR_SUPERSEDED), disk full. Later calls fail with the same error. */
	void (*broken)(void *arg, const struct error *err);
	/* Answer to upload_flush(); err NULL or why what was not yet on disk is not. */
	void (*flushed)(void *arg, const struct error *err);
	/* Waiting has a price for this one: only a full backlog may make it wait. Others also
	 * wait some milliseconds for the pipeline where that spares the disk. */
	bool impatient;
};

/*
 * `key` may be NULL; `offset` is the physical line at which the body starts.
 * Errors: ERR_INPUT_CLOSED, ERR_STATE_CONFLICT, ERR_OFFSET_GAP (offset behind what the key
 * has), ERR_DRAINING, ERR_DISK_FULL, ERR_STORE, ERR_NO_MEMORY, ERR_BUSY (too many keys).
 */
int upload_open(struct job *job, const char *key, uint64_t offset,
	const struct upload_events *events, struct upload **ret, struct error *err);

/* How many physical lines at the body's start were taken by an earlier request. */
uint64_t upload_skip(const struct upload *upload);
/* False: the backlog is full (room() will be called) or the upload is broken. */
bool upload_has_room(struct upload *upload);

/* One item, `lines` physical lines after the one before (blank and refused ones included, so
 * usually 1). Copies. */
int upload_line(
	struct upload *upload, const char *json, size_t len, uint64_t lines, struct error *err);
/* Lines behind the last item that became none (blank, refused), once, before the last flush:
 * they count for next_offset. Those between two items come with upload_line(). */
void upload_seen(struct upload *upload, uint64_t lines);

/* Send the partial block off and tell when everything is on disk. One at a time. */
int upload_flush(struct upload *upload, struct error *err);
/* The same with `close the job's input behind it` in the same transaction. */
int upload_flush_and_close_input(struct upload *upload, struct error *err);
/* The body has paused: send the partial block off, so that a slow client's items do not wait.
 */
void upload_nudge(struct upload *upload);

void upload_counts(const struct upload *upload, struct upload_counts *ret);
/* What was not flushed is sent off all the same. The upload is gone. */
void upload_close(struct upload *upload);

/* Lines taken under a key so far, for GET …/items?key=. 0 when unknown. */
uint64_t job_key_lines(struct job *job, const char *text);

#endif
