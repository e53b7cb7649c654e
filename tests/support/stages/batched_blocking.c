/* batched.h says what it does. */
#define NAME    "batched-blocking"
#define THREADS STAGE_BLOCKING
#include "batched.h"

static enum stage_result batched_run_batch(void *instance, struct stage_ctx *ctx)
{
	return answer_all(ctx);
}
