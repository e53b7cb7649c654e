/*
 * hosted: a stage at work inside a host process (`leat stage-host`).
 *
 * The other end of isolated.h. One thread, one stage, one worker: it maps what the server
 * shares (isolate/share.h), gives up what a stage has no use for (isolate/confine.h), opens
 * the stage with the job's parameters and runs batches of items until it is told to quit.
 *
 * The accessors of stage.h are the engine's own (ctx.c), over a pipeline that has no engine:
 * what they must ask of the server instead stands in struct hosted. What a stage emits goes
 * straight into the shared memory.
 */
#ifndef LEAT_ENGINE_HOSTED_H
#define LEAT_ENGINE_HOSTED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct stage_meter;

struct hosted {
	uint64_t output_max;
	const _Atomic uint32_t *cancelled;
	int socket;
	struct stage_meter *meter;
};

/* What stage_log() makes of a line there. Thread: any. */
void hosted_log(const struct hosted *hosted, unsigned skipped, const char *text);

/* Has a server started this process? It would find its socket. */
bool hosted_by_server(void);
/* Serve until the server says quit, or is gone. Returns the program's exit code. */
int hosted_main(void);

#endif
