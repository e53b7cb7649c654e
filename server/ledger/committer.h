/*
 * committer: the one thread that writes the ledger.
 *
 * It takes whatever operations are waiting (up to BATCH_BYTES), applies them in order inside
 * one transaction, commits with one sync, and hands them back to the loop. While it syncs,
 * the next group gathers: that is the whole of group commit.
 *
 *	submit ─► queue ─► gather() ─► begin, apply × n, before_commit, commit
 *	                                  │          ok: on_commit, then done × n on the loop
 *	                                  │ failed: abort, on_abort
 *	                                  └─► what may fail: refuse(), done(error)
 *	                                      what must not: tried again, in order
 *
 * When the store cannot be written (disk full, I/O), operations that may fail (an upload's
 * block, a new job) are refused at once with the reason; those that must happen (results of
 * what was accepted) stay queued, in order, and are tried every 100 ms until they go through.
 * Nothing is dropped, nothing overtakes, and recovery needs nobody: with none of these
 * waiting, the next operation is tried whatever it is, and without any an empty transaction is
 * tried every second.
 *
 * Where the store failed so that nobody can tell whether a commit happened (LEDGER_IN_DOUBT),
 * it is asked every 100 ms until it answers; meanwhile the store is unhealthy and what is
 * submitted waits, whatever it is, for it may rest on what the answer is about.
 */
#ifndef LEAT_LEDGER_COMMITTER_H
#define LEAT_LEDGER_COMMITTER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "base/list.h"
#include "base/tally.h"
#include "ledger/ledger.h"

#define COMMITTER_BATCH_BYTES (8u << 20)

struct committer;

/* Embed it in what is to be written. Owner: the committer from submit until done. */
struct commit_op {
	struct list link;
	/* Write into the open transaction. Thread: commit. May be called again after an abort.
	 */
	int (*apply)(struct commit_op *op, struct ledger *ledger, struct error *err);
	/* Not must: it will not happen; called before any later operation is applied. May be
	 * NULL. Thread: commit. */
	void (*refuse)(struct commit_op *op, const struct error *err);
	/* On disk (err NULL) or refused. Thread: loop. Frees or reuses the op. */
	void (*done)(struct commit_op *op, const struct error *err);
	size_t bytes; /* about how much it writes */
	bool must;
	/* Must, and only removes what nothing that waits rests on: while the disk is full it
	 * may overtake, for what stands before it may be waiting for the room that it makes. */
	bool frees;
	enum error_code refused; /* the committer's own */
	char *refused_text;
};

struct committer_hooks {
	void *arg;
	/*
	 * Start of a round: append operations that became due to `ops` and return the monotonic
	 * time (ns) at which to be asked again, 0 for "only when something is submitted". They
	 * stand behind all that has been submitted. While committer_stop() waits, `now_ns` is
	 * UINT64_MAX: everything is due. Not asked while the store cannot be written, but
	 * before each new try.
	 */
	uint64_t (*gather)(void *arg, uint64_t now_ns, struct list *ops);
	/*
	 * Write what rides along (counters of touched jobs), then the fate of the transaction,
	 * one of the two for each begin. A round without operations begins nothing, except to
	 * find out whether a store that failed can be written again.
	 */
	int (*before_commit)(void *arg, struct ledger *ledger, struct error *err);
	void (*on_commit)(void *arg);
	void (*on_abort)(void *arg);
	/* After a round's done() calls. Thread: loop. */
	void (*round)(void *arg);
};

int committer_start(struct ledger *ledger, uv_loop_t *loop, const struct committer_hooks *hooks,
	struct committer **ret, struct error *err);
/* Thread: any. Order of submission is order on disk. */
void committer_submit(struct committer *committer, struct commit_op *op);
/* gather() wants to be asked now, or to be asked when to be asked. Thread: any; cheap when
 * already awake. */
void committer_wake(struct committer *committer);
/* False while the store cannot be written; then `ret_why` (may be NULL) says why. Thread: any.
 */
bool committer_is_healthy(struct committer *committer, struct error *ret_why);
/* Nanoseconds of the recent commits: p50 and p99. Thread: any. */
void committer_latency(struct committer *committer, uint64_t *ret_p50_ns, uint64_t *ret_p99_ns);
/* Since start; for metrics. */
struct commit_stats {
	uint64_t failed;         /* transactions that did not happen, each try of one */
	uint64_t bytes;          /* about what the operations wrote */
	struct tally time;       /* of a whole transaction, ns */
	struct tally sync;       /* of its last step: pages written and synced, ns */
	struct tally operations; /* in one transaction */
};
/* Thread: any. */
void committer_stats(struct committer *committer, struct commit_stats *ret);
/*
 * Commit all that waits, end the thread, run the last done() calls. Operations that must happen
 * but cannot (disk full) are given up after one more try, refused, and come back at the next
 * start from what is on disk; then it returns false. What done() submits meanwhile is committed
 * too. Thread: loop. Then committer is gone; its handle closes when the loop turns once more.
 */
bool committer_stop(struct committer *committer);

#endif
