/* configured: puts what the operator has configured beside every item. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "stage.h"

struct configured_config {
	const char *greeting, *token, *more;
	int64_t times;
	bool wanted;
};

static const struct stage_param configured_config_rows[] = {
	{ "greeting", STAGE_STRING, .def = "hello", .choices = "hello|welcome",
		.offset = offsetof(struct configured_config, greeting) },
	{ "token", STAGE_STRING, .doc = "a secret",
		.offset = offsetof(struct configured_config, token) },
	{ "more", STAGE_JSON, .offset = offsetof(struct configured_config, more) },
	{ "wanted", STAGE_BOOL, .required = 1, .doc = "a file must say it",
		.offset = offsetof(struct configured_config, wanted) },
	{ "times", STAGE_INT, .def = "1", .min = 1, .max = 9,
		.offset = offsetof(struct configured_config, times) },
	{ 0 },
};

static enum stage_result configured_configure(void *config, struct stage_ctx *ctx)
{
	const struct configured_config *self = config;

	if (self->more != NULL && *self->more != '{')
		return stage_fail(ctx, STAGE_PERMANENT, "/more: must be an object");
	return STAGE_OK;
}

static enum stage_result configured_run(void *instance, struct stage_ctx *ctx)
{
	const struct configured_config *config = stage_config(ctx);
	char *to = stage_reserve(ctx, 500);
	const char *item;
	size_t len;

	item = stage_input(ctx, &len);
	if (to == NULL || len > 100)
		return stage_fail(ctx, STAGE_PERMANENT, "too long");
	/* Of the secret only how long it is. */
	len = (size_t)snprintf(to, 500,
		"{\"item\":%s,\"use\":\"%s\",\"greeting\":\"%s\",\"times\":%d,\"token\":%zu,"
		"\"more\":%s}",
		item, stage_use(ctx), config->greeting, (int)config->times,
		config->token == NULL ? 0 : strlen(config->token),
		config->more == NULL ? "null" : config->more);
	return stage_emit_reserved(ctx, len);
}

STAGE(.name = "configured", .version = "1.0.0", .summary = "Show the configuration",
	.threads = STAGE_PARALLEL, .config_size = sizeof(struct configured_config),
	.config = configured_config_rows, .configure = configured_configure,
	.run = configured_run);
