/* explode: the elements of an array become items of their own, byte for byte. */
#include "stage.h"
#include "stage_slice.h"

struct explode {
	const char *field;
	struct stage_path path;
};

static const struct stage_param explode_params[] = {
	{ "field", STAGE_POINTER, .def = "",
		.doc = "where the array stands; \"\": the item itself is the array",
		.offset = offsetof(struct explode, field) },
	{ 0 },
};

static void explode_close(void *instance, struct stage_ctx *ctx)
{
	struct explode *explode = instance;

	stage_path_done(&explode->path);
}

static enum stage_result explode_open(void *instance, struct stage_ctx *ctx)
{
	struct explode *explode = instance;

	if (stage_path_init(&explode->path, explode->field))
		return STAGE_OK;
	stage_path_done(&explode->path);
	return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
}

static enum stage_result no_array(const struct explode *explode, struct stage_ctx *ctx)
{
	if (explode->path.depth == 0)
		return stage_fail(ctx, STAGE_PERMANENT, "the item is not an array");
	return stage_fail(ctx, STAGE_PERMANENT, "no array field '%s'",
		explode->field + (explode->path.depth == 1));
}

static enum stage_result explode_run(void *instance, struct stage_ctx *ctx)
{
	const struct explode *explode = instance;
	struct stage_slice element;
	struct stage_walk walk;

	if (!stage_walk_open(
		    &walk, stage_slice_find(stage_slice_input(ctx), &explode->path), '['))
		return no_array(explode, ctx);
	while (stage_walk_element(&walk, &element))
		if (stage_emit(ctx, element.at, element.len) != STAGE_OK)
			return STAGE_FAILED;
	return STAGE_OK;
}

STAGE(.name = "explode", .version = "1.0.0",
	.summary = "Make items of the elements of an array", .threads = STAGE_PARALLEL,
	.instance_size = sizeof(struct explode), .params = explode_params, .open = explode_open,
	.close = explode_close, .run = explode_run);
