/*
 * run_job: one job from its definition to an exit code, between files and descriptors.
 *
 *	feed ─► job ─► spout of results ─► standard output
 *	           └─► spout of failures ─► standard error, or a file
 *
 * It is over when the job is done, the input has ended and both spouts have written all.
 * Memory is bounded: input waits for the job's backlog, and while more than UNREAD_MAX bytes
 * of results wait for a slow reader of our output, the job is paused.
 *
 * Thread: loop.
 */
#ifndef LEAT_CLI_RUN_JOB_H
#define LEAT_CLI_RUN_JOB_H

#include <stdbool.h>
#include <uv.h>

#include "cli/feed.h"
#include "cli/spout.h"
#include "cli/progress.h"
#include "engine/engine.h"

struct run_job {
	/* Set by the caller before run_job_start(); borrowed until run_job_done(). */
	uv_loop_t *loop;
	struct engine *engine;
	struct feed_config input; /* its callbacks are filled in here */
	int failures_fd;
	bool failures_json;
	void (*over)(void *arg); /* all has ended; `code` is the exit code */
	void *arg;

	int code;
	/* The module's own. */
	struct job *job;
	struct job_watch watch;
	struct feed *feed;
	struct spout *results, *failures;
	struct progress progress;
	uv_timer_t again; /* cancels, until it is taken */
	unsigned interrupts;
	uint64_t invalid; /* lines that were no items */
	bool created, feed_over, results_over, failures_over, told, progressing;
	bool pausing, paused; /* for a slow reader: being asked for, in force */
};

/* Takes the definition, also on failure. Then `over` is called once, later. */
int run_job_start(struct run_job *run, struct definition *definition, struct error *err);
/* A signal: the first cancels and writes what there is, the second leaves that too. */
void run_job_interrupt(struct run_job *run, int number);
/* After `over`, or when it was never started. */
void run_job_done(struct run_job *run);

#endif
