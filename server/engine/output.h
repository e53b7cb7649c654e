/*
 * output: how much a job may leave on disk: results in bytes (`results-max`), failures
 * (`failures-max`).
 *
 * At the bound the job stands, as if paused: nothing is begun, what is under way ends. Nothing
 * that was stored goes. It shows as stalled, with the reason, and moves again once there is
 * room: failures that run again, a higher bound at the next start. Jobs of /v1/run are not
 * bounded: what their clients have read is gone.
 *
 * Thread: loop.
 */
#ifndef LEAT_ENGINE_OUTPUT_H
#define LEAT_ENGINE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

struct job;

/* After a commit of the job: does it stand, or move again? */
void output_check(struct job *job);
/* Why it stands; false: it does not. */
bool output_reason(const struct job *job, char *ret, size_t size);

#endif
