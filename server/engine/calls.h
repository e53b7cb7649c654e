/*
 * calls: items in the hands of async and blocking stages.
 *
 * A call is one attempt at one item that outlives the function which started it. Its fate is
 * decided exactly once, under the pipeline's lock: by the stage (it completed), by the
 * deadline (timeout_ms), or by the job's end. Whoever comes later finds the call abandoned
 * and only lets go of it; so a stage that never honours its deadline costs its worker, not
 * the item.
 *
 * Async calls are started and finished on the loop. Blocking ones run on threads of their
 * own (engine/blocking.h).
 */
#ifndef LEAT_ENGINE_CALLS_H
#define LEAT_ENGINE_CALLS_H

#include "engine/pipeline.h"

bool call_is_abandoned(const struct call *call);

/* Start async items as far as workers and room go. Thread: loop, lock not held. */
void calls_start(struct pipeline *pipeline);
/* Finish what was completed since. Thread: loop. */
void calls_finish(struct engine *engine);
/* Decide the fate of calls whose deadline has passed. Thread: loop, lock not held. */
void calls_expire(struct pipeline *pipeline, uint64_t now_ns);
/* Tell every call of a stopped pipeline that nobody waits. Thread: loop, lock not held. */
void calls_cancel(struct pipeline *pipeline);

/*
 * Takes an item of a blocking stage and works on it; false when there is nothing to take.
 * Thread: blocking, lock held, which it lets go of meanwhile.
 */
bool call_run_blocking(struct stage_run *run);

#endif
