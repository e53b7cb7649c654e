/* pass: every item as it came. For measuring, and for a place to throttle or to queue. */
#include "stage.h"

static enum stage_result pass_run(void *instance, struct stage_ctx *ctx)
{
	return stage_emit_input(ctx);
}

STAGE(.name = "pass", .version = "1.0.0", .summary = "Pass every item on as it is",
	.threads = STAGE_PARALLEL, .run = pass_run);
