/* The short form of a pipeline, `sha256:8,pick`, and the parameters that come beside it. */
#include "job/definition_parts.h"

#include <ctype.h>
#include <string.h>

#include "base/json_parse.h"
#include "base/mem.h"

/* The element without the blanks around it. */
static void trim(const char **text, size_t *len)
{
	while (*len > 0 && isspace((unsigned char)**text)) {
		(*text)++;
		(*len)--;
	}
	while (*len > 0 && isspace((unsigned char)(*text)[*len - 1]))
		(*len)--;
}

/* `name` or `name:workers`; NULL after a mistake or without memory. */
static json_t *stage_from_short(const char *text, size_t len, struct mistakes *mistakes)
{
	const char *colon;
	char number[24] = "";
	unsigned long long workers;

	trim(&text, &len);
	if (len == 0) {
		mistakes_add(mistakes, "stages", "a name is missing: write a,b:8,c");
		return NULL;
	}
	colon = memchr(text, ':', len);
	if (colon == NULL)
		return json_pack("{s:s%}", "use", text, len);
	if (len - (size_t)(colon + 1 - text) < sizeof(number))
		memcpy(number, colon + 1, len - (size_t)(colon + 1 - text));
	if (colon == text || !text_to_uint(number, DEFINITION_WORKERS_MAX, &workers) ||
		workers == 0) {
		mistakes_add(mistakes, "stages",
			"'%.*s': write name or name:workers, with 1 to %d workers",
			(int)MIN(len, (size_t)80), text, DEFINITION_WORKERS_MAX);
		return NULL;
	}
	return json_pack("{s:s%, s:I}", "use", text, (size_t)(colon - text), "workers",
		(json_int_t)workers);
}

json_t *definition_from_short(const char *text, struct mistakes *mistakes)
{
	unsigned before = mistakes->count;
	json_t *list = json_array();
	bool memory = list != NULL;

	for (const char *end; memory; text = end + 1) {
		json_t *stage;

		end = strchrnul(text, ',');
		stage = stage_from_short(text, (size_t)(end - text), mistakes);
		if (stage != NULL)
			memory = json_array_append_new(list, stage) == 0;
		else if (mistakes->count == before &&
			 !text_is_printable(text, (size_t)(end - text)))
			mistakes_add(mistakes, "stages", "is not printable UTF-8");
		else
			memory = mistakes->count > before;
		if (*end == '\0' || mistakes->count == MISTAKES_MAX)
			break;
	}
	if (memory && mistakes->count == before)
		return json_pack("{s:o}", "stages", list);
	json_decref(list);
	return NULL;
}

/* ---- STAGE.PARAM=VALUE ---- */

/* What name_stages() of the parser will call the stage at `index`; "" when it cannot. */
static struct stage_name name_of(const json_t *list, size_t index)
{
	const json_t *stage = json_array_get(list, index);
	const char *given = json_string_value(json_object_get(stage, "name")),
		   *use = json_string_value(json_object_get(stage, "use"));
	unsigned nth = 1;

	if (given != NULL)
		return stage_default_name(given, 1);
	if (use == NULL)
		return (struct stage_name){ "" };
	for (size_t i = 0; i < index; i++) {
		const json_t *other = json_array_get(list, i);
		const char *other_use = json_string_value(json_object_get(other, "use"));

		nth += json_object_get(other, "name") == NULL && other_use != NULL &&
		       strcmp(other_use, use) == 0;
	}
	return stage_default_name(use, nth);
}

static json_t *find_stage(json_t *root, const char *key, size_t len, struct mistakes *mistakes)
{
	const json_t *list = json_object_get(root, "stages");
	struct stage_name wanted = { "" }, name, best = { "" };
	struct nearest nearest;

	memcpy(wanted.text, key, MIN(len, sizeof(wanted.text) - 1));
	nearest_init(&nearest, wanted.text);
	for (size_t i = 0; i < json_array_size(list); i++) {
		size_t before = nearest.distance;

		name = name_of(list, i);
		if (len < sizeof(wanted.text) && strcmp(name.text, wanted.text) == 0)
			return json_array_get(list, i);
		nearest_offer(&nearest, name.text);
		if (nearest.distance < before)
			best = name; /* `name` itself will be overwritten */
	}
	if (*best.text != '\0')
		mistakes_add(mistakes, key,
			"there is no stage '%.64s' in the pipeline; did you mean '%s'?",
			wanted.text, best.text);
	else
		mistakes_add(mistakes, key, "there is no stage '%.64s' in the pipeline",
			wanted.text);
	return NULL;
}

static json_t *value_from_text(const char *value)
{
	struct error err = { 0 };
	json_t *json = json_parse(value, strlen(value), JSON_ALLOW_NUL, &err);

	return json != NULL || err.code == ERR_NO_MEMORY ? json : json_string(value);
}

int definition_set_param(
	json_t *root, const char *key, const char *value, struct mistakes *mistakes)
{
	const char *dot = strchr(key, '.');
	json_t *stage, *params, *json;

	if (dot == NULL || strncmp(key, "workers.", 8) == 0 || strncmp(key, "queue.", 6) == 0)
		return 0;
	stage = find_stage(root, key, (size_t)(dot - key), mistakes);
	if (stage == NULL)
		return -1;
	params = json_object_get(stage, "params");
	if (params == NULL) {
		params = json_object();
		json_object_set_new(stage, "params", params);
	}
	if (json_object_get(params, dot + 1) != NULL) {
		mistakes_add(mistakes, key, "is given twice");
		return -1;
	}
	json = value_from_text(value);
	if (json == NULL || json_object_set_new(params, dot + 1, json) < 0) {
		mistakes_add(mistakes, key, "is not UTF-8");
		return -1;
	}
	return 1;
}
