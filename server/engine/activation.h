/*
 * activation: one batch of items through one stage, or through several fused ones.
 *
 *	begin (lock held)  choose stage and batch
 *	run (no lock)      stage code
 *	end (lock held)    outcomes
 *
 * Thread: compute; that of an isolated stage blocking. An executor is one thread's memory for
 * it.
 */
#ifndef LEAT_ENGINE_ACTIVATION_H
#define LEAT_ENGINE_ACTIVATION_H

#include "engine/ctx.h"

struct executor;
struct executor *executor_new(void);
void executor_free(struct executor *executor);

/* Take a batch, downstream first; false when nothing can start now. Lock held. */
bool activation_begin(struct executor *executor, struct pipeline *pipeline);
/* The same for this stage alone: an isolated one, on a thread of its own. Lock held. */
bool activation_begin_stage(struct executor *executor, struct stage_run *run);
/* Could activation_begin() find something? Lock held. */
bool activation_possible(struct pipeline *pipeline);
/* Lock not held. */
void activation_run(struct executor *executor);
/* Lock held. */
void activation_end(struct executor *executor);

#endif
