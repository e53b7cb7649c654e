/* stages: what this leat can do to items, for people (a table) and for programs (--json). */
#include <stdio.h>
#include <string.h>

#include "base/json_text.h"
#include "base/mem.h"
#include "cli/command.h"

enum { KEY_JSON = 1 };

static const struct argp_option own_options[] = {
	{ NULL, 0, NULL, 0, "The list:", 1 },
	{ "json", KEY_JSON, NULL, 0, "as JSON, with the parameters as JSON Schema", 1 },
	{ 0 },
};

struct line {
	const char *name;
	bool json;
};

static int take(void *arg, int key, const char *value, struct error *err)
{
	struct line *line = arg;

	if (key == KEY_JSON)
		line->json = true;
	else if (line->name == NULL)
		line->name = value;
	else
		return error_set(
			err, ERR_BAD_REQUEST, "one NAME is enough; '%.60s' is too many", value);
	return 0;
}

/* ---- for programs ---- */

static int print_json(json_t *value)
{
	int failed = value == NULL || json_dumpf(value, stdout, JSON_INDENT(2)) < 0;

	json_decref(value);
	putchar('\n');
	return failed ? EXIT_FAILED : EXIT_OK;
}

static json_t *list_to_json(const struct registry *registry)
{
	json_t *list = json_array();

	for (size_t i = 0; i < registry_count(registry); i++)
		json_array_append_new(
			list, registry_describe(registry, registry_at(registry, i)));
	return list;
}

/* ---- for people ---- */

static void print_list(const struct registry *registry)
{
	printf("%-12s %-7s %-9s %s\n", "NAME", "KIND", "RUNS", "WHAT IT DOES");
	for (size_t i = 0; i < registry_count(registry); i++) {
		const struct stage *stage = registry_at(registry, i);

		printf("%-12s %-7s %-9s %s\n", stage->name, stage_kind_name(stage->kind),
			stage_threads_name(stage->threads),
			stage->summary != NULL ? stage->summary : "");
	}
	printf("\n'leat stages NAME' shows the parameters of one.\n");
}

static void print_default(const json_t *schema)
{
	_auto_free_ char *text = NULL;
	const json_t *value = json_object_get(schema, "default");

	if (value == NULL)
		return;
	text = json_text(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
	printf(", default %s", text != NULL ? text : "?");
}

static void print_choices(const json_t *schema)
{
	const json_t *choice;
	size_t i;

	json_array_foreach(json_object_get(schema, "enum"), i, choice)
	{
		printf("%s%s", i == 0 ? ": " : ", ", json_string_value(choice));
	}
}

static bool is_required(const json_t *params, const char *name)
{
	const json_t *required;
	size_t i;

	json_array_foreach(json_object_get(params, "required"), i,
		required) if (strcmp(json_string_value(required), name) == 0) return true;
	return false;
}

static void print_params(json_t *params)
{
	const char *name, *type, *doc;
	json_t *schema;

	json_object_foreach(json_object_get(params, "properties"), name, schema)
	{
		type = json_string_value(json_object_get(schema, "type"));
		doc = json_string_value(json_object_get(schema, "description"));
		printf("  %s (%s", name, type != NULL ? type : "any JSON");
		print_choices(schema);
		if (is_required(params, name))
			printf(", required");
		print_default(schema);
		printf(")\n      %s\n", doc != NULL ? doc : "");
	}
}

static int print_stage(const struct registry *registry, const struct stage *stage)
{
	json_auto_t *page = registry_describe(registry, stage);
	const char *file = registry_file(registry, stage);

	if (page == NULL)
		return EXIT_FAILED;
	printf("%s %s: %s\n", stage->name, stage->version != NULL ? stage->version : "",
		stage->summary != NULL ? stage->summary : "");
	printf("%s, %s, %s\n", stage_kind_name(stage->kind), stage_threads_name(stage->threads),
		file != NULL ? file : "built in");
	if (json_object_size(json_object_get(json_object_get(page, "params"), "properties")) >
		0)
		printf("\nParameters:\n");
	print_params(json_object_get(page, "params"));
	return EXIT_OK;
}

/* ---- the command ---- */

static int no_such_stage(const struct registry *registry, const char *name)
{
	const struct catalog *catalog = registry_catalog(registry);
	const char *nearest = catalog->nearest(catalog, name);

	if (nearest != NULL)
		fprintf(stderr, "leat stages: there is no stage '%s'; did you mean '%s'?\n",
			name, nearest);
	else
		fprintf(stderr,
			"leat stages: there is no stage '%s'; 'leat stages' lists them\n",
			name);
	return EXIT_USAGE;
}

static int show(const struct line *line, const struct registry *registry)
{
	const struct stage *stage = NULL;

	if (line->name == NULL && line->json)
		return print_json(list_to_json(registry));
	if (line->name == NULL) {
		print_list(registry);
		return EXIT_OK;
	}
	stage = registry_find(registry, line->name);
	if (stage == NULL)
		return no_such_stage(registry, line->name);
	return line->json ? print_json(registry_describe(registry, stage))
			  : print_stage(registry, stage);
}

int command_stages(int argc, char **argv)
{
	static const struct options options = {
		.name = "leat stages",
		.command = FOR_STAGES,
		.args_doc = "[NAME]",
		.intro = "List the stages that a pipeline can be made of, or show one.",
		.own = own_options,
		.take = take,
	};
	struct line line = { 0 };
	struct registry *registry = NULL;
	struct settings settings;
	struct error err;
	int code = command_begin(&options, argc, argv, &line, &settings);

	if (code >= 0)
		return code;
	if (command_registry(&settings, &registry, &err) < 0)
		code = command_fail(options.name, &err, EXIT_USAGE);
	else
		code = show(&line, registry);
	registry_free(registry);
	settings_done(&settings);
	return fflush(stdout) == 0 ? code : EXIT_FAILED;
}
