/* batched.h says what it does. */
#define NAME    "batched-parallel"
#define THREADS STAGE_PARALLEL
#include "batched.h"

static enum stage_result batched_run_batch(void *instance, struct stage_ctx *ctx)
{
	return answer_all(ctx);
}
