/*
 * batched: takes items in batches, in whatever way THREADS says, and answers in reverse order.
 *
 * An item is {"n":5,"emit":2,"fail":"permanent"}: it becomes `emit` items that tell how many
 * came with it, or fails, for good or at the first attempt only ("transient"). {"n":5,"all":1}
 * fails all of its batch that have not failed themselves, at the first attempt.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage.h"

static long member(const char *item, const char *name, long otherwise)
{
	const char *at = strstr(item, name);

	return at == NULL ? otherwise : strtol(at + strlen(name), NULL, 10);
}

static enum stage_result answer(struct stage_ctx *ctx, size_t size)
{
	const char *item = stage_input(ctx, NULL);
	char text[120];

	if (strstr(item, "permanent") != NULL)
		return stage_fail(ctx, STAGE_PERMANENT, "as it was told");
	if (strstr(item, "transient") != NULL && stage_attempt(ctx) == 1)
		return stage_fail(ctx, STAGE_TRANSIENT, "as it was told");
	for (long k = 0; k < member(item, "\"emit\":", 1); k++) {
		int len = snprintf(text, sizeof(text), "{\"n\":%ld,\"k\":%ld,\"size\":%zu}",
			member(item, "\"n\":", -1), k, size);

		if (stage_emit(ctx, text, (size_t)len) != STAGE_OK)
			return STAGE_FAILED;
	}
	return STAGE_OK;
}

static enum stage_result batched_run(void *instance, struct stage_ctx *ctx)
{
	return answer(ctx, 0);
}

/* What comes of the whole, when all have been answered. */
static enum stage_result answer_all(struct stage_ctx *ctx)
{
	size_t count = stage_batch_count(ctx);
	enum stage_result result = STAGE_OK;

	for (size_t at = count; at-- > 0;) {
		struct stage_ctx *item = stage_batch_item(ctx, at);
		char *copy = stage_scratch(item, 10);

		if (copy == NULL)
			return stage_fail(ctx, STAGE_TRANSIENT, "out of memory");
		memset(copy, 'x', 10);
		answer(item, count);
		if (strstr(stage_input(item, NULL), "\"all\"") != NULL &&
			stage_attempt(item) == 1)
			result = stage_fail(ctx, STAGE_TRANSIENT, "all of them");
	}
	return result;
}

static enum stage_result batched_run_batch(void *instance, struct stage_ctx *ctx);

STAGE(.name = NAME, .version = "1.0.0", .summary = "Takes batches", .threads = THREADS,
	.run = batched_run, .run_batch = batched_run_batch);
