/*
 * @NAME@: adds the length of a text.
 *
 * Written by `leat new-stage`, to be changed into what you need. What a stage may do stands
 * in stage.h; this one uses jansson, the comfortable way.
 */
#include <stage_jansson.h>

/* The parameters, filled in by leat from the table below. One a job. */
struct @ID@ {
	const char *field, *into;
};

static const struct stage_param @ID@_params[] = {
	{ "field", STAGE_STRING, .required = 1, .doc = "field that holds the text",
		.offset = offsetof(struct @ID@, field) },
	{ "into", STAGE_STRING, .def = "length", .doc = "field that receives its length in bytes",
		.offset = offsetof(struct @ID@, into) },
	{ 0 },
};

/* One item. Called by several threads at once, each with an item of its own. */
static enum stage_result @ID@_run(void *instance, struct stage_ctx *ctx)
{
	const struct @ID@ *self = instance;
	json_auto_t *item = stage_input_json(ctx);
	const json_t *text;

	if (item == NULL)
		return STAGE_FAILED;
	text = json_object_get(item, self->field);
	if (!json_is_string(text))
		return stage_fail(ctx, STAGE_PERMANENT, "no string field '%s'", self->field);
	json_object_set_new(item, self->into, json_integer((json_int_t)json_string_length(text)));
	return stage_emit_json(ctx, item);
}

STAGE(.name = "@NAME@", .version = "0.1.0", .summary = "Add the length of a text",
	.threads = STAGE_PARALLEL, .instance_size = sizeof(struct @ID@),
	.params = @ID@_params, .run = @ID@_run);
