/*
 * flush: what one transaction gets from one pipeline: the commit rule as a struct.
 *
 * Outcomes of input items together with the results and failures they left. Applying it
 * writes results and failures, sets the items' bits (or drops a block that is done) and adds
 * to the job's counters, all in the transaction that is open; so after a crash what is marked
 * is done and what is not marked runs again.
 *
 * Results stand in the order of the outcomes that own them, so that the results of a block
 * that was refused (disk full) can be told from the others.
 *
 * Life: gathered under the pipeline's lock ─► submitted ─► applied ─► done on the loop ─►
 * freed.
 */
#ifndef LEAT_ENGINE_FLUSH_H
#define LEAT_ENGINE_FLUSH_H

#include "engine/pipeline.h"

struct outcome {
	struct input *input; /* one of its references */
	uint32_t index;
	uint32_t results;
	uint32_t failures;
	uint8_t fate;
};

/* Results being gathered, inside a slab: item numbers, then (items_size further on) lines. */
struct result_chunk {
	struct result_chunk *next;
	struct slab *slab;
	uint32_t count, items_size, lines_len, lines_size;
	bool sealed;   /* the items have moved up to the lines */
	char head[16]; /* struct result_head, once sealed */
	uint64_t items[];
};

struct failure_rec {
	struct failure_rec *next;
	size_t len;
	char bytes[];
};

struct flush {
	struct commit_op op;
	struct pipeline *pipeline; /* one reference, once it was taken from it */
	struct outcome *outcomes;
	uint32_t outcome_count, outcome_capacity;
	struct result_chunk *chunks, *last_chunk;
	struct failure_rec *failures, **failures_end;
	uint64_t bytes;              /* of results and failures */
	uint64_t accounted;          /* of that, in the pipeline's flush_bytes */
	uint64_t in_hand;            /* of it, in the room's in_hand */
	uint64_t last_block;         /* highest number of a block with an outcome here */
	uint32_t settles;            /* outcomes, those of refused blocks included */
	struct stage_counts *stages; /* the pipeline's at the time it was taken */
	uint64_t first_ns;
	/* with a sink: its items, and its state after them */
	struct items sunk;
	struct buf state;
	bool has_state;
};

struct flush *flush_new(struct pipeline *pipeline);
/* References of outcomes and items go too. */
void flush_free(struct flush *flush);
/* One that was taken from its pipeline and shall not go to disk after all. */
void flush_drop(struct flush *flush);
int flush_outcome(struct flush *flush, struct input *input, uint32_t index, uint8_t fate,
	uint32_t results, uint32_t failures);
int flush_result(struct flush *flush, uint64_t item, const char *text, uint32_t len);
int flush_failure(struct flush *flush, const void *record, size_t len);
/* The same in the middle, at `*place`, which moves on behind it. */
int flush_failure_at(
	struct flush *flush, struct failure_rec ***place, const void *record, size_t len);

/* Has the ledger room for it (room.h)? `record`: the job's, as it is before it. Lock held. */
bool flush_finds_room(const struct flush *flush, const struct job_record *record);
/* The commit_op's functions are set by this. */
void flush_arm(struct flush *flush);

#endif
