#include "plugin/program.h"

#include <string.h>

#include "base/json_text.h"
#include "base/mem.h"
#include "job/field.h"
#include "plugin/params.h"

#define DOC_MAX    1000
#define NUMBER_MAX 9007199254740992.0 /* 2^53: whole numbers are exact up to there */

struct program {
	struct stage stage;
	struct stage_param *rows;
	char *name, *version, *summary;
	size_t text_count, text_capacity;
	char **texts; /* what the rows point to */
};

static const char *const param_fields[] = { "type", "required", "default", "description",
	"enum", "minimum", "maximum", NULL };
static const char *const type_words[] = { "string", "integer", "number", "boolean", "pointer",
	"json", NULL };
static const enum stage_param_type types[] = { STAGE_STRING, STAGE_INT, STAGE_NUMBER,
	STAGE_BOOL, STAGE_POINTER, STAGE_JSON };

/* ---- texts ---- */

/* Keep it as long as the program; takes `text`, NULL is no memory. */
static const char *keep(struct program *program, char *text)
{
	if (text != NULL && program->text_count < program->text_capacity)
		program->texts[program->text_count++] = text;
	return text;
}

/* "a|b|c"; NULL after a mistake or without memory. */
static char *join_choices(const struct fields *fields, const json_t *list)
{
	size_t size = 1, at;
	json_t *word;
	char *text, *end;

	json_array_foreach(list, at, word)
	{
		if (!json_is_string(word) || json_string_length(word) == 0 ||
			strpbrk(json_string_value(word), "|\n") != NULL) {
			fields_mistake(fields, "enum", "must hold texts without '|'");
			return NULL;
		}
		size += json_string_length(word) + 1;
	}
	text = mem_zalloc(size);
	if (text == NULL)
		return NULL;
	end = text;
	json_array_foreach(list, at, word)
	{
		if (at > 0)
			*end++ = '|';
		end = stpcpy(end, json_string_value(word));
	}
	return text;
}

/* A table has strings bare and everything else as JSON. */
static char *default_text(const json_t *value)
{
	if (json_is_string(value))
		return mem_strdup(json_string_value(value));
	return json_text(value, JSON_ENCODE_ANY | JSON_COMPACT | json_text_reals(value));
}

/* ---- one row ---- */

static int take_choices(
	struct program *program, const struct fields *fields, struct stage_param *row)
{
	const json_t *list = json_object_get(fields->object, "enum");
	unsigned before = fields->mistakes->count;

	if (list == NULL)
		return 0;
	if (row->type != STAGE_STRING || json_array_size(list) == 0) {
		fields_mistake(
			fields, "enum", "must be an array of texts, for the type string");
		return 0;
	}
	row->choices = keep(program, join_choices(fields, list));
	return row->choices == NULL && fields->mistakes->count == before ? -1 : 0;
}

static void take_bounds(const struct fields *fields, struct stage_param *row)
{
	const json_t *min = json_object_get(fields->object, "minimum");
	const json_t *max = json_object_get(fields->object, "maximum");

	if (min == NULL && max == NULL)
		return;
	if (row->type != STAGE_INT && row->type != STAGE_NUMBER)
		fields_mistake(fields, min != NULL ? "minimum" : "maximum",
			"is for the types integer and number");
	else if ((min != NULL && !json_is_number(min)) || (max != NULL && !json_is_number(max)))
		fields_mistake(fields,
			min != NULL && !json_is_number(min) ? "minimum" : "maximum",
			"must be a number");
	/* A table has both bounds, or none. */
	row->min = min != NULL ? json_number_value(min) : -NUMBER_MAX;
	row->max = max != NULL ? json_number_value(max) : NUMBER_MAX;
}

static int take_row(struct program *program, const char *name, const json_t *value,
	const char *pointer, struct mistakes *mistakes, struct stage_param *row)
{
	struct fields fields;
	int type = 0;
	const char *doc = NULL;
	const json_t *def;
	bool required = false;

	row->name = keep(program, mem_strdup(name));
	if (row->name == NULL)
		return -1;
	if (!fields_open(&fields, value, pointer, param_fields, mistakes))
		return 0;
	if (!field_word(&fields, "type", type_words, &type) &&
		json_object_get(value, "type") == NULL)
		fields_mistake(&fields, "type",
			"is missing: string, integer, number, boolean, pointer or json");
	row->type = types[type];
	field_bool(&fields, "required", &required);
	row->required = required;
	if (field_text(&fields, "description", DOC_MAX, &doc)) {
		row->doc = keep(program, mem_strdup(doc));
		if (row->doc == NULL)
			return -1;
	}
	def = json_object_get(value, "default");
	if (def != NULL) {
		row->def = keep(program, default_text(def));
		if (row->def == NULL)
			return -1;
	}
	take_bounds(&fields, row);
	return take_choices(program, &fields, row);
}

/* ---- the table ---- */

static int reserve_rows(struct program *program, size_t count)
{
	program->rows = mem_zalloc((count + 1) * sizeof(program->rows[0]));
	program->text_capacity = count * 4; /* name, doc, default, choices */
	program->texts = mem_zalloc((program->text_capacity + 1) * sizeof(program->texts[0]));
	return program->rows == NULL || program->texts == NULL ? -1 : 0;
}

static int take_rows(struct program *program, const json_t *params, struct mistakes *mistakes)
{
	struct stage *stage = &program->stage;
	const char *name;
	json_t *value;
	size_t at = 0;

	stage->instance_size = (stage->instance_size + 7) & ~(size_t)7;
	json_object_foreach((json_t *)params, name, value)
	{
		struct pointer where = pointer_at("/params", name);
		struct stage_param *row = &program->rows[at++];

		if (take_row(program, name, value, where.text, mistakes, row) < 0)
			return -1;
		/* Each has a place in the instance, as the table wants it; the template reads
		 * them all by stage_params(). */
		row->offset = stage->instance_size;
		stage->instance_size += 8;
	}
	stage->params = program->rows;
	return 0;
}

static int first_mistake(const struct mistakes *mistakes, struct error *err)
{
	return error_set(err, ERR_INTERNAL, "its member %s %s", mistakes->items[0].pointer,
		mistakes->items[0].detail);
}

static int take_params(struct program *program, const json_t *params, struct error *err)
{
	struct mistakes mistakes;
	int result;

	if (params != NULL && !json_is_object(params))
		return error_set(err, ERR_INTERNAL,
			"its member /params must be an object: a parameter's name and what it is");
	if (reserve_rows(program, json_object_size(params)) < 0)
		return error_no_memory(err);
	mistakes_init(&mistakes);
	result = take_rows(program, params, &mistakes);
	if (result < 0)
		error_no_memory(err);
	else if (mistakes.count > 0)
		result = first_mistake(&mistakes, err);
	mistakes_done(&mistakes);
	return result < 0 ? -1 : params_table_check(&program->stage, err);
}

/* ---- the whole ---- */

static int take_text(const json_t *root, const char *member, const char *otherwise, char **to,
	struct error *err)
{
	const json_t *value = json_object_get(root, member);

	if (value != NULL && (!json_is_string(value) || json_string_length(value) > DOC_MAX))
		return error_set(err, ERR_INTERNAL,
			"its member /%s must be a text of at most %d bytes", member, DOC_MAX);
	*to = mem_strdup(value != NULL ? json_string_value(value) : otherwise);
	return *to == NULL ? error_no_memory(err) : 0;
}

static int build(struct program *program, const struct stage *template, const char *name,
	const json_t *root, struct error *err)
{
	program->stage = *template;
	program->stage.flags &= ~(unsigned)STAGE_TEMPLATE;
	program->name = mem_strdup(name);
	if (program->name == NULL)
		return error_no_memory(err);
	if (take_text(root, "description", template->summary, &program->summary, err) < 0 ||
		take_text(root, "version", template->version, &program->version, err) < 0)
		return -1;
	program->stage.name = program->name;
	program->stage.summary = program->summary;
	program->stage.version = program->version;
	return take_params(program, json_object_get(root, "params"), err);
}

int program_new(const struct stage *template, const char *name, const json_t *root,
	struct program **ret, struct error *err)
{
	struct program *program = mem_zalloc(sizeof(*program));

	if (program == NULL)
		return error_no_memory(err);
	if (build(program, template, name, root, err) < 0) {
		program_free(program);
		return -1;
	}
	*ret = program;
	return 0;
}

void program_free(struct program *program)
{
	if (program == NULL)
		return;
	for (size_t at = 0; at < program->text_count; at++)
		mem_free(program->texts[at]);
	mem_free(program->texts);
	mem_free(program->rows);
	mem_free(program->name);
	mem_free(program->version);
	mem_free(program->summary);
	mem_free(program);
}

const struct stage *program_stage(const struct program *program)
{
	return &program->stage;
}
