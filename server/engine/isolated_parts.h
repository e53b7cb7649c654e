/*
 * isolated_parts: what the files that make up isolated.h share. For them alone.
 */
#ifndef LEAT_ENGINE_ISOLATED_PARTS_H
#define LEAT_ENGINE_ISOLATED_PARTS_H

#include "engine/ctx.h"
#include "engine/isolated.h"
#include "engine/split.h"
#include "isolate/host.h"

/* Of a worker. */
struct isolated_worker {
	struct list link; /* of `workers`, while there is a process that may be waited for */
	struct isolated *isolated;
	struct host host;
	struct json_check *check;
};

/* Of a stage of a pipeline: its instance. */
struct isolated {
	struct stage_run *run;
	pthread_mutex_t lock; /* of what follows; taken inside the pipeline's */
	pthread_cond_t rest;  /* the job stops while one waits to start a process */
	struct list workers;
	struct isolated_worker
		first;          /* has only a process: from `open`, for whoever wants one */
	unsigned deaths;        /* one after the other, without a batch in between */
	unsigned refusals;      /* of processes to start, the same */
	atomic_bool started;    /* there has been one */
	uint64_t quit_until_ns; /* the job is over: all were told to quit; 0: not yet */
};

/* One order and its report. */
struct isolated_round {
	struct isolated_worker *worker;
	struct isolated_work *work;
	unsigned count;                  /* items in it */
	uint32_t index[SHARE_ITEMS_MAX]; /* which of the work's they are */
	uint64_t sent_ns, timeout_ns;
	uint64_t stood_ns;   /* clock_stood_ns() when it was sent */
	uint64_t give_up_ns; /* 0: the job has not been stopped */

	/* from round to round */
	uint32_t first; /* item of the work without an outcome */
	bool alone;     /* one item a round */
	bool rested;    /* the last process did nothing but ask for another */
	int64_t spared; /* a process was killed over this item once, by whomever; -1: none */
	unsigned idle_deaths; /* since items got through, of processes that had none in hand */
};

/* ---- hosts (isolated_host.c) ---- */

/* Start a process that has the stage open. */
int isolated_host_open(struct isolated *isolated, struct isolated_worker *worker,
	struct stage_ctx *ctx, struct error *err);
/* The same if there is none, after a while where those before did not live long. */
int isolated_worker_open(
	struct isolated_worker *worker, struct stage_ctx *ctx, struct error *err);
/* Let it close its stage, then end it. */
void isolated_worker_quit(struct isolated_worker *worker);
/* Kill what still lives. */
void isolated_worker_kill(struct isolated_worker *worker);
/* A batch got through. */
void isolated_worked(struct isolated *isolated);
bool isolated_stopped(const struct isolated *isolated);
/* An item's time; 0: none. */
uint64_t isolated_timeout_ns(const struct stage_run *run);

/* ---- orders and reports (isolated_take.c) ---- */

/* Write the next items that have no outcome, as many as fit and at least one. */
void isolated_order(struct isolated_round *round);
/*
 * Hand on what the first `count` items became, up to the first that cannot be. Returns how
 * many that were; where they are fewer, `err` says what is wrong with the next one's.
 */
unsigned isolated_take(struct isolated_round *round, unsigned count, struct error *err);

#endif
