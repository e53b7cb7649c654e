/*
 * pick: an object of some of the item's fields, under their names or new ones.
 *
 * What is picked is copied byte for byte, so numbers keep all their digits. One walk over the
 * item finds the fields of the top level, and stops when it has them all.
 */
#include <yyjson.h>

#include "stage.h"
#include "stage_slice.h"
#include "stage_write.h"

#define FIELDS_MAX 64

struct field {
	char *member; /* ,"name": as it is written out */
	size_t member_len;
	struct stage_path path;
};

struct pick {
	const char *fields;
	struct field *list;
	size_t count, fixed_len;
};

static const struct stage_param pick_params[] = {
	{ "fields", STAGE_JSON, .required = 1,
		.doc = "names or JSON pointers to keep, or an object from new names to pointers",
		.offset = offsetof(struct pick, fields),
		.schema = "{\"oneOf\":[{\"type\":\"array\",\"items\":{\"type\":\"string\"},"
			  "\"minItems\":1,\"maxItems\":64},{\"type\":\"object\","
			  "\"additionalProperties\":{\"type\":\"string\"},"
			  "\"minProperties\":1,\"maxProperties\":64}]}" },
	{ 0 },
};

static void pick_close(void *instance, struct stage_ctx *ctx)
{
	struct pick *pick = instance;

	for (size_t i = 0; i < pick->count; i++) {
		free(pick->list[i].member);
		stage_path_done(&pick->list[i].path);
	}
	free(pick->list);
	pick->list = NULL;
	pick->count = 0;
}

/* ---- open: the parameter into a list ---- */

static enum stage_result no_memory(struct stage_ctx *ctx)
{
	return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
}

static bool set_name(struct field *field, const char *name, size_t len)
{
	char *at;

	field->member = malloc(STAGE_ESCAPED_MAX(len) + 4);
	if (field->member == NULL)
		return false;
	at = stage_put(field->member, ",\"", 2);
	at = stage_put_escaped(at, name, len);
	at = stage_put(at, "\":", 2);
	field->member_len = (size_t)(at - field->member);
	return true;
}

/* A bare name is the pointer to the member of that name. */
static bool set_path(struct field *field, const char *text)
{
	char *pointer;
	bool done;

	if (*text == '/' || *text == '\0')
		return stage_path_init(&field->path, text);
	pointer = malloc(strlen(text) + 2);
	if (pointer == NULL)
		return false;
	stage_put(stage_put(pointer, "/", 1), text, strlen(text) + 1);
	done = stage_path_init(&field->path, pointer);
	free(pointer);
	return done;
}

/* What is wrong with a pointer as somebody wrote it, NULL when nothing is. */
static const char *pointer_mistake(yyjson_val *value)
{
	const char *text = yyjson_get_str(value);

	if (text == NULL || strlen(text) != yyjson_get_len(value))
		return "is not a string";
	if (*text != '/' && strchr(text, '/') != NULL)
		return "is neither a name nor a JSON pointer, which begins with /";
	for (; *text != '\0'; text++)
		if (*text == '~' && text[1] != '0' && text[1] != '1')
			return "is not a JSON pointer: ~ is written ~0";
	return NULL;
}

static bool is_taken(const struct pick *pick, const struct field *field)
{
	for (const struct field *other = pick->list; other < field; other++)
		if (other->member_len == field->member_len &&
			memcmp(other->member, field->member, field->member_len) == 0)
			return true;
	return false;
}

/* `name` is NULL in the list form: then it is the pointer's last token. */
static enum stage_result add_field(
	struct pick *pick, struct stage_ctx *ctx, yyjson_val *name, yyjson_val *pointer)
{
	struct field *field = &pick->list[pick->count];
	const char *mistake = pointer_mistake(pointer);
	const struct stage_token *last;
	bool named;

	if (mistake != NULL)
		return stage_fail(ctx, STAGE_PERMANENT, "/fields: number %zu %s",
			pick->count + 1, mistake);
	if (!set_path(field, yyjson_get_str(pointer))) {
		stage_path_done(&field->path);
		return no_memory(ctx);
	}
	pick->count++; /* from here on pick_close() knows it */
	if (name == NULL && field->path.depth == 0)
		return stage_fail(ctx, STAGE_PERMANENT,
			"/fields: the whole item (\"\") needs a name: {\"name\":\"\"}");
	last = name == NULL ? &field->path.tokens[field->path.depth - 1] : NULL;
	named = last != NULL ? set_name(field, last->name, last->len)
			     : set_name(field, yyjson_get_str(name), yyjson_get_len(name));
	if (!named)
		return no_memory(ctx);
	if (is_taken(pick, field))
		return stage_fail(ctx, STAGE_PERMANENT,
			"/fields: two would be named %.*s; use {\"new\":\"/pointer\"}",
			(int)field->member_len - 2, field->member + 1);
	pick->fixed_len += field->member_len;
	return STAGE_OK;
}

static enum stage_result add_all(struct pick *pick, struct stage_ctx *ctx, yyjson_val *fields)
{
	enum stage_result result = STAGE_OK;
	size_t i, max;
	yyjson_val *name, *value;

	if (yyjson_get_len(fields) == 0 || yyjson_get_len(fields) > FIELDS_MAX ||
		!yyjson_is_ctn(fields))
		return stage_fail(ctx, STAGE_PERMANENT,
			"/fields: must be an array or an object of 1 to %d strings",
			FIELDS_MAX);
	pick->list = calloc(yyjson_get_len(fields), sizeof(pick->list[0]));
	if (pick->list == NULL)
		return no_memory(ctx);
	if (yyjson_is_arr(fields)) {
		yyjson_arr_foreach(fields, i, max, value) if (result == STAGE_OK) result =
			add_field(pick, ctx, NULL, value);
	} else {
		yyjson_obj_foreach(fields, i, max, name, value) if (result == STAGE_OK) result =
			add_field(pick, ctx, name, value);
	}
	return result;
}

static enum stage_result pick_open(void *instance, struct stage_ctx *ctx)
{
	struct pick *pick = instance;
	yyjson_doc *doc = yyjson_read(pick->fields, strlen(pick->fields), YYJSON_READ_NOFLAG);
	enum stage_result result;

	if (doc == NULL)
		return no_memory(ctx);
	result = add_all(pick, ctx, yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
	if (result != STAGE_OK)
		pick_close(instance, ctx);
	return result;
}

/* ---- run ---- */

/* Fields by their first token, in one walk; deeper ones are then looked for inside. */
static void find_in_object(
	const struct pick *pick, struct stage_walk walk, struct stage_slice *values)
{
	struct stage_slice name, value;
	size_t left = pick->count;

	while (left > 0 && stage_walk_member(&walk, &name, &value)) {
		for (size_t i = 0; i < pick->count; i++) {
			const struct stage_path *path = &pick->list[i].path;

			if (values[i].at != NULL || path->depth == 0 ||
				!stage_token_is(&path->tokens[0], name))
				continue;
			values[i] = value;
			left--;
		}
	}
}

static void find_all(
	const struct pick *pick, struct stage_slice item, struct stage_slice *values)
{
	struct stage_walk walk;
	bool object = stage_walk_open(&walk, item, '{');

	memset(values, 0, pick->count * sizeof(values[0]));
	if (object)
		find_in_object(pick, walk, values);
	for (size_t i = 0; i < pick->count; i++) {
		const struct stage_path *path = &pick->list[i].path;

		if (!object || path->depth == 0)
			values[i] = stage_slice_find(item, path);
		else if (path->depth > 1)
			values[i] = stage_slice_descend(values[i], path, 1);
	}
}

static enum stage_result pick_run(void *instance, struct stage_ctx *ctx)
{
	const struct pick *pick = instance;
	struct stage_slice values[FIELDS_MAX];
	size_t len = pick->fixed_len + 2;
	char *to, *at;

	find_all(pick, stage_slice_input(ctx), values);
	for (size_t i = 0; i < pick->count; i++)
		len += values[i].len;
	to = at = stage_reserve(ctx, len);
	if (to == NULL)
		return STAGE_FAILED;
	*at++ = '{';
	for (size_t i = 0; i < pick->count; i++) {
		const struct field *field = &pick->list[i];
		size_t comma = at == to + 1; /* the first has none */

		if (values[i].at == NULL)
			continue;
		at = stage_put(at, field->member + comma, field->member_len - comma);
		at = stage_put(at, values[i].at, values[i].len);
	}
	*at++ = '}';
	return stage_emit_reserved(ctx, (size_t)(at - to));
}

STAGE(.name = "pick", .version = "1.0.0", .summary = "Keep some fields, rename them",
	.threads = STAGE_PARALLEL, .instance_size = sizeof(struct pick), .params = pick_params,
	.open = pick_open, .close = pick_close, .run = pick_run);
