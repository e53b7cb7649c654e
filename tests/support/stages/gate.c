/* gate: fails every item while a file is there. For tests of what is tried again later. */
#include <unistd.h>

#include "stage.h"

struct gate {
	const char *file, *kind;
};

static const struct stage_param gate_params[] = {
	{ "file", STAGE_STRING, .required = 1, .doc = "the gate is shut while this file exists",
		.offset = offsetof(struct gate, file) },
	{ "kind", STAGE_STRING, .def = "permanent", .choices = "permanent|transient",
		.doc = "how the items fail", .offset = offsetof(struct gate, kind) },
	{ 0 },
};

static enum stage_result gate_run(void *instance, struct stage_ctx *ctx)
{
	const struct gate *gate = instance;

	if (access(gate->file, F_OK) == 0)
		return stage_fail(ctx, gate->kind[0] == 't' ? STAGE_TRANSIENT : STAGE_PERMANENT,
			"the gate is shut");
	return stage_emit_input(ctx);
}

STAGE(.name = "gate", .version = "1.0.0", .summary = "Fail while a file is there",
	.threads = STAGE_PARALLEL, .instance_size = sizeof(struct gate), .params = gate_params,
	.run = gate_run);
