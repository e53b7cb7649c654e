#include "catalog.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct stage stages[] = {
	{ .name = "map" },
	{ .name = "pick" },
	{ .name = "queue" },
	{ .name = "sha256" },
	{ .name = "sink", .kind = STAGE_SINK },
	{ .name = "source", .kind = STAGE_SOURCE },
};

static const struct stage *find(const struct catalog *catalog, const char *name)
{
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
		if (strcmp(stages[i].name, name) == 0)
			return &stages[i];
	return NULL;
}

static const char *nearest(const struct catalog *catalog, const char *name)
{
	return strcmp(name, "sha265") == 0 ? "sha256" : NULL;
}

static json_t *check_params(const struct catalog *catalog, const struct stage *stage,
	const json_t *params, const char *pointer, struct mistakes *mistakes)
{
	const json_t *n = json_object_get(params, "n");
	json_t *checked;

	if (n != NULL && !json_is_integer(n)) {
		mistakes_add(mistakes, pointer, "n must be whole");
		return NULL;
	}
	checked = json_deep_copy(params);
	if (n == NULL)
		json_object_set_new(checked, "n", json_integer(7));
	return checked;
}

const struct catalog test_catalog = { find, nearest, check_params };

char *mistakes_text(const struct mistakes *mistakes)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	for (unsigned i = 0; i < mistakes->count; i++)
		fprintf(out, "%s%s: %s", i > 0 ? "\n" : "", mistakes->items[i].pointer,
			mistakes->items[i].detail);
	fclose(out);
	return text;
}

char *mistakes_of(const char *text, const struct definition_rules *rules)
{
	json_t *root = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct definition *definition;
	struct mistakes mistakes;
	struct error err = { 0 };
	char *found;

	cr_assert(root != NULL, "not JSON: %s", text);
	mistakes_init(&mistakes);
	if (definition_parse(root, &test_catalog, rules, &mistakes, &definition, &err) == 0) {
		cr_assert(mistakes.count == 0);
		definition_free(definition);
	} else {
		cr_assert(err.code == ERR_DEFINITION && mistakes.count > 0);
	}
	found = mistakes_text(&mistakes);
	mistakes_done(&mistakes);
	json_decref(root);
	return found;
}

struct definition *must_parse(const char *text)
{
	json_t *root = json_loads(text, JSON_DECODE_ANY, NULL);
	struct definition *definition = NULL;
	struct mistakes mistakes;
	struct error err = { 0 };

	cr_assert(root != NULL, "not JSON: %s", text);
	mistakes_init(&mistakes);
	cr_assert(definition_parse(root, &test_catalog, &definition_rules_default, &mistakes,
			  &definition, &err) == 0,
		"%s: %s", text, err.text);
	mistakes_done(&mistakes);
	json_decref(root);
	return definition;
}

char *definition_text(const struct definition *definition)
{
	json_t *json = definition_to_json(definition);
	char *text = json_dumps(json, JSON_COMPACT);

	cr_assert(json != NULL && text != NULL);
	json_decref(json);
	return text;
}
