/* entered: a serial stage that fails an item if it finds itself entered twice at once. */
#include <stdatomic.h>

#include "stage.h"

struct entered {
	atomic_int inside;
};

static enum stage_result entered_run(void *instance, struct stage_ctx *ctx)
{
	struct entered *entered = instance;
	int others = atomic_fetch_add(&entered->inside, 1);

	for (volatile int spin = 0; spin < 20000; spin++) {
	}
	atomic_fetch_sub(&entered->inside, 1);
	if (others != 0)
		return stage_fail(ctx, STAGE_PERMANENT, "%d others were inside", others);
	return stage_emit_input(ctx);
}

STAGE(.name = "entered", .version = "1.0.0", .summary = "Fail if it runs twice at once",
	.threads = STAGE_SERIAL, .instance_size = sizeof(struct entered), .run = entered_run);
