/*
 * append: blocks on their way into a job's input log, and into its pipeline.
 *
 * One operation carries the blocks and what must be on disk together with them: the lines
 * taken under an idempotency key, a source's cursor, "the input is closed".
 *
 * While memory lasts, a block goes to the pipeline at once, before it is on disk: the commit
 * thread keeps the order, and only the answer waits for the sync. If it then cannot be
 * stored (disk full), its outcomes are dropped with it. Where memory does not last the block
 * is *cold*: it is read back when the inbox has room. A job with a sink works only on blocks
 * that are stored, because what a sink has counted cannot be taken back.
 *
 * Nobody waits for the blocks in the middle of an upload. A hot one of those is *lazy*: it is
 * held back until outcomes of its items are to be committed (then both meet in one transaction
 * and the block itself is never written), for flush-ms at most, and never overtaken by another
 * append or change of the job.
 *
 * Thread: loop, or compute for a source.
 */
#ifndef LEAT_ENGINE_APPEND_H
#define LEAT_ENGINE_APPEND_H

#include "engine/engine.h"
#include "engine/input.h"
#include "ledger/committer.h"

struct key;

struct append {
	struct commit_op op;
	struct job *job;           /* a reference, from submit on */
	struct pipeline *pipeline; /* likewise */
	struct input **inputs;     /* owned until done */
	unsigned count;
	uint64_t items, bytes; /* of new items */
	uint64_t size;         /* of blocks */
	struct key *key;       /* NULL: none */
	uint64_t key_lines;
	bool close, source_ended;
	bool lazy;        /* the maker does not wait for it */
	uint64_t lazy_ns; /* since when it is held back */
	bool late;        /* the job had ended when it came to the commit: nothing was stored */
	bool full;        /* there was no room for it */
	bool skipped;     /* one before it was refused: this one must not stand alone */
	uint64_t epoch;   /* of the job's input when it was submitted */
	struct buf state;
	bool has_state;
	uint64_t retried, had_failed; /* failed items that run again */
	uint64_t *dropped;            /* sequence numbers of their failures, owned */
	size_t dropped_count;
	uint64_t dropped_bytes; /* of these failures */
	/* On the loop; err NULL: on disk. The append is freed afterwards. */
	void (*done)(struct append *append, const struct error *err);
	void *arg;
};

struct append *append_new(void);
/* Takes the input; -1 without memory. */
int append_add(struct append *append, struct input *input);
void append_free(struct append *append);
/*
 * Number the blocks, hand them on. Never fails; done() comes later. Off the loop, where the
 * job may be ending, the caller has set `pipeline` (a reference) before.
 */
void append_submit(struct job *job, struct append *append);
/* The same for who may come so late that there is no committer any more: false when the
 * pipeline is stopped, and the append is still the caller's. */
bool append_submit_unless_stopped(struct job *job, struct append *append);
/* Hand those held back with blocks up to `number` to the committer; lock held. */
void append_release(struct pipeline *pipeline, uint64_t number);
#define APPEND_ALL UINT64_MAX
/* When the oldest of them is to go, 0: there is none. Lock held. */
uint64_t append_due_ns(const struct pipeline *pipeline);

#endif
