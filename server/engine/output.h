/*
 * output: how much jobs may leave on disk: of each job and of all, results in bytes
 * (`results-max`, `results-total-max`), failures in number and bytes (`failures-max`,
 * `failures-bytes-max`, `failures-bytes-total-max`); and what the ledger has room for (room.h).
 *
 * At a bound the job stands, as if paused: nothing is begun, what is under way ends. Nothing
 * that was stored goes. It shows as stalled, with the reason, and moves again once there is
 * room: failures that run again, jobs that were deleted or whose retention is over, a higher
 * bound at the next start. Jobs of /v1/run are bounded by the ledger's room alone: what their
 * clients have read is gone.
 *
 * Thread: loop.
 */
#ifndef LEAT_ENGINE_OUTPUT_H
#define LEAT_ENGINE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

struct engine;
struct job;
struct stored;

/* After a commit of the job: does it stand, or move again? */
void output_check(struct job *job);
/* Why it stands; false: it does not. */
bool output_reason(const struct job *job, char *ret, size_t size);

/* What it has stored, and all jobs have. Of all, a commit counts at once, and what was removed
 * with the next tick. */
struct stored output_stored(const struct job *job);
struct stored output_total(const struct engine *engine);

#endif
