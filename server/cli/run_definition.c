#include "cli/run_definition.h"

#include <string.h>

#include "base/json_parse.h"
#include "base/mem.h"

static json_t *parse_line(const char *text, struct error *err)
{
	struct error why = { 0 };
	json_t *root = json_parse(text, strlen(text), JSON_REJECT_DUPLICATES, &why);

	if (root == NULL && why.code == ERR_NO_MEMORY)
		error_no_memory(err);
	else if (root == NULL)
		error_set(err, ERR_BAD_REQUEST, "the definition: %s", why.text);
	return root;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static json_t *parse_pipeline(const char *text, struct mistakes *mistakes, struct error *err)
{
	if (text[strspn(text, " \t\n")] == '{')
		return parse_line(text, err);
	if (ends_with(text, ".json"))
		return json_parse_file(text, err);
	return definition_from_short(text, mistakes);
}

bool run_words_is_scaling(const char *set)
{
	return strncmp(set, "workers.", 8) == 0 || strncmp(set, "queue.", 6) == 0;
}

/* One --set: on the tree, or (definition not NULL) on what was parsed from it. */
static void apply_set(const char *set, json_t *root, struct definition *definition,
	const struct definition_rules *rules, struct mistakes *mistakes)
{
	const char *equals = strchr(set, '=');
	_auto_free_ char *key = mem_strndup(set, equals != NULL ? (size_t)(equals - set) : 0);
	int taken = 0;

	if (key == NULL)
		return;
	if (equals != NULL && definition != NULL)
		taken = definition_scale(definition, rules, key, equals + 1, mistakes);
	else if (equals != NULL)
		taken = definition_set_param(root, key, equals + 1, mistakes);
	if (taken == 0)
		mistakes_add(mistakes, set,
			"write STAGE.PARAM=VALUE, workers.STAGE=N or queue.STAGE=N");
}

static void apply_sets(const struct run_words *words, json_t *root,
	struct definition *definition, const struct definition_rules *rules,
	struct mistakes *mistakes)
{
	for (unsigned i = 0; i < words->set_count; i++)
		if (run_words_is_scaling(words->sets[i]) == (definition != NULL))
			apply_set(words->sets[i], root, definition, rules, mistakes);
}

/* What `leat run` takes for granted. */
static int default_order(json_t *root)
{
	if (!json_is_object(root) || json_object_get(root, "order") != NULL)
		return 0;
	return json_object_set_new(root, "order", json_string("input"));
}

/* `failures`: allocations that had failed before; what had no memory looks like a mistake. */
static int has_mistakes(struct mistakes *mistakes, unsigned failures, struct error *err)
{
	if (mem_failures() != failures) {
		mistakes_done(mistakes);
		return error_no_memory(err);
	}
	return error_set(err, ERR_DEFINITION, "the pipeline is wrong");
}

int run_definition_tree(const struct run_words *words, struct mistakes *mistakes, json_t **ret,
	struct error *err)
{
	json_auto_t *root = NULL;
	unsigned failures = mem_failures();

	error_no_memory(err);
	root = parse_pipeline(words->pipeline, mistakes, err);
	if (mistakes->count > 0)
		return has_mistakes(mistakes, failures, err);
	if (root == NULL)
		return -1;
	if (json_is_object(root) && words->order != NULL &&
		json_object_set_new(root, "order", json_string(words->order)) < 0)
		return error_no_memory(err);
	apply_sets(words, root, NULL, NULL, mistakes);
	if (mistakes->count > 0)
		return has_mistakes(mistakes, failures, err);
	*ret = json_incref(root);
	return 0;
}

int run_definition(const struct run_words *words, const struct catalog *catalog,
	const struct definition_rules *rules, struct mistakes *mistakes,
	struct definition **ret, struct error *err)
{
	struct definition *definition;
	json_auto_t *root = NULL;
	unsigned failures = mem_failures();

	if (run_definition_tree(words, mistakes, &root, err) < 0)
		return -1;
	if (default_order(root) < 0)
		return error_no_memory(err);
	if (definition_parse(root, catalog, rules, mistakes, &definition, err) < 0)
		return -1;
	apply_sets(words, NULL, definition, rules, mistakes);
	if (mistakes->count > 0) {
		definition_free(definition);
		return has_mistakes(mistakes, failures, err);
	}
	*ret = definition;
	return 0;
}
