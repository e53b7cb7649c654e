/*
 * ledger: what is kept, as a table of functions.
 *
 * The engine talks to `struct ledger` only; behind it stand LMDB (ledger_lmdb.h, the store of
 * a server) and memory (ledger_memory.h, for `leat run` and tests). A ledger knows jobs,
 * blocks, results, failures and bytes; it knows nothing of stages.
 *
 * Writing: one thread, the commit thread, between begin() and commit(); all of a transaction
 * is there after commit() returns 0, nothing of it after abort() or a failed commit().
 * Reading: any thread, at any time; every call opens a read transaction of its own, copies
 * out and lets go, so that no slow client pins pages.
 *
 * Kinds of record, all under a job's id: its definition (JSON text) and record (job/record.h);
 * input blocks and, for each one partly finished, a bitmap of finished items; the result log;
 * the failure log; idempotency keys; a state of bytes for a source or sink.
 *
 * Errors: ERR_DISK_FULL, ERR_STORE (I/O, damage), ERR_NO_MEMORY. After a failed commit() the
 * caller may simply try the same transaction again later; the ledger has made sure (by a
 * serial number in the store) that a commit reported as failed did not happen. Where it
 * cannot be sure yet it says so: LEDGER_IN_DOUBT.
 */
#ifndef LEAT_LEDGER_LEDGER_H
#define LEAT_LEDGER_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/id.h"

struct ledger;

struct ledger_stat {
	uint64_t used_bytes; /* pages in use */
	uint64_t file_bytes; /* what the file occupies */
	uint64_t max_bytes;  /* configured bound */
	uint64_t free_bytes; /* what the file system still has */
	uint64_t commits;    /* since start */
	bool writable;       /* the last commit worked */
	uint64_t damaged;    /* values that could not be read, since start */
};

/*
 * Visits return false to stop. Bytes are borrowed for the call: copy and return soon, for a
 * commit may have to wait for the visit; do not call the ledger from inside one.
 */
typedef bool (*ledger_job_fn)(void *arg, const struct id *job, const void *definition,
	size_t definition_len, const void *record, size_t record_len);
typedef bool (*ledger_key_fn)(void *arg, const char *key, size_t len, uint64_t lines);
/* A stored value (a result block or a failure) and its sequence number. */
typedef bool (*ledger_value_fn)(void *arg, uint64_t seq, const void *bytes, size_t len);

enum ledger_log { LEDGER_RESULTS, LEDGER_FAILURES };

/* A commit's third result: on disk or not, nobody can tell at the moment. */
#define LEDGER_IN_DOUBT 1

struct ledger_ops {
	/* ---- writing: commit thread ---- */
	int (*begin)(struct ledger *ledger, struct error *err);
	int (*commit)(struct ledger *ledger, struct error *err);
	/*
	 * After LEDGER_IN_DOUBT: look again. 0, -1 or LEDGER_IN_DOUBT, as if commit() had
	 * returned it; until it is known no transaction may begin. NULL where there never is
	 * a doubt.
	 */
	int (*settle)(struct ledger *ledger, struct error *err);
	void (*abort)(struct ledger *ledger);

	/* Either may be NULL: leave as it is. */
	int (*put_job)(struct ledger *ledger, const struct id *job, const void *definition,
		size_t definition_len, const void *record, size_t record_len,
		struct error *err);
	int (*put_input)(struct ledger *ledger, const struct id *job, uint64_t block,
		const void *bytes, size_t len, struct error *err);
	int (*put_done)(struct ledger *ledger, const struct id *job, uint64_t block,
		const void *bitmap, size_t len, struct error *err);
	/* The block and its bitmap; fine when they are not there. */
	int (*drop_input)(
		struct ledger *ledger, const struct id *job, uint64_t block, struct error *err);
	/* `seq`: of the first result in the block. */
	int (*append)(struct ledger *ledger, const struct id *job, enum ledger_log log,
		uint64_t seq, const void *bytes, size_t len, struct error *err);
	int (*drop_failure)(
		struct ledger *ledger, const struct id *job, uint64_t seq, struct error *err);
	/* Drop whole result records that end before `seq`. */
	int (*trim_results)(
		struct ledger *ledger, const struct id *job, uint64_t seq, struct error *err);
	int (*put_key)(struct ledger *ledger, const struct id *job, const char *key, size_t len,
		uint64_t lines, struct error *err);
	int (*put_state)(struct ledger *ledger, const struct id *job, const void *bytes,
		size_t len, struct error *err);
	/*
	 * Remove about `budget` bytes of what belongs to the job: everything but definition and
	 * record, and these too with `all`. *ret_more: call again in another transaction.
	 */
	int (*erase)(struct ledger *ledger, const struct id *job, bool all, size_t budget,
		bool *ret_more, struct error *err);

	/* ---- reading: any thread ---- */

	/* Jobs with ids below `before` (NULL: all), newest first. */
	int (*each_job)(struct ledger *ledger, const struct id *before, ledger_job_fn fn,
		void *arg, struct error *err);
	/* ERR_JOB_NOT_FOUND. Appends to the buffers. */
	int (*get_job)(struct ledger *ledger, const struct id *job, struct buf *definition,
		struct buf *record, struct error *err);
	/*
	 * The first input block with a number >= `from`: its bytes and bitmap (empty if none is
	 * stored) replace what the buffers hold. Returns 1, or 0 when there is none.
	 */
	int (*next_input)(struct ledger *ledger, const struct id *job, uint64_t from,
		uint64_t *ret_block, struct buf *bytes, struct buf *bitmap, struct error *err);
	/*
	 * Numbers of the first and last stored block and the sum of their bytes. Returns 1, or
	 * 0 when there is none (and then all three are 0).
	 */
	int (*input_range)(struct ledger *ledger, const struct id *job, uint64_t *ret_first,
		uint64_t *ret_last, uint64_t *ret_bytes, struct error *err);
	/*
	 * Values from the one that holds `seq` on (if it has been dropped: from the next one),
	 * in order, until `fn` says stop. A failure holds its own number, a result block as
	 * many as it has lines.
	 */
	int (*each_value)(struct ledger *ledger, const struct id *job, enum ledger_log log,
		uint64_t seq, ledger_value_fn fn, void *arg, struct error *err);
	int (*each_key)(struct ledger *ledger, const struct id *job, ledger_key_fn fn,
		void *arg, struct error *err);
	/* Appends; nothing when none is stored. */
	int (*get_state)(struct ledger *ledger, const struct id *job, struct buf *bytes,
		struct error *err);
	void (*stat)(struct ledger *ledger, struct ledger_stat *ret);

	void (*close)(struct ledger *ledger);
};

/* First member of every implementation's struct. */
struct ledger {
	const struct ledger_ops *ops;
};

/* ledger_lmdb.c. Errors: ERR_STORE, with what to do (another process, a newer format, …). */
struct ledger_lmdb_config {
	const char *dir;    /* made if it is not there */
	uint64_t max_bytes; /* bound of the file */
};
int ledger_lmdb_open(
	const struct ledger_lmdb_config *config, struct ledger **ret, struct error *err);

/* ledger_memory.c: the same contract without a disk. */
int ledger_memory_open(struct ledger **ret, struct error *err);

static inline void ledger_close(struct ledger *ledger)
{
	if (ledger != NULL)
		ledger->ops->close(ledger);
}

#endif
