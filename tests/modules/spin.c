/* spin: uses the CPU for `us` of work on every item, so that tests have a slow parallel stage.
 */
#include <time.h>

#include "stage.h"

struct spin {
	int64_t us;
};

static const struct stage_param spin_params[] = {
	{ "us", STAGE_INT, .required = 1, .min = 0, .max = 10000000, .doc = "how long",
		.offset = offsetof(struct spin, us) },
	{ 0 },
};

static int64_t cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static enum stage_result spin_run(void *instance, struct stage_ctx *ctx)
{
	const struct spin *spin = instance;
	int64_t end = cpu_us() + spin->us;

	while (cpu_us() < end && !stage_cancelled(ctx))
		;
	return stage_emit_input(ctx);
}

STAGE(.name = "spin", .version = "1.0.0", .summary = "Use the CPU for a while",
	.threads = STAGE_PARALLEL, .instance_size = sizeof(struct spin), .params = spin_params,
	.run = spin_run);
