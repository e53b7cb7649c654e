/*
 * blocking: the threads of stages that may sleep.
 *
 * A stage gets a thread when it could start an item and none of its threads is idle: up to its
 * workers, and up to blocking_max in the whole engine. A thread ends after some idle seconds.
 *
 * Where the bound is reached, a stage that could go on and has no thread at all asks for one:
 * the next thread that is idle, or that has finished an item in a stage with more threads,
 * ends for it. So no stage waits for threads that themselves wait for what it does not do.
 */
#ifndef LEAT_ENGINE_BLOCKING_H
#define LEAT_ENGINE_BLOCKING_H

#include "engine/pipeline.h"

/* Start threads where they are needed. Thread: loop, lock not held. */
void blocking_start(struct pipeline *pipeline);
/* Start them for those who asked, if threads have ended since. Thread: loop, no lock held. */
void blocking_serve(struct engine *engine);

#endif
