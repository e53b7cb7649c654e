#include "cli/options.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/args.h"

enum key {
	KEY_CONFIG = 0x200,
	KEY_PRINT_CONFIG,
	KEY_SETTING, /* and the row's number */
};

#define ROWS_MAX (OPTIONS_OWN_MAX + 2 * SETTINGS_MAX + 8)
#define DOC_SIZE 320

/* What args is given, and what it found. */
struct parse {
	const struct options *options;
	void *arg;
	struct argp_option rows[ROWS_MAX];
	unsigned row_count;
	char docs[SETTINGS_MAX][DOC_SIZE];
	char *about;
	/* The flags that are settings, in order. */
	struct flag {
		unsigned index;
		const char *text;
	} * flags;
	unsigned flag_count;
	const char *config;
	bool print_config;
};

/* ---- the table of options ---- */

static void add_row(struct parse *parse, struct argp_option row)
{
	assert(parse->row_count < ROWS_MAX - 1);
	parse->rows[parse->row_count++] = row;
}

static void add_setting(
	struct parse *parse, const struct settings *defaults, unsigned index, int group)
{
	const struct setting *setting = &settings_table[index];
	char env[SETTING_NAME_SIZE], shown[64];

	setting_env_name(setting, env);
	setting_show(defaults, index, shown, sizeof(shown));
	snprintf(parse->docs[index], DOC_SIZE, "%s (default: %s; %s)", setting->help, shown,
		env);
	add_row(parse, (struct argp_option){ .name = setting->name,
			       .key = KEY_SETTING + (int)index,
			       .arg = setting->type == SETTING_YES ? NULL : setting->metavar,
			       .doc = parse->docs[index],
			       .group = group });
}

static void add_settings(struct parse *parse, const struct settings *defaults, int group)
{
	const char *heading = NULL;

	for (unsigned i = 0; i < settings_count; i++) {
		const struct setting *setting = &settings_table[i];

		if ((setting->commands & parse->options->command) == 0)
			continue;
		if (heading == NULL || strcmp(heading, setting->group) != 0) {
			group++;
			add_row(parse,
				(struct argp_option){ .doc = setting->group, .group = group });
		}
		heading = setting->group;
		add_setting(parse, defaults, i, group);
	}
}

static void add_common(struct parse *parse)
{
	add_row(parse, (struct argp_option){ .doc = "And:", .group = 100 });
	add_row(parse,
		(struct argp_option){ "config", KEY_CONFIG, "FILE", 0,
			"read settings from a JSON file, as in {\"item_max\":\"4MiB\"}: the names "
			"above with _ for - (LEAT_CONFIG)",
			100 });
	add_row(parse, (struct argp_option){ "print-config", KEY_PRINT_CONFIG, NULL, 0,
			       "print every setting with its source as JSON, and end", 100 });
	add_row(parse, (struct argp_option)ARGS_HELP_ROW(100));
	add_row(parse, (struct argp_option)ARGS_VERSION_ROW(100));
}

static void add_own(struct parse *parse)
{
	for (const struct argp_option *row = parse->options->own;
		row != NULL && (row->name != NULL || row->doc != NULL); row++)
		add_row(parse, *row);
}

/* ---- what is found ---- */

static int take(void *arg, int key, const char *value, struct error *err)
{
	struct parse *parse = arg;
	const struct options *options = parse->options;

	if (key == KEY_CONFIG)
		parse->config = value;
	else if (key == KEY_PRINT_CONFIG)
		parse->print_config = true;
	else if (key >= KEY_SETTING)
		parse->flags[parse->flag_count++] =
			(struct flag){ .index = (unsigned)(key - KEY_SETTING),
				.text = value == NULL ? "yes" : value };
	else if (options->take != NULL)
		return options->take(parse->arg, key, value, err);
	else
		return error_set(
			err, ERR_BAD_REQUEST, "the argument '%.60s' is one too many", value);
	return 0;
}

/* ---- all sources, lowest first ---- */

static int apply(const struct parse *parse, struct settings *settings, struct error *err)
{
	const char *config = parse->config != NULL ? parse->config : getenv("LEAT_CONFIG");
	char from[SETTING_NAME_SIZE];

	if (config != NULL && settings_from_file(settings, config, err) < 0)
		return -1;
	if (settings_from_env(settings, parse->options->command, err) < 0)
		return -1;
	for (unsigned i = 0; i < parse->flag_count; i++) {
		const struct flag *flag = &parse->flags[i];

		snprintf(from, sizeof(from), "--%s", settings_table[flag->index].name);
		if (settings_set(settings, flag->index, flag->text, SOURCE_FLAG, from, err) < 0)
			return -1;
	}
	return 0;
}

static int print_config(const struct parse *parse, const struct settings *settings, FILE *out,
	struct error *err)
{
	json_auto_t *root = settings_to_json(settings, parse->options->command);

	if (root == NULL || json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) < 0)
		return error_no_memory(err);
	fputc('\n', out);
	return 0;
}

/* Flags win over the environment, which wins over the file: said where people look. */
static char *about(const struct options *options)
{
	struct buf text = BUF_INIT;

	if (buf_printf(&text,
		    "%s\v%s%sA flag goes before the environment, that before the file, that before "
		    "the default. Sizes may be written as 64k, 16MiB or 2G (powers of 1,024), "
		    "times as 250ms, 10s, 5m, 2h or 7d (a bare number is milliseconds).",
		    options->intro, options->examples != NULL ? options->examples : "",
		    options->examples != NULL ? "\n\n" : "") < 0)
		return NULL;
	return text.data;
}

static int parse_line(struct parse *parse, int argc, char **argv, FILE *out,
	struct settings *settings, enum options_next *ret_next, struct error *err)
{
	const struct args args = { parse->options->name, parse->options->args_doc, parse->about,
		parse->rows, take, parse };
	enum args_next next;

	add_own(parse);
	add_settings(parse, settings, 10);
	add_common(parse);
	if (args_parse(&args, argc, argv, out, &next, err) < 0)
		return -1;
	*ret_next = OPTIONS_DONE;
	if (next == ARGS_DONE)
		return 0;
	if (apply(parse, settings, err) < 0)
		return -1;
	if (parse->print_config)
		return print_config(parse, settings, out, err);
	*ret_next = OPTIONS_GO;
	return 0;
}

int options_parse(const struct options *options, int argc, char **argv, void *arg, FILE *out,
	struct settings *settings, enum options_next *ret_next, struct error *err)
{
	struct parse *parse = mem_zalloc(sizeof(*parse));
	int result = -1;

	if (parse == NULL)
		return error_no_memory(err);
	parse->options = options;
	parse->arg = arg;
	parse->about = about(options);
	parse->flags = mem_zalloc(sizeof(*parse->flags) * (size_t)(argc + 1));
	if (parse->about == NULL || parse->flags == NULL)
		error_no_memory(err);
	else
		result = parse_line(parse, argc, argv, out, settings, ret_next, err);
	mem_free(parse->about);
	mem_free(parse->flags);
	mem_free(parse);
	return result;
}
