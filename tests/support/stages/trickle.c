/*
 * trickle: a source that has nothing the first `dry` times it is asked, then one item, and so
 * on; an item says how often it was asked. What it counts is not part of its state.
 */
#include "stage.h"

#include <stdio.h>
#include <string.h>

struct trickle {
	int64_t dry, count;
	int64_t asked, made;
};

static const struct stage_param trickle_params[] = {
	{ "dry", STAGE_INT, .max = 1000000, .doc = "times without an item, in between",
		.offset = offsetof(struct trickle, dry) },
	{ "count", STAGE_INT, .def = "1", .min = 1, .max = 1000000, .doc = "items",
		.offset = offsetof(struct trickle, count) },
	{ 0 },
};

static enum stage_result trickle_run(void *instance, struct stage_ctx *ctx)
{
	struct trickle *trickle = instance;
	char text[40];

	if (++trickle->asked % (trickle->dry + 1) != 0)
		return STAGE_OK;
	snprintf(text, sizeof(text), "{\"asked\":%lld}", (long long)trickle->asked);
	if (stage_emit(ctx, text, strlen(text)) != STAGE_OK)
		return STAGE_FAILED;
	return ++trickle->made == trickle->count ? STAGE_END : STAGE_OK;
}

STAGE(.name = "trickle", .version = "1.0.0", .summary = "Have nothing most of the time",
	.kind = STAGE_SOURCE, .threads = STAGE_SERIAL, .instance_size = sizeof(struct trickle),
	.params = trickle_params, .run = trickle_run);
