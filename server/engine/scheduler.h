/*
 * scheduler: the compute threads and the list of pipelines that have work for them.
 *
 * Each thread takes the pipeline in front, begins one activation of it (about a millisecond
 * of work), puts the pipeline at the back if there is more, and runs the activation. So jobs
 * share the threads round robin; within a job the stage furthest downstream goes first.
 *
 * Tasks are small things that stage code must do off the loop: opening instances, closing
 * them, reports. They go before pipelines.
 */
#ifndef LEAT_ENGINE_SCHEDULER_H
#define LEAT_ENGINE_SCHEDULER_H

#include "engine/pipeline.h"

struct scheduler;

int scheduler_start(unsigned threads, struct scheduler **ret, struct error *err);
/* Ends the threads after what they have in hand; runs the tasks that are left. */
void scheduler_stop(struct scheduler *scheduler);
/* After scheduler_stop(), when no pipeline is left. */
void scheduler_free(struct scheduler *scheduler);
/* This pipeline has work. Thread: any. */
void scheduler_add(struct scheduler *scheduler, struct pipeline *pipeline);
void scheduler_task(struct scheduler *scheduler, struct task *task);
unsigned scheduler_threads(const struct scheduler *scheduler);

#endif
