/* block: holds its thread for `ms`, in small steps that end when nobody wants the item. */
#include <time.h>

#include "stage.h"

#define STEP_MS 2

struct block {
	int64_t ms;
};

static const struct stage_param block_params[] = {
	{ "ms", STAGE_INT, .required = 1, .min = 0, .max = 600000, .doc = "how long",
		.offset = offsetof(struct block, ms) },
	{ 0 },
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum stage_result block_run(void *instance, struct stage_ctx *ctx)
{
	const struct block *block = instance;
	const struct timespec step = { 0, STEP_MS * 1000000 };

	for (int64_t end = now_ms() + block->ms; now_ms() < end;) {
		if (stage_cancelled(ctx))
			return stage_fail(ctx, STAGE_TRANSIENT, "cancelled while blocking");
		nanosleep(&step, NULL);
	}
	return stage_emit_input(ctx);
}

STAGE(.name = "block", .version = "1.0.0", .summary = "Hold a thread for a while",
	.threads = STAGE_BLOCKING, .instance_size = sizeof(struct block),
	.params = block_params, .run = block_run);
