/*
 * sinks: a stage that takes what comes out instead of keeping it as results.
 *
 * It stands behind the tail: it is given whole input items (all parts of them, in order),
 * those that go to disk in one transaction together, and then its state, which goes into
 * the same transaction. So after a crash the state is that of exactly the items marked done.
 *
 * How it takes them, and what it does with those that fail, is in sink_turn.h.
 *
 * Thread: compute, or one of its own where it may sleep (blocking.h); one at a time a pipeline.
 */
#ifndef LEAT_ENGINE_SINKS_H
#define LEAT_ENGINE_SINKS_H

#include "engine/pipeline.h"

/* Is there something for the sink, or its report to be made? Lock held. */
bool sink_possible(struct pipeline *pipeline);
/* Do it if so; the lock is let go meanwhile. Returns whether it did. */
bool sink_run(struct pipeline *pipeline);

#endif
