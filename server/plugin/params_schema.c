/* The parameter table as a JSON Schema, for GET /v1/stages and for forms. */
#include <string.h>

#include "base/json_parse.h"
#include "plugin/params.h"
#include "plugin/params_row.h"

static const char *const type_names[] = {
	[STAGE_STRING] = "string",
	[STAGE_INT] = "integer",
	[STAGE_NUMBER] = "number",
	[STAGE_BOOL] = "boolean",
	[STAGE_POINTER] = "string",
};

static json_t *choices_to_json(const struct stage_param *row)
{
	json_t *list = json_array();
	char choice[TEXT_NAME_MAX + 1];
	const char *rest = row->choices;

	while (list != NULL && params_next_choice(&rest, choice)) {
		if (json_array_append_new(list, json_string(choice)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* Whole bounds stay whole. */
static json_t *bound_to_json(const struct stage_param *row, double bound)
{
	return row->type == STAGE_INT ? json_integer((json_int_t)bound) : json_real(bound);
}

/* What the type says; a new object, NULL without memory. */
static json_t *type_to_schema(const struct stage_param *row)
{
	json_t *given;

	if (row->type != STAGE_JSON)
		return json_pack("{s:s}", "type", type_names[row->type]);
	given = row->schema != NULL ? json_parse(row->schema, strlen(row->schema), 0, NULL)
				    : NULL;
	return json_is_object(given) ? given : json_object();
}

static json_t *row_to_schema(const struct stage_param *row)
{
	json_t *schema = type_to_schema(row);
	int bad = 0;

	if (row->doc != NULL)
		bad |= json_object_set_new(schema, "description", json_string(row->doc));
	if (row->def != NULL)
		bad |= json_object_set_new(schema, "default", params_default(row));
	if (row->choices != NULL)
		bad |= json_object_set_new(schema, "enum", choices_to_json(row));
	if (row->min != 0 || row->max != 0) {
		bad |= json_object_set_new(schema, "minimum", bound_to_json(row, row->min));
		bad |= json_object_set_new(schema, "maximum", bound_to_json(row, row->max));
	}
	if (row->type == STAGE_POINTER)
		bad |= json_object_set_new(
			schema, "examples", json_pack("[s, s]", "name", "/nested/name"));
	if (schema == NULL || bad == 0)
		return schema;
	json_decref(schema);
	return NULL;
}

json_t *params_schema(const struct stage *stage)
{
	json_t *properties = json_object(), *required = json_array();
	int bad = properties == NULL || required == NULL;

	for (const struct stage_param *row = params_rows(stage); row->name != NULL; row++) {
		bad |= json_object_set_new(properties, row->name, row_to_schema(row));
		if (row->required)
			bad |= json_array_append_new(required, json_string(row->name));
	}
	if (bad) {
		json_decref(properties);
		json_decref(required);
		return NULL;
	}
	return json_pack("{s:s, s:s, s:o, s:o, s:b}", "$schema",
		"https://json-schema.org/draft/2020-12/schema", "type", "object", "properties",
		properties, "required", required, "additionalProperties", 0);
}
