/* traced-async: the same of a stage that answers later, from a timer on the loop. */
#include <stdio.h>

#include "stage.h"

static void answer(void *instance, struct stage_ctx *ctx)
{
	const char *traceparent = stage_traceparent(ctx);
	char text[100];
	int len;

	(void)instance;
	len = traceparent == NULL ? snprintf(text, sizeof(text), "null")
				  : snprintf(text, sizeof(text), "\"%s\"", traceparent);
	stage_complete(ctx, stage_emit(ctx, text, (size_t)len));
}

static enum stage_result run(void *instance, struct stage_ctx *ctx)
{
	(void)instance;
	stage_defer(ctx);
	stage_timer(ctx, 1, answer);
	return STAGE_PENDING;
}

STAGE(.name = "traced-async", .version = "1.0.0",
	.summary = "Emits the traceparent of its job, a little later", .threads = STAGE_ASYNC,
	.run = run);
