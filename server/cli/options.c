#include "cli/options.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/text.h"

enum key {
	KEY_HELP = 'h',
	KEY_VERSION = 'V',
	KEY_CONFIG = 0x200,
	KEY_PRINT_CONFIG,
	KEY_SETTING, /* and the row's number */
};

#define ROWS_MAX (OPTIONS_OWN_MAX + 2 * SETTINGS_MAX + 8)
#define DOC_SIZE 320

/* What argp is given, and what it found. */
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
	bool print_config, help, version;
	struct error *err;
	bool failed;
};

/* ---- the table that argp reads ---- */

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
			       .arg = setting->metavar,
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
	add_row(parse, (struct argp_option){ "help", KEY_HELP, NULL, 0, "print this", 100 });
	add_row(parse, (struct argp_option){
			       "version", KEY_VERSION, NULL, 0, "print the version", 100 });
}

static void add_own(struct parse *parse)
{
	for (const struct argp_option *row = parse->options->own;
		row != NULL && (row->name != NULL || row->doc != NULL); row++)
		add_row(parse, *row);
}

/* ---- what argp finds ---- */

static void __attribute__((format(printf, 2, 3)))
fail(struct parse *parse, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;

	if (parse->failed)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	parse->failed = true;
	error_set(parse->err, ERR_BAD_REQUEST, "%s", text);
}

static const struct argp_option *find_row(
	const struct parse *parse, const char *name, size_t len, unsigned *ret_count)
{
	const struct argp_option *found = NULL;

	*ret_count = 0;
	for (unsigned i = 0; i < parse->row_count; i++) {
		const char *row = parse->rows[i].name;

		if (row == NULL || strncmp(row, name, len) != 0)
			continue;
		found = &parse->rows[i];
		if (row[len] == '\0') {
			*ret_count = 1;
			break;
		}
		++*ret_count;
	}
	return found;
}

static void explain_unknown(struct parse *parse, const char *word, size_t len)
{
	_auto_free_ char *name = mem_strndup(word + 2, len);
	struct nearest nearest;

	nearest_init(&nearest, name != NULL ? name : "");
	for (unsigned i = 0; i < parse->row_count; i++)
		if (parse->rows[i].name != NULL)
			nearest_offer(&nearest, parse->rows[i].name);
	if (nearest_best(&nearest) != NULL)
		fail(parse, "there is no option '%.60s'; did you mean '--%s'?", word,
			nearest_best(&nearest));
	else
		fail(parse, "there is no option '%.60s'", word);
}

/* argp says only that something is wrong with this word of the line; find out what. */
static void explain(struct parse *parse, const char *word)
{
	const struct argp_option *row;
	unsigned count;
	size_t len;

	if (strncmp(word, "--", 2) != 0) {
		fail(parse, "there is no option '%.60s'", word);
		return;
	}
	len = strcspn(word + 2, "=");
	row = find_row(parse, word + 2, len, &count);
	if (count > 1)
		fail(parse, "'%.60s' may mean several options; write it out", word);
	else if (count == 0)
		explain_unknown(parse, word, len);
	else if (row->arg != NULL)
		fail(parse, "--%s wants a value: --%s=%s", row->name, row->name, row->arg);
	else
		fail(parse, "--%s takes no value", row->name);
}

static error_t take_own(struct parse *parse, int key, const char *value)
{
	if (parse->options->take == NULL) {
		fail(parse, "the argument '%.60s' is one too many", value != NULL ? value : "");
		return EINVAL;
	}
	if (parse->options->take(parse->arg, key, value, parse->err) == 0)
		return 0;
	parse->failed = true;
	return EINVAL;
}

static error_t take(int key, char *value, struct argp_state *state)
{
	struct parse *parse = state->input;

	switch (key) {
	case KEY_HELP:
		parse->help = true;
		return 0;
	case KEY_VERSION:
		parse->version = true;
		return 0;
	case KEY_CONFIG:
		parse->config = value;
		return 0;
	case KEY_PRINT_CONFIG:
		parse->print_config = true;
		return 0;
	case ARGP_KEY_ARG:
		return take_own(parse, 0, value);
	case ARGP_KEY_ERROR:
		if (state->next > 0 && state->next <= state->argc)
			explain(parse, state->argv[state->next - 1]);
		return 0;
	default:
		break;
	}
	if (key >= KEY_SETTING && key < KEY_SETTING + SETTINGS_MAX) {
		parse->flags[parse->flag_count++] =
			(struct flag){ .index = (unsigned)(key - KEY_SETTING), .text = value };
		return 0;
	}
	return key > 0 && key < 256 ? take_own(parse, key, value) : ARGP_ERR_UNKNOWN;
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

static int run_argp(struct parse *parse, int argc, char **argv, FILE *out, struct error *err)
{
	struct argp argp = { parse->rows, take, parse->options->args_doc, parse->about };
	error_t failed;

	failed = argp_parse(&argp, argc, argv, ARGP_SILENT, NULL, parse);
	if (failed == ENOMEM)
		return error_no_memory(err);
	if (parse->failed)
		return -1;
	if (failed != 0)
		return error_set(err, ERR_BAD_REQUEST, "the arguments are not understood");
	if (parse->help)
		argp_help(&argp, out, ARGP_HELP_SHORT_USAGE | ARGP_HELP_LONG | ARGP_HELP_DOC,
			(char *)parse->options->name);
	if (parse->version)
		fprintf(out, "leat %s\n", LEAT_VERSION);
	return 0;
}

static int parse_line(struct parse *parse, int argc, char **argv, FILE *out,
	struct settings *settings, enum options_next *ret_next, struct error *err)
{
	add_own(parse);
	add_settings(parse, settings, 10);
	add_common(parse);
	if (run_argp(parse, argc, argv, out, err) < 0)
		return -1;
	*ret_next = OPTIONS_DONE;
	if (parse->help || parse->version)
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
	parse->err = err;
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
