/*
 * stages: what this leat, or that of a server, can do to items, for people (a table) and for
 * programs (--json).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "base/mem.h"
#include "cli/client.h"
#include "cli/command.h"
#include "client/shown.h"

#define COLUMNS_MAX 4096

enum { KEY_JSON = 1, KEY_SERVER, KEY_TOKEN };

static const struct argp_option own_options[] = {
	{ NULL, 0, NULL, 0, "The list:", 1 },
	{ "json", KEY_JSON, NULL, 0, "as JSON, with the parameters as JSON Schema", 1 },
	{ "server", KEY_SERVER, "URL", 0,
		"those of the server there, instead of those of this program", 1 },
	{ "token", KEY_TOKEN, "TOKEN", 0, "sent to it as a bearer token (LEAT_TOKEN)", 1 },
	{ 0 },
};

struct line {
	const char *name, *server, *token;
	bool json;
};

static int take(void *arg, int key, const char *value, struct error *err)
{
	struct line *line = arg;

	if (key == KEY_JSON)
		line->json = true;
	else if (key == KEY_SERVER)
		line->server = value;
	else if (key == KEY_TOKEN)
		line->token = value;
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

/* Stages of a server are texts of others. */
static void put(const char *text)
{
	struct buf shown = BUF_INIT;

	if (shown_text(text, &shown) == 0)
		fwrite(shown.data != NULL ? shown.data : "", 1, shown.len, stdout);
	buf_done(&shown);
}

static void print_list(const json_t *stages)
{
	const json_t *stage;
	struct page page;
	size_t i;

	page_init(&page, COLUMNS_MAX, false);
	page_put(&page, "%-12s %-7s %-9s %s", "NAME", "KIND", "RUNS", "WHAT IT DOES");
	page_line(&page);
	json_array_foreach(stages, i, stage)
	{
		page_cell(&page, view_string(stage, "name"), 12);
		page_put(&page, " ");
		page_cell(&page, view_string(stage, "kind"), 7);
		page_put(&page, " ");
		page_cell(&page, view_string(stage, "threads"), 9);
		page_put(&page, " ");
		page_text(&page, view_string(stage, "summary"));
		page_line(&page);
	}
	client_put_page(&page);
	printf("\n'leat stages NAME' shows the parameters of one.\n");
}

static void print_default(const json_t *schema)
{
	_auto_free_ char *text = NULL;
	const json_t *value = json_object_get(schema, "default");

	if (value == NULL)
		return;
	text = json_text(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
	printf(", default ");
	put(text != NULL ? text : "?");
}

static void print_choices(const json_t *schema)
{
	const json_t *choice;
	size_t i;

	json_array_foreach(json_object_get(schema, "enum"), i, choice)
	{
		printf("%s", i == 0 ? ": " : ", ");
		put(json_is_string(choice) ? json_string_value(choice) : "?");
	}
}

static bool is_required(const json_t *params, const char *name)
{
	const json_t *required;
	size_t i;

	json_array_foreach(json_object_get(params, "required"), i, required)
	{
		if (json_is_string(required) && strcmp(json_string_value(required), name) == 0)
			return true;
	}
	return false;
}

static void print_params(json_t *params)
{
	json_t *schemas = json_object_get(params, "properties"), *schema;
	const char *name, *type;

	if (json_object_size(schemas) > 0)
		printf("\nParameters:\n");
	json_object_foreach(schemas, name, schema)
	{
		type = view_string(schema, "type");
		printf("  ");
		put(name);
		printf(" (");
		put(*type != '\0' ? type : "any JSON");
		print_choices(schema);
		if (is_required(params, name))
			printf(", required");
		print_default(schema);
		printf(")\n      ");
		put(view_string(schema, "description"));
		putchar('\n');
	}
}

/* `file`: where it was loaded from; NULL: built in. */
static int print_stage(const json_t *stage, const char *file)
{
	put(view_string(stage, "name"));
	putchar(' ');
	put(view_string(stage, "version"));
	printf(": ");
	put(view_string(stage, "summary"));
	putchar('\n');
	put(view_string(stage, "kind"));
	printf(", ");
	put(view_string(stage, "threads"));
	printf(", ");
	put(file != NULL ? file : "built in");
	if (file != NULL)
		printf(", stage ABI %" JSON_INTEGER_FORMAT,
			json_integer_value(json_object_get(stage, "abi")));
	printf("%s\n",
		json_is_true(json_object_get(stage, "batches")) ? ", takes batches" : "");
	print_params(json_object_get(stage, "params"));
	return EXIT_OK;
}

/* ---- those of a server ---- */

static int show_page(const struct line *line, json_t *page)
{
	json_t *stages = json_object_get(page, "items");

	if (line->json)
		return print_json(json_incref(line->name != NULL ? page : stages));
	if (line->name != NULL)
		return print_stage(page,
			view_is_null(page, "module") ? NULL : view_string(page, "module"));
	print_list(stages);
	return EXIT_OK;
}

static int ask(struct client *client, const struct line *line)
{
	struct buf path = BUF_INIT;
	json_auto_t *page = NULL;
	int code = EXIT_FAILED;

	if (buf_append_str(&path, "/v1/stages") == 0 &&
		(line->name == NULL || (buf_append_str(&path, "/") == 0 &&
					       remote_escape(line->name, &path) == 0)) &&
		buf_append(&path, "", 1) == 0)
		code = client_get_json(
			client, &(struct remote_request){ .path = path.data }, &page);
	buf_done(&path);
	return code == EXIT_OK ? show_page(line, page) : code;
}

static int show_of_server(const struct line *line)
{
	static const struct client_command command = { .name = "leat stages" };
	const char *token = getenv("LEAT_TOKEN");
	struct client client = { .command = &command,
		.server = line->server,
		.token = line->token != NULL ? line->token : token,
		.cacert = getenv("LEAT_CACERT"),
		.cert = getenv("LEAT_CERT"),
		.key = getenv("LEAT_CERT_KEY"),
		.signal_fd = -1 };
	int code = client_open(&client);

	return client_end(&client, code >= 0 ? code : ask(&client, line));
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
	json_auto_t *page = NULL;

	if (line->name != NULL) {
		stage = registry_find(registry, line->name);
		if (stage == NULL)
			return no_such_stage(registry, line->name);
	}
	page = stage != NULL ? registry_describe(registry, stage) : list_to_json(registry);
	if (line->json)
		return print_json(json_incref(page));
	if (stage != NULL)
		return print_stage(page, registry_file(registry, stage));
	print_list(page);
	return EXIT_OK;
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
	if (line.server != NULL)
		code = show_of_server(&line);
	else if (command_registry(&settings, &registry, &err) < 0)
		code = command_fail(options.name, &err, EXIT_USAGE);
	else
		code = show(&line, registry);
	registry_free(registry);
	settings_done(&settings);
	return fflush(stdout) == 0 ? code : EXIT_FAILED;
}
