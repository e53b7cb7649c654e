#include "plugin/params.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "job/field.h"
#include "job/pointer.h"
#include "job/text.h"
#include "plugin/params_row.h"

/* Where a mistake is told. */
struct place {
	const char *pointer;
	struct mistakes *mistakes;
};

/* ---- one value against one row; a new reference, NULL after a mistake ---- */

static json_t *refuse(const struct place *place, const char *wanted, const json_t *value)
{
	mistakes_add(place->mistakes, place->pointer, "must be %s, not %s", wanted,
		value_shown(value).text);
	return NULL;
}

static json_t *check_choice(
	const struct stage_param *row, json_t *value, const struct place *place)
{
	struct nearest nearest;
	char choice[TEXT_NAME_MAX + 1], best[TEXT_NAME_MAX + 1] = "";
	const char *rest = row->choices;

	nearest_init(&nearest, json_string_value(value));
	while (params_next_choice(&rest, choice)) {
		size_t before = nearest.distance;

		if (strcmp(choice, json_string_value(value)) == 0)
			return json_incref(value);
		nearest_offer(&nearest, choice);
		if (nearest.distance < before)
			memcpy(best, choice, sizeof(best));
	}
	mistakes_add(place->mistakes, place->pointer, "must be one of %s, not %s%s%s%s",
		row->choices, value_shown(value).text, *best != '\0' ? "; did you mean '" : "",
		best, *best != '\0' ? "'?" : "");
	return NULL;
}

static json_t *check_string(
	const struct stage_param *row, json_t *value, const struct place *place)
{
	if (!json_is_string(value))
		return refuse(place, "a string", value);
	if (strlen(json_string_value(value)) != json_string_length(value)) {
		mistakes_add(place->mistakes, place->pointer, "must not hold a NUL character");
		return NULL;
	}
	return row->choices != NULL ? check_choice(row, value, place) : json_incref(value);
}

static bool in_bounds(const struct stage_param *row, double value)
{
	return (row->min == 0 && row->max == 0) || (value >= row->min && value <= row->max);
}

static json_t *check_number(
	const struct stage_param *row, json_t *value, const struct place *place)
{
	const char *kind = row->type == STAGE_INT ? "whole number" : "number";
	double real = json_real_value(value);
	char wanted[120];

	if (row->type == STAGE_INT && json_is_real(value) && real == trunc(real)) {
		mistakes_add(place->mistakes, place->pointer,
			"must be a whole number: write %.0f, not %s", real,
			value_shown(value).text);
		return NULL;
	}
	if ((row->type == STAGE_INT ? json_is_integer(value) : json_is_number(value)) &&
		in_bounds(row, json_number_value(value)))
		return json_incref(value);
	if (row->min == 0 && row->max == 0)
		snprintf(wanted, sizeof(wanted), "a %s", kind);
	else
		snprintf(wanted, sizeof(wanted), "a %s from %.15g to %.15g", kind, row->min,
			row->max);
	return refuse(place, wanted, value);
}

static json_t *check_pointer(json_t *value, const struct place *place)
{
	const char *text = json_string_value(value);
	char name[POINTER_MAX];

	if (text == NULL || strlen(text) != json_string_length(value))
		return refuse(place, "a JSON pointer", value);
	if (strlen(text) >= POINTER_MAX - 1) {
		mistakes_add(place->mistakes, place->pointer, "is longer than %d bytes",
			POINTER_MAX - 2);
		return NULL;
	}
	for (const char *at = strchr(text, '~'); at != NULL; at = strchr(at + 1, '~'))
		if (at[1] != '0' && at[1] != '1')
			return refuse(place, "a JSON pointer, in which ~ is written ~0", value);
	if (*text == '/' || *text == '\0')
		return json_incref(value);
	if (strchr(text, '/') != NULL) {
		mistakes_add(place->mistakes, place->pointer,
			"must be a name or a JSON pointer that begins with /; did you mean '/%s'?",
			text);
		return NULL;
	}
	snprintf(name, sizeof(name), "/%s", text);
	return json_string(name);
}

static json_t *check_value(
	const struct stage_param *row, json_t *value, const struct place *place)
{
	switch (row->type) {
	case STAGE_STRING:
		return check_string(row, value, place);
	case STAGE_INT:
	case STAGE_NUMBER:
		return check_number(row, value, place);
	case STAGE_BOOL:
		return json_is_boolean(value) ? json_incref(value)
					      : refuse(place, "true or false", value);
	case STAGE_POINTER:
		return check_pointer(value, place);
	case STAGE_JSON:
		return json_incref(value);
	}
	return NULL;
}

/* ---- all of them ---- */

static void unknown_param(
	const struct stage *stage, const char *name, const struct place *place)
{
	struct nearest nearest;

	nearest_init(&nearest, name);
	for (const struct stage_param *row = params_rows(stage); row->name != NULL; row++)
		nearest_offer(&nearest, row->name);
	if (nearest_best(&nearest) != NULL)
		mistakes_add(place->mistakes, place->pointer,
			"'%s' has no such parameter; did you mean '%s'?", stage->name,
			nearest_best(&nearest));
	else
		mistakes_add(place->mistakes, place->pointer, "'%s' has no such parameter",
			stage->name);
}

static void refuse_unknown(const struct stage *stage, const json_t *params, const char *pointer,
	struct mistakes *mistakes)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)params, name, value)
	{
		struct pointer where = pointer_at(pointer, name);

		if (params_find_row(stage, name) == NULL)
			unknown_param(stage, name, &(struct place){ where.text, mistakes });
	}
}

/* Check one parameter or take its default, and put it into `to`; -1 without memory. */
static int take_param(const struct stage_param *row, const json_t *params, const char *pointer,
	struct mistakes *mistakes, json_t *to)
{
	json_t *given = json_object_get(params, row->name), *value;
	struct pointer where = pointer_at(pointer, row->name);
	unsigned before = mistakes->count;

	if (given == NULL && row->required) {
		mistakes_add(mistakes, where.text, "is missing: %s",
			row->doc != NULL ? row->doc : "this parameter is required");
		return 0;
	}
	if (given == NULL && row->def == NULL)
		return 0;
	value = given == NULL
			? params_default(row)
			: check_value(row, given, &(struct place){ where.text, mistakes });
	if (value == NULL)
		return mistakes->count > before ? 0 : -1;
	return json_object_set_new(to, row->name, value);
}

json_t *params_check(const struct stage *stage, const json_t *params, const char *pointer,
	struct mistakes *mistakes)
{
	json_t *checked = json_object();
	unsigned before = mistakes->count;
	int result = checked == NULL ? -1 : 0;

	refuse_unknown(stage, params, pointer, mistakes);
	for (const struct stage_param *row = params_rows(stage);
		row->name != NULL && result == 0; row++)
		result = take_param(row, params, pointer, mistakes, checked);
	if (result == 0 && mistakes->count == before)
		return checked;
	json_decref(checked);
	return NULL;
}

/* ---- the table itself ---- */

static size_t member_size(enum stage_param_type type)
{
	switch (type) {
	case STAGE_INT:
		return sizeof(int64_t);
	case STAGE_NUMBER:
		return sizeof(double);
	case STAGE_BOOL:
		return sizeof(bool);
	case STAGE_STRING:
	case STAGE_POINTER:
	case STAGE_JSON:
		return sizeof(char *);
	}
	return 0;
}

static int check_default(const struct stage_param *row, struct error *err)
{
	unsigned failures = mem_failures();
	struct mistakes mistakes;
	json_t *value = params_default(row), *checked = NULL;

	mistakes_init(&mistakes);
	if (value != NULL)
		checked = check_value(row, value, &(struct place){ "", &mistakes });
	json_decref(value);
	mistakes_done(&mistakes);
	if (checked == NULL && mem_failures() != failures)
		return error_no_memory(err);
	if (checked == NULL)
		return error_set(err, ERR_INTERNAL,
			"the default of its parameter '%s' is not a value of its type",
			row->name);
	json_decref(checked);
	return 0;
}

static int check_row(
	const struct stage *stage, const struct stage_param *row, struct error *err)
{
	size_t size = member_size(row->type);

	if (!text_is_name(row->name, strlen(row->name)))
		return error_set(err, ERR_INTERNAL,
			"a parameter is named '%.80s'; names have 1 to %d letters, digits, _ or -",
			row->name, TEXT_NAME_MAX);
	if (params_find_row(stage, row->name) != row)
		return error_set(err, ERR_INTERNAL,
			"its parameter '%s' stands twice in the table", row->name);
	if (size == 0)
		return error_set(err, ERR_INTERNAL,
			"its parameter '%s' has the unknown type %d", row->name,
			(int)row->type);
	if (stage->instance_size < size || row->offset > stage->instance_size - size)
		return error_set(err, ERR_INTERNAL,
			"its parameter '%s' lies outside of the instance (instance_size)",
			row->name);
	return row->def != NULL ? check_default(row, err) : 0;
}

int params_table_check(const struct stage *stage, struct error *err)
{
	for (const struct stage_param *row = params_rows(stage); row->name != NULL; row++)
		if (check_row(stage, row, err) < 0)
			return -1;
	return 0;
}
