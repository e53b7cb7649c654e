/*
 * sinks: a stage that takes what comes out instead of keeping it as results.
 *
 * It stands behind the tail: it is given whole input items (all parts of them, in order),
 * those that go to disk in one transaction together, and then its state, which goes into
 * the same transaction. So after a crash the state is that of exactly the items marked done.
 *
 * Thread: compute, one at a time a pipeline.
 */
#ifndef LEAT_ENGINE_SINKS_H
#define LEAT_ENGINE_SINKS_H

#include "engine/pipeline.h"

/* Is there something for the sink, or its report to be made? Lock held. */
bool sink_possible(struct pipeline *pipeline);
/* Do it if so; the lock is let go meanwhile. Returns whether it did. */
bool sink_run(struct pipeline *pipeline);

#endif
