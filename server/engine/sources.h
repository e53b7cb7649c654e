/*
 * sources: a stage that makes items instead of waiting for them.
 *
 * What one `run` emits is appended to the input log together with the source's cursor, in one
 * transaction; so after a crash it goes on behind what is on disk and never repeats. It runs
 * one at a time while backlog and memory have room: on a compute thread, or, where it may
 * sleep, on one of its own (blocking.h). When the input is closed or the server drains, who is
 * in a call hears it from stage_cancelled(), and what it then fails with is no failure.
 */
#ifndef LEAT_ENGINE_SOURCES_H
#define LEAT_ENGINE_SOURCES_H

#include "engine/pipeline.h"

/* May the source run now? Lock held. */
bool source_possible(struct pipeline *pipeline);
/* Run it once if so; the lock is let go meanwhile. Returns whether it did. */
bool source_run(struct pipeline *pipeline);

#endif
