/*
 * spring: a blocking source of the numbers 0 to `count`, some at a time, each time after a
 * while. It may be deaf to those who do not want more.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "stage.h"

struct spring {
	int64_t count, ms, at_once;
	bool deaf;
};

static const struct stage_param spring_params[] = {
	{ "count", STAGE_INT, .required = 1, .doc = "how many",
		.offset = offsetof(struct spring, count) },
	{ "ms", STAGE_INT, .max = 600000, .doc = "how long it takes to make some",
		.offset = offsetof(struct spring, ms) },
	{ "at_once", STAGE_INT, .def = "100", .min = 1, .max = 100000,
		.doc = "how many are some", .offset = offsetof(struct spring, at_once) },
	{ "deaf", STAGE_BOOL, .doc = "it does not hear that nobody wants more",
		.offset = offsetof(struct spring, deaf) },
	{ 0 },
};

static enum stage_result spring_run(void *instance, struct stage_ctx *ctx)
{
	const struct spring *spring = instance;
	const struct timespec step = { .tv_nsec = 1000000 };
	const char *state = stage_state(ctx, NULL);
	int64_t next = 0, end;

	if (state != NULL)
		memcpy(&next, state, sizeof(next));
	for (int64_t passed = 0; passed < spring->ms; passed++) {
		if (!spring->deaf && stage_cancelled(ctx))
			return stage_fail(ctx, STAGE_TRANSIENT, "nobody wants more");
		nanosleep(&step, NULL);
	}
	end = next + spring->at_once;
	for (; next < spring->count && next < end && stage_room(ctx) > 0; next++) {
		char text[32];
		int len = snprintf(text, sizeof(text), "%lld", (long long)next);

		if (stage_emit(ctx, text, (size_t)len) != STAGE_OK)
			return STAGE_FAILED;
	}
	if (stage_state_set(ctx, &next, sizeof(next)) != STAGE_OK)
		return STAGE_FAILED;
	return next == spring->count ? STAGE_END : STAGE_OK;
}

STAGE(.name = "spring", .version = "1.0.0", .summary = "Make numbers, slowly",
	.kind = STAGE_SOURCE, .threads = STAGE_BLOCKING, .instance_size = sizeof(struct spring),
	.params = spring_params, .run = spring_run);
