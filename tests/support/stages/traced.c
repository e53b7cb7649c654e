/* traced: a stage that calls out would send the traceparent along; this one emits it. */
#include <stdio.h>

#include "stage.h"

static enum stage_result run(void *instance, struct stage_ctx *ctx)
{
	const char *traceparent = stage_traceparent(ctx);
	char text[100];
	int len;

	(void)instance;
	if (traceparent == NULL)
		return stage_emit(ctx, "null", 4);
	stage_log(ctx, "calling out");
	len = snprintf(text, sizeof(text), "\"%s\"", traceparent);
	return stage_emit(ctx, text, (size_t)len);
}

STAGE(.name = "traced", .version = "1.0.0", .summary = "Emits the traceparent of its job",
	.threads = STAGE_BLOCKING, .run = run);
