/*
 * refused: modules that must not load, each wrong in one way. One source, built once for each
 * WRONG_… of meson.build, so that what is right about them stays the same.
 */
#include "stage.h"

struct refused {
	int64_t number;
};

static const struct stage_param refused_params[] = {
#ifdef WRONG_DEFAULT
	{ "number", STAGE_INT, .def = "seven", .offset = offsetof(struct refused, number) },
#elif defined WRONG_OFFSET
	{ "number", STAGE_INT, .offset = sizeof(struct refused) },
#elif defined WRONG_TYPE
	{ "number", 99, .offset = offsetof(struct refused, number) },
#elif defined WRONG_TWICE
	{ "number", STAGE_INT, .offset = offsetof(struct refused, number) },
	{ "number", STAGE_INT, .offset = offsetof(struct refused, number) },
#else
	{ "number", STAGE_INT, .offset = offsetof(struct refused, number) },
#endif
	{ 0 },
};

__attribute__((unused)) static enum stage_result refused_run(
	void *instance, struct stage_ctx *ctx)
{
	return stage_emit_input(ctx);
}

#ifdef WRONG_SYMBOL
__attribute__((visibility("default"))) enum stage_result not_a_stage(
	void *, struct stage_ctx *);
enum stage_result not_a_stage(void *instance, struct stage_ctx *ctx)
{
	return refused_run((void *)(uintptr_t)refused_params, ctx);
}
#else
__attribute__((visibility("default"))) extern const struct stage leat_stage;
const struct stage leat_stage = {
#ifdef WRONG_ABI
	.abi = STAGE_ABI + 1,
#else
	.abi = STAGE_ABI,
#endif
#ifdef WRONG_SIZE
	.size = sizeof(struct stage) + 64,
#elif defined WRONG_SMALL
	.size = 16,
#else
	.size = sizeof(struct stage),
#endif
	.param_size = sizeof(struct stage_param),
#ifdef WRONG_NAME
	.name = "no name/at all",
#elif defined WRONG_TAKEN
	.name = "pass",
#else
	.name = "refused",
#endif
	.summary = "Never loaded",
#ifdef WRONG_KIND
	.kind = 9,
#elif defined WRONG_ASYNC
	.kind = STAGE_SINK,
	.threads = STAGE_ASYNC,
#endif
	.instance_size = sizeof(struct refused),
	.params = refused_params,
#ifndef WRONG_RUN
	.run = refused_run,
#endif
};
#endif
