#include "job/field.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json_text.h"
#include "base/mem.h"
#include "job/text.h"

static void unknown_field(
	const struct fields *fields, const char *name, const char *const *known)
{
	struct nearest nearest;

	nearest_init(&nearest, name);
	for (; *known != NULL; known++)
		nearest_offer(&nearest, *known);
	if (nearest_best(&nearest) != NULL)
		fields_mistake(fields, name, "there is no such field; did you mean '%s'?",
			nearest_best(&nearest));
	else
		fields_mistake(fields, name, "there is no such field");
}

static bool is_known(const char *name, const char *const *known)
{
	for (; *known != NULL; known++)
		if (strcmp(*known, name) == 0)
			return true;
	return false;
}

bool fields_open(struct fields *fields, const json_t *value, const char *pointer,
	const char *const *known, struct mistakes *mistakes)
{
	const char *name;
	json_t *member;

	*fields = (struct fields){ value, pointer, mistakes };
	if (!json_is_object(value)) {
		mistakes_add(mistakes, pointer, "must be an object, not %s",
			value_shown(value).text);
		return false;
	}
	json_object_foreach((json_t *)value, name, member) if (!is_known(name, known))
		unknown_field(fields, name, known);
	return true;
}

void fields_mistake(const struct fields *fields, const char *name, const char *format, ...)
{
	char detail[400];
	va_list args;

	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	mistakes_add(fields->mistakes, pointer_at(fields->pointer, name).text, "%s", detail);
}

struct shown value_shown(const json_t *value)
{
	struct shown shown = { "an array" };
	_auto_free_ char *text = NULL;

	if (json_is_object(value)) {
		strcpy(shown.text, "an object");
	} else if (!json_is_array(value)) {
		text = json_text(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
		snprintf(shown.text, sizeof(shown.text), "%.60s%s",
			text != NULL ? text : "that",
			text != NULL && strlen(text) > 60 ? "…" : "");
	}
	return shown;
}

static void not_whole(const json_t *value, const char *pointer, struct mistakes *mistakes)
{
	double real = json_real_value(value);

	if (real == trunc(real) && fabs(real) < 1e15)
		mistakes_add(mistakes, pointer, "must be a whole number: write %.0f, not %s",
			real, value_shown(value).text);
	else
		mistakes_add(mistakes, pointer, "must be a whole number, not %s",
			value_shown(value).text);
}

bool value_uint(const json_t *value, const char *pointer, uint64_t min, uint64_t max,
	struct mistakes *mistakes, uint64_t *to)
{
	json_int_t given = json_integer_value(value);

	if (json_is_real(value)) {
		not_whole(value, pointer, mistakes);
		return false;
	}
	if (!json_is_integer(value) || given < 0 || (uint64_t)given < min ||
		(uint64_t)given > max) {
		mistakes_add(mistakes, pointer,
			"must be a whole number from %" PRIu64 " to %" PRIu64 ", not %s", min,
			max, value_shown(value).text);
		return false;
	}
	*to = (uint64_t)given;
	return true;
}

bool field_uint(
	const struct fields *fields, const char *name, uint64_t min, uint64_t max, uint64_t *to)
{
	const json_t *value = json_object_get(fields->object, name);

	return value != NULL && value_uint(value, pointer_at(fields->pointer, name).text, min,
					max, fields->mistakes, to);
}

bool field_uint_or_none(const struct fields *fields, const char *name, uint64_t min,
	uint64_t max, uint64_t none, uint64_t *to)
{
	if (!json_is_null(json_object_get(fields->object, name)))
		return field_uint(fields, name, min, max, to);
	*to = none;
	return true;
}

bool field_number_or_none(const struct fields *fields, const char *name, double min, double max,
	double none, double *to)
{
	const json_t *value = json_object_get(fields->object, name);

	if (value == NULL)
		return false;
	if (json_is_null(value)) {
		*to = none;
		return true;
	}
	if (!json_is_number(value) || json_number_value(value) < min ||
		json_number_value(value) > max) {
		fields_mistake(fields, name, "must be a number from %.15g to %.15g, not %s",
			min, max, value_shown(value).text);
		return false;
	}
	*to = json_number_value(value);
	return true;
}

bool field_bool(const struct fields *fields, const char *name, bool *to)
{
	const json_t *value = json_object_get(fields->object, name);

	if (value == NULL)
		return false;
	if (!json_is_boolean(value)) {
		fields_mistake(
			fields, name, "must be true or false, not %s", value_shown(value).text);
		return false;
	}
	*to = json_is_true(value);
	return true;
}

static void not_a_word(const struct fields *fields, const char *name, const json_t *value,
	const char *const *words)
{
	char list[200];
	size_t len = 0;

	for (int i = 0; words[i] != NULL && len < sizeof(list); i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s\"%s\"",
			i == 0                 ? ""
			: words[i + 1] == NULL ? " or "
					       : ", ",
			words[i]);
	fields_mistake(fields, name, "must be %s, not %s", list, value_shown(value).text);
}

bool field_word(
	const struct fields *fields, const char *name, const char *const *words, int *to)
{
	const json_t *value = json_object_get(fields->object, name);
	const char *text = json_string_value(value);

	if (value == NULL)
		return false;
	for (int i = 0; text != NULL && words[i] != NULL; i++) {
		if (strcmp(words[i], text) == 0) {
			*to = i;
			return true;
		}
	}
	not_a_word(fields, name, value, words);
	return false;
}

bool field_text(const struct fields *fields, const char *name, size_t max, const char **to)
{
	const json_t *value = json_object_get(fields->object, name);

	if (value == NULL)
		return false;
	if (!json_is_string(value))
		fields_mistake(
			fields, name, "must be a string, not %s", value_shown(value).text);
	else if (json_string_length(value) > max)
		fields_mistake(fields, name, "has %zu bytes; at most %zu may be",
			json_string_length(value), max);
	else if (!text_is_printable(json_string_value(value), json_string_length(value)))
		fields_mistake(fields, name, "holds control characters");
	else {
		*to = json_string_value(value);
		return true;
	}
	return false;
}
