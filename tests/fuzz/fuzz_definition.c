/*
 * fuzz_definition: whatever a person sends as a job's definition, the parser either refuses it
 * with a mistake that says where, or makes one that writes itself back and parses to the same.
 *
 * The stages are the real ones, so their parameter tables are fuzzed too. The first byte
 * chooses the way in: the JSON of POST /v1/jobs, its PATCH, or the short form.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fuzz.h"
#include "plugin/params.h"
#include "plugin/registry.h"

static struct registry *registry;

static void must(int truth)
{
	if (!truth)
		abort();
}

/* Every mistake has its texts, and they are fit for JSON. */
static void check_mistakes(struct mistakes *mistakes)
{
	json_t *list = mistakes_to_json(mistakes);

	must(list != NULL && mistakes->count <= MISTAKES_MAX);
	json_decref(list);
	mistakes_done(mistakes);
}

static struct definition *parse(const json_t *root)
{
	struct definition *definition = NULL;
	struct mistakes mistakes;
	struct error err = { 0 };

	mistakes_init(&mistakes);
	if (definition_parse(root, registry_catalog(registry), &definition_rules_default,
		    &mistakes, &definition, &err) < 0)
		must(definition == NULL && err.code == ERR_DEFINITION && mistakes.count > 0);
	else
		must(definition != NULL && mistakes.count == 0);
	check_mistakes(&mistakes);
	return definition;
}

static char *text_of(const struct definition *definition)
{
	json_t *json = definition_to_json(definition);
	char *text = json_dumps(json, JSON_COMPACT);

	must(json != NULL && text != NULL);
	json_decref(json);
	return text;
}

static void check_round_trip(const struct definition *definition)
{
	_auto_free_ char *once = text_of(definition), *twice = NULL;
	json_t *root = json_loads(once, JSON_ALLOW_NUL, NULL);
	struct definition *again = parse(root);

	must(again != NULL);
	twice = text_of(again);
	must(strcmp(once, twice) == 0);
	definition_free(again);
	json_decref(root);
}

/* Filling the instance of every stage must not go wrong either. */
static void check_params(const struct definition *definition)
{
	for (unsigned i = 0; i < definition->stage_count; i++) {
		const struct stage_def *def = &definition->stages[i];
		_auto_free_ void *instance = mem_zalloc(def->stage->instance_size + 1);
		struct params_store *store = NULL;
		struct error err;

		must(instance != NULL &&
			params_fill(def->stage, def->params, instance, &store, &err) == 0);
		params_store_free(store);
	}
}

static void check_json(const char *text, size_t len)
{
	json_t *root = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct definition *definition = root != NULL ? parse(root) : NULL;

	if (definition != NULL) {
		check_round_trip(definition);
		check_params(definition);
	}
	definition_free(definition);
	json_decref(root);
}

static struct definition *some_job(void)
{
	json_t *root = json_loads("{\"labels\":{\"a\":\"b\"},\"stages\":[{\"use\":\"pass\"},"
				  "{\"use\":\"sha256\",\"params\":{\"field\":\"t\"}}]}",
		0, NULL);
	struct definition *definition = parse(root);

	must(definition != NULL);
	json_decref(root);
	return definition;
}

static void check_patch(const char *text, size_t len)
{
	json_t *patch = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct definition *definition = some_job();
	_auto_free_ char *before = text_of(definition), *after = NULL;
	struct mistakes mistakes;
	struct error err;

	mistakes_init(&mistakes);
	if (patch != NULL && definition_patch(definition, patch, &mistakes, &err) < 0) {
		after = text_of(definition);
		must(mistakes.count > 0 && strcmp(before, after) == 0);
	}
	check_mistakes(&mistakes);
	check_round_trip(definition);
	definition_free(definition);
	json_decref(patch);
}

/* `stages` and then key=value pairs, a line each. */
static void check_short(char *text)
{
	struct mistakes mistakes;
	struct definition *definition = NULL;
	char *line = strsep(&text, "\n"), *key, *value;
	json_t *root;

	mistakes_init(&mistakes);
	root = definition_from_short(line, &mistakes);
	must((root != NULL) == (mistakes.count == 0));
	while (root != NULL && (value = strsep(&text, "\n")) != NULL) {
		key = strsep(&value, "=");
		if (definition == NULL)
			definition_set_param(root, key, value != NULL ? value : "", &mistakes);
		if (definition == NULL && strcmp(key, "go") == 0)
			definition = parse(root);
		if (definition != NULL)
			definition_scale(definition, &definition_rules_default, key,
				value != NULL ? value : "", &mistakes);
	}
	if (definition != NULL)
		check_round_trip(definition);
	check_mistakes(&mistakes);
	definition_free(definition);
	json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_auto_free_ char *text = NULL;
	struct error err;

	if (registry == NULL)
		must(registry_new(&registry, &err) == 0);
	if (size == 0)
		return 0;
	text = mem_strndup((const char *)data + 1, size - 1);
	must(text != NULL);
	if (data[0] == 'p')
		check_patch(text, size - 1);
	else if (data[0] == 's')
		check_short(text);
	else
		check_json(text, size - 1);
	return 0;
}
