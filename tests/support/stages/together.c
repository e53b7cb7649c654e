/* together: lets go of its items when so many of them are in its hands at once, workers times
 * `each`, and tells how many that were. */
#include <stdbool.h>
#include <stdio.h>

#include "stage.h"

#define MOST 256

struct together {
	int64_t each;
	unsigned count;
	struct stage_ctx *held[MOST];
};

static const struct stage_param together_params[] = {
	{ "each", STAGE_INT, .required = 1, .min = 1, .max = 16, .doc = "items a worker",
		.offset = offsetof(struct together, each) },
	{ 0 },
};

static void let_go(struct together *self, enum stage_result result)
{
	unsigned count = self->count;
	char text[20];
	int len = snprintf(text, sizeof(text), "%u", count);

	self->count = 0;
	for (unsigned at = 0; at < count; at++)
		stage_complete(self->held[at],
			result == STAGE_OK ? stage_emit(self->held[at], text, (size_t)len)
					   : result);
}

static enum stage_result together_run(void *instance, struct stage_ctx *ctx)
{
	struct together *self = instance;

	stage_defer(ctx);
	self->held[self->count++] = ctx;
	stage_in_flight(ctx, (unsigned)self->each);
	if (self->count == stage_workers(ctx) * self->each || self->count == MOST)
		let_go(self, STAGE_OK);
	return STAGE_PENDING;
}

static void together_cancel(void *instance, struct stage_ctx *ctx)
{
	let_go(instance, STAGE_FAILED);
}

STAGE(.name = "together", .version = "1.0.0", .summary = "Waits until its hands are full",
	.threads = STAGE_ASYNC, .instance_size = sizeof(struct together),
	.params = together_params, .run = together_run, .cancel = together_cancel);
