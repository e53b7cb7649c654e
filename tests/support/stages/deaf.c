/* deaf: a blocking stage that sleeps on whatever anybody says: its timeout must not wait. */
#include <time.h>

#include "stage.h"

struct deaf {
	int64_t ms;
};

static const struct stage_param deaf_params[] = {
	{ "ms", STAGE_INT, .required = 1, .max = 600000, .doc = "how long an item takes",
		.offset = offsetof(struct deaf, ms) },
	{ 0 },
};

static enum stage_result deaf_run(void *instance, struct stage_ctx *ctx)
{
	const struct deaf *deaf = instance;
	struct timespec left = { .tv_sec = deaf->ms / 1000,
		.tv_nsec = deaf->ms % 1000 * 1000000 };

	while (nanosleep(&left, &left) != 0) {
	}
	return stage_emit_input(ctx);
}

STAGE(.name = "deaf", .version = "1.0.0", .summary = "Sleep and hear nothing",
	.threads = STAGE_BLOCKING, .instance_size = sizeof(struct deaf), .params = deaf_params,
	.run = deaf_run);
