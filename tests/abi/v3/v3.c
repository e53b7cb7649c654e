/*
 * v3: a module as it was built against the stage.h of ABI 3, which stands beside this file and
 * is never changed. Every later leat must load it and run its cases.
 *
 * It uses what ABI 3 has more than the one before: numbers of its own for /metrics, and lines
 * of its processes for the log. It emits how many items it has been given so far.
 */
#include <stdio.h>
#include <string.h>

#include "stage.h"

struct v3 {
	struct stage_meter *meter;
	unsigned long long seen;
};

static enum stage_result v3_open(void *instance, struct stage_ctx *ctx)
{
	struct v3 *self = instance;

	self->meter = stage_meter(ctx);
	stage_level(self->meter, "open", 1);
	return STAGE_OK;
}

static void v3_close(void *instance, struct stage_ctx *ctx)
{
	struct v3 *self = instance;

	stage_level(self->meter, "open", -1);
}

static enum stage_result v3_run(void *instance, struct stage_ctx *ctx)
{
	struct v3 *self = instance;
	char text[40];

	stage_count(self->meter, "item", 1);
	stage_count(NULL, "item", 1);
	stage_level(self->meter, "not a name", -1);
	stage_stderr(ctx, stage_use(ctx), 1, self->seen, "a line", 6);
	stage_stderr(NULL, stage_use(ctx), 1, 0, "of no job", 9);
	snprintf(text, sizeof(text), "{\"seen\":%llu}", ++self->seen);
	return stage_emit(ctx, text, strlen(text));
}

STAGE(.name = "v3", .version = "1.0.0", .summary = "A module of the third ABI",
	.threads = STAGE_SERIAL, .instance_size = sizeof(struct v3), .open = v3_open,
	.close = v3_close, .run = v3_run);
