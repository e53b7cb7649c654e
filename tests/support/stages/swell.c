/*
 * swell: each item becomes a text of `bytes` bytes, at once.
 */
#include <string.h>

#include "stage.h"

struct swell {
	int64_t bytes;
};

static const struct stage_param swell_params[] = {
	{ "bytes", STAGE_INT, .required = 1, .min = 2, .max = 16777216,
		.doc = "how long, with its quotes", .offset = offsetof(struct swell, bytes) },
	{ 0 },
};

static enum stage_result swell_run(void *instance, struct stage_ctx *ctx)
{
	const struct swell *swell = instance;
	size_t len = (size_t)swell->bytes;
	char *text = stage_reserve(ctx, len);

	if (text == NULL)
		return STAGE_FAILED;
	memset(text, 'x', len);
	text[0] = text[len - 1] = '"';
	return stage_emit_reserved(ctx, len);
}

STAGE(.name = "swell", .version = "1.0.0", .summary = "Make a long text of each item",
	.threads = STAGE_PARALLEL, .instance_size = sizeof(struct swell),
	.params = swell_params, .run = swell_run);
