/*
 * v2: a module as it was built against the stage.h of ABI 2, which stands beside this file and
 * is never changed. Every later leat must load it and run its cases.
 *
 * It uses what ABI 2 has more than the first one: an operator's configuration (here its
 * defaults), the parameters as a text, the name it is used by, batches.
 */
#include <stdio.h>
#include <string.h>

#include "stage.h"

struct v2_config {
	const char *greeting;
	int64_t least;
};

struct v2 {
	int64_t times;
	const char *params;
};

static const struct stage_param v2_config[] = {
	{ "greeting", STAGE_STRING, .def = "hello",
		.offset = offsetof(struct v2_config, greeting) },
	{ "least", STAGE_INT, .def = "1", .offset = offsetof(struct v2_config, least) },
	{ 0 },
};

static const struct stage_param v2_params[] = {
	{ "times", STAGE_INT, .def = "2", .doc = "how often", .min = 0, .max = 9,
		.offset = offsetof(struct v2, times) },
	{ 0 },
};

static enum stage_result v2_configure(void *config, struct stage_ctx *ctx)
{
	const struct v2_config *self = config;

	return self->least == 1 ? STAGE_OK
				: stage_fail(ctx, STAGE_PERMANENT, "/least: must be 1");
}

static enum stage_result v2_open(void *instance, struct stage_ctx *ctx)
{
	struct v2 *self = instance;
	const struct v2_config *config = stage_config(ctx);

	self->params = stage_params(ctx, NULL);
	if (self->params == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "out of memory");
	return self->times >= config->least ? STAGE_OK
					    : stage_fail(ctx, STAGE_PERMANENT,
						      "/times: less than the operator wants");
}

static enum stage_result answer(const struct v2 *self, struct stage_ctx *ctx, size_t size)
{
	const struct v2_config *config = stage_config(ctx);
	const char *item;
	char text[400];
	size_t len;
	int written;

	item = stage_input(ctx, &len);
	if (len > 100 || *item == 'n')
		return stage_fail(ctx, STAGE_PERMANENT, "not for this one");
	written = snprintf(text, sizeof(text),
		"{\"in\":%s,\"use\":\"%s\",\"greeting\":\"%s\",\"params\":%s,\"batch\":%s}",
		item, stage_use(ctx), config->greeting, self->params,
		size > 0 ? "true" : "false");
	for (int64_t n = 0; n < self->times; n++)
		if (stage_emit(ctx, text, (size_t)written) != STAGE_OK)
			return STAGE_FAILED;
	return STAGE_OK;
}

static enum stage_result v2_run(void *instance, struct stage_ctx *ctx)
{
	return answer(instance, ctx, 0);
}

static enum stage_result v2_run_batch(void *instance, struct stage_ctx *ctx)
{
	size_t count = stage_batch_count(ctx);

	for (size_t at = count; at-- > 0;)
		answer(instance, stage_batch_item(ctx, at), count);
	return STAGE_OK;
}

STAGE(.name = "v2", .version = "1.0.0", .summary = "A module of the second ABI",
	.threads = STAGE_PARALLEL, .instance_size = sizeof(struct v2), .params = v2_params,
	.config_size = sizeof(struct v2_config), .config = v2_config, .configure = v2_configure,
	.open = v2_open, .run = v2_run, .run_batch = v2_run_batch, .batch_items = 16);
