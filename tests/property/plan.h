/*
 * plan: a random job: its pipeline, its bounds and its items.
 *
 * What a stage does to an item is written down here in a form that both the engine (as a
 * definition) and the model (model.h) can follow.
 */
#ifndef LEAT_TEST_PLAN_H
#define LEAT_TEST_PLAN_H

#include <jansson.h>

#include "job/definition.h"
#include "rng.h"

#define PLAN_STAGES 8

enum plan_use {
	USE_PASS,
	USE_FILTER,
	USE_EXPLODE,
	USE_FAIL,
	USE_PICK,
	USE_SHA256,
	USE_SLEEP,
	USE_MANY,
	USE_ID,
	USE_FLAKY,
	USE_SERIAL,
	USE_WORKER,
	USE_BLOCK,
	USE_POOL,
	USE_BATCH_CPU,
	USE_BATCH_BLOCK,
	USE_BATCH_ASYNC,
	USE_HANG_CPU,
	USE_HANG_BLOCK,
	USE_HANG_ASYNC,
	USE_MAPS, /* how many of them there are */
	USE_RANGE = USE_MAPS,
	USE_BLOCK_RANGE,
	USE_SINK,
	USE_BLOCK_SINK,
	USE_BATCH_SINK,
	USE_QUICK_SINK,
	USE_AGGREGATE,
};

struct plan_stage {
	enum plan_use use;
	char name[16];
	uint64_t salt, mod, k;
	bool transient;         /* of USE_FAIL */
	uint64_t until_attempt; /* of USE_FAIL */
	unsigned workers;       /* 0: not said */
	unsigned attempts;
	enum on_error on_error;
	uint64_t queue_items, queue_bytes, backoff_ms, timeout_ms;
	uint64_t batch_items, batch_wait_ms; /* 0: not said */
	double rate;
};

/* What a plan may hold. */
struct plan_rules {
	bool numbered; /* the numbers of the items are known beforehand */
	bool hangs;    /* stages that run into their timeout, which takes its time */
	bool source, sink;
	bool fails;  /* some stage may have on_error: fail */
	bool sturdy; /* every item may fail once more than it would */
	unsigned items_max;
};

struct plan {
	struct plan_stage stages[PLAN_STAGES];
	unsigned count;
	bool source, sink, ordered, may_fail;
	int max_failures; /* -1: as many as there are */
	unsigned slot;    /* of the probes */
	uint64_t backlog;
	char **lines;
	unsigned line_count;
};

void plan_make(
	struct plan *plan, struct rng *rng, const struct plan_rules *rules, unsigned slot);
void plan_done(struct plan *plan);
/* The body of POST /v1/jobs. */
json_t *plan_definition(const struct plan *plan);

#endif
