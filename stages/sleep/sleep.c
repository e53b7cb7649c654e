/* sleep: passes an item on after a while. It waits on the loop's timer and holds no thread. */
#include "stage.h"

struct sleep {
	int64_t ms, jitter_ms;
};

static const struct stage_param sleep_params[] = {
	{ "ms", STAGE_INT, .required = 1, .min = 0, .max = 86400000,
		.doc = "how long every item waits, in milliseconds",
		.offset = offsetof(struct sleep, ms) },
	{ "jitter_ms", STAGE_INT, .def = "0", .min = 0, .max = 86400000,
		.doc = "up to so much longer, evenly spread over the items",
		.offset = offsetof(struct sleep, jitter_ms) },
	{ 0 },
};

/* splitmix64 of the item: spread like chance, and the same when the item is tried again. */
static uint64_t jitter(const struct sleep *sleep, struct stage_ctx *ctx)
{
	uint64_t z = (stage_item_number(ctx) + 1) * 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % ((uint64_t)sleep->jitter_ms + 1);
}

static void sleep_over(void *instance, struct stage_ctx *ctx)
{
	stage_complete(ctx, stage_emit_input(ctx));
}

static enum stage_result sleep_run(void *instance, struct stage_ctx *ctx)
{
	const struct sleep *sleep = instance;
	uint64_t ms = (uint64_t)sleep->ms + jitter(sleep, ctx);

	if (ms == 0)
		return stage_emit_input(ctx);
	stage_defer(ctx);
	if (stage_timer(ctx, ms, sleep_over) != STAGE_OK)
		stage_complete(ctx, STAGE_FAILED);
	return STAGE_PENDING;
}

static void sleep_cancel(void *instance, struct stage_ctx *ctx)
{
	stage_complete(ctx, stage_fail(ctx, STAGE_TRANSIENT, "woken before its time"));
}

STAGE(.name = "sleep", .version = "1.0.0", .summary = "Pass every item on after a while",
	.threads = STAGE_ASYNC, .instance_size = sizeof(struct sleep), .params = sleep_params,
	.run = sleep_run, .cancel = sleep_cancel);
