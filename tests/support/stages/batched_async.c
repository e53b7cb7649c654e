/* batched.h says what it does. */
#define NAME    "batched-async"
#define THREADS STAGE_ASYNC
#include "batched.h"

static void timer_fired(void *instance, struct stage_ctx *ctx)
{
	stage_complete(ctx, answer_all(ctx));
}

static enum stage_result batched_run_batch(void *instance, struct stage_ctx *ctx)
{
	stage_defer(ctx);
	if (stage_timer(ctx, 1, timer_fired) != STAGE_OK)
		stage_complete(ctx, STAGE_FAILED);
	return STAGE_PENDING;
}
