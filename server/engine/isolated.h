/*
 * isolated: a stage that runs in processes of its own (`"isolation": "process"`).
 *
 * In the pipeline stands a stand-in, a blocking stage, while def->stage stays the real one.
 * Each of its workers has one host process (isolate/host.h, hosted.h): a thread writes a batch
 * of items into the shared memory, wakes the host, and waits for the end of the batch, of the
 * process, or of somebody's patience. Around that it is an activation like others.
 *
 *	items ─► order ─► host: the stage's run ─► report ─► looked at, copied, checked as JSON
 *─► items
 *
 * Whatever the host does costs the item that it had in hand, and that one only: it fails with
 * what the process died of, and the others run again in another process, as the same attempt.
 * Where it cannot be told which item it was, the rest of the batch runs one by one. Nothing
 * that a host has written is believed: see isolated_take.c.
 *
 * A process is ended when there are more of them than workers, when its memory is nearly used
 * up, when it has no items for a while, and with the job. Serial stages keep theirs while there
 * are no items, for their state lies in it.
 */
#ifndef LEAT_ENGINE_ISOLATED_H
#define LEAT_ENGINE_ISOLATED_H

#include "engine/pipeline.h"
#include "stages/stage.h"

/* What stands in for a stage whose definition says `isolation: process`. */
extern const struct stage isolated_stage;

static inline bool stage_run_isolated(const struct stage_run *run)
{
	return run->stage == &isolated_stage;
}

/* A batch for a worker. */
struct isolated_work {
	struct stage_ctx *ctx; /* set to each item in turn; has a worker */
	const struct item *items;
	uint32_t count;
	uint64_t room; /* with so many outputs it may leave the rest for later */
	int32_t *outcome;
	/* Writes the outcome: n outputs, or -1: failed, and ctx->verdict says why. */
	void (*settle)(void *arg, uint32_t index, int64_t n);
	void *arg;
};
#define ISOLATED_LEFT -1 /* an item without an outcome */

/* How many items, from the first on, have an outcome now; none of the others has one. Thread:
 * blocking. */
uint32_t isolated_work_on(struct isolated_work *work);

/*
 * A thread of it ends, others go on or not: end the processes that are too many then. Lock not
 * held. Thread: blocking.
 */
void isolated_trim(struct stage_run *run);

/* The pipeline stops: whoever waits for a host stops waiting. Lock held. */
void isolated_stop(struct pipeline *pipeline);

#endif
