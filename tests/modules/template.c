/* template: a stage of which each file of stages-d makes one. Puts its name and its parameters
 * beside every item. */
#include <stdio.h>

#include "stage.h"

struct template_config {
	const char *command;
};

struct template
{
	const char *params;
	size_t len;
};

static const struct stage_param template_config_rows[] = {
	{ "command", STAGE_STRING, .required = 1, .doc = "what would be run",
		.offset = offsetof(struct template_config, command) },
	{ 0 },
};

static enum stage_result template_open(void *instance, struct stage_ctx *ctx)
{
	struct template *self = instance;

	self->params = stage_params(ctx, &self->len);
	return self->params != NULL ? STAGE_OK
				    : stage_fail(ctx, STAGE_TRANSIENT, "out of memory");
}

static enum stage_result template_run(void *instance, struct stage_ctx *ctx)
{
	const struct template *self = instance;
	const struct template_config *config = stage_config(ctx);
	char *to = stage_reserve(ctx, self->len + 400);
	const char *item;
	size_t len;

	item = stage_input(ctx, &len);
	if (to == NULL || len > 100)
		return stage_fail(ctx, STAGE_PERMANENT, "too long");
	len = (size_t)snprintf(to, self->len + 400,
		"{\"item\":%s,\"use\":\"%s\",\"command\":\"%s\",\"params\":%s}", item,
		stage_use(ctx), config->command, self->params);
	return stage_emit_reserved(ctx, len);
}

STAGE(.name = "template", .version = "1.0.0", .summary = "A template",
	.threads = STAGE_PARALLEL, .instance_size = sizeof(struct template),
	.config_size = sizeof(struct template_config), .config = template_config_rows,
	.open = template_open, .run = template_run, .flags = STAGE_TEMPLATE);
