/* fail: fails every n-th item and passes the others on. For trying what a job does then. */
#include <inttypes.h>
#include <string.h>

#include "stage.h"

struct fail {
	int64_t every, until_attempt;
	const char *kind;
	enum stage_failure failure;
};

static const struct stage_param fail_params[] = {
	{ "every", STAGE_INT, .def = "1", .min = 1, .max = 1e15,
		.doc = "fail every so many-th item: those whose number + 1 it divides",
		.offset = offsetof(struct fail, every) },
	{ "kind", STAGE_STRING, .def = "permanent", .choices = "permanent|transient",
		.doc = "transient failures are tried again, as the job's retry says",
		.offset = offsetof(struct fail, kind) },
	{ "until_attempt", STAGE_INT, .def = "0", .min = 0, .max = 1000000,
		.doc = "succeed from this attempt on; 0: never",
		.offset = offsetof(struct fail, until_attempt) },
	{ 0 },
};

static enum stage_result fail_open(void *instance, struct stage_ctx *ctx)
{
	struct fail *fail = instance;

	fail->failure =
		strcmp(fail->kind, "transient") == 0 ? STAGE_TRANSIENT : STAGE_PERMANENT;
	return STAGE_OK;
}

static enum stage_result fail_run(void *instance, struct stage_ctx *ctx)
{
	const struct fail *fail = instance;
	uint64_t number = stage_item_number(ctx);
	unsigned attempt = stage_attempt(ctx);

	if ((number + 1) % (uint64_t)fail->every != 0)
		return stage_emit_input(ctx);
	if (fail->until_attempt > 0 && attempt >= fail->until_attempt)
		return stage_emit_input(ctx);
	return stage_fail(ctx, fail->failure, "item %" PRIu64 " fails at attempt %u, as asked",
		number, attempt);
}

STAGE(.name = "fail", .version = "1.0.0", .summary = "Fail every n-th item on purpose",
	.threads = STAGE_PARALLEL, .instance_size = sizeof(struct fail), .params = fail_params,
	.open = fail_open, .run = fail_run);
