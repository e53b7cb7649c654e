/*
 * blocking: the threads of stages that may sleep.
 *
 * A stage gets a thread when it could start an item and none of its threads is idle: up to its
 * workers, and up to blocking_max in the whole engine. A thread ends after some idle seconds.
 * A source or a sink that may sleep gets one, which does its turns (sources.h, sinks.h).
 *
 * Where the bound is reached, a stage that could go on and has no thread at all asks for one:
 * the next thread that is idle, or that has finished an item in a stage with more threads,
 * ends for it. So no stage waits for threads that themselves wait for what it does not do.
 */
#ifndef LEAT_ENGINE_BLOCKING_H
#define LEAT_ENGINE_BLOCKING_H

#include "engine/pipeline.h"

/* Of the storage of a stage. */
void blocking_init(struct stage_run *run);
/* How many threads would find something to do? Sets timers as it must. Lock held. */
uint64_t blocking_startable(struct stage_run *run);
/* Let go of the lock until the stage is woken or it is that late; nonzero: it is. Lock held. */
int blocking_wait(struct stage_run *run, uint64_t until_ns);

/* Start threads where they are needed. Thread: loop, lock not held. */
void blocking_start(struct pipeline *pipeline);
/* Start them for those who asked, if threads have ended since. Thread: loop, no lock held. */
void blocking_serve(struct engine *engine);

#endif
