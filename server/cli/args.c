#include "cli/args.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "job/text.h"

struct parse {
	const struct args *args;
	bool help, version, failed;
	struct error *err;
};

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

/* ---- what is wrong with a word of the line ---- */

static bool is_last(const struct argp_option *row)
{
	return row->name == NULL && row->doc == NULL;
}

static const struct argp_option *find_row(
	const struct argp_option *row, const char *name, size_t len, unsigned *ret_count)
{
	const struct argp_option *found = NULL;

	*ret_count = 0;
	for (; !is_last(row); row++) {
		if (row->name == NULL || strncmp(row->name, name, len) != 0)
			continue;
		found = row;
		if (row->name[len] == '\0') {
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
	for (const struct argp_option *row = parse->args->rows; !is_last(row); row++)
		if (row->name != NULL)
			nearest_offer(&nearest, row->name);
	if (nearest_best(&nearest) != NULL)
		fail(parse, "there is no option '%.60s'; did you mean '--%s'?", word,
			nearest_best(&nearest));
	else
		fail(parse, "there is no option '%.60s'", word);
}

/* A short option that is there wants a value, else argp would not have complained. */
static void explain_short(struct parse *parse, const char *word)
{
	for (const struct argp_option *row = parse->args->rows; !is_last(row); row++)
		if (row->name != NULL && row->arg != NULL && word[0] == '-' &&
			row->key == (unsigned char)word[1] && row->key > ' ') {
			fail(parse, "-%c wants a value: --%s=%s", row->key, row->name,
				row->arg);
			return;
		}
	fail(parse, "there is no option '%.60s'", word);
}

/* argp says only that something is wrong with this word; find out what. */
static void explain(struct parse *parse, const char *word)
{
	const struct argp_option *row;
	unsigned count;
	size_t len;

	if (strncmp(word, "--", 2) != 0) {
		explain_short(parse, word);
		return;
	}
	len = strcspn(word + 2, "=");
	row = find_row(parse->args->rows, word + 2, len, &count);
	if (count > 1)
		fail(parse, "'%.60s' may mean several options; write it out", word);
	else if (count == 0)
		explain_unknown(parse, word, len);
	else if (row->arg != NULL)
		fail(parse, "--%s wants a value: --%s=%s", row->name, row->name, row->arg);
	else
		fail(parse, "--%s takes no value", row->name);
}

/* ---- argp ---- */

static error_t hand_over(struct parse *parse, int key, const char *value)
{
	const struct args *args = parse->args;

	if (args->take == NULL) {
		fail(parse, "the argument '%.60s' is one too many", value != NULL ? value : "");
		return EINVAL;
	}
	if (args->take(args->arg, key, value, parse->err) == 0)
		return 0;
	parse->failed = true;
	return EINVAL;
}

static error_t take(int key, char *value, struct argp_state *state)
{
	struct parse *parse = state->input;

	switch (key) {
	case ARGS_KEY_HELP:
		parse->help = true;
		return 0;
	case ARGS_KEY_VERSION:
		parse->version = true;
		return 0;
	case ARGP_KEY_ARG:
		return hand_over(parse, 0, value);
	case ARGP_KEY_ERROR:
		if (state->next > 0 && state->next <= state->argc)
			explain(parse, state->argv[state->next - 1]);
		return 0;
	default:
		/* argp's own keys lie above 2^24. */
		return key > 0 && key < 0x10000 ? hand_over(parse, key, value)
						: ARGP_ERR_UNKNOWN;
	}
}

int args_parse(const struct args *args, int argc, char **argv, FILE *out,
	enum args_next *ret_next, struct error *err)
{
	struct parse parse = { .args = args, .err = err };
	struct argp argp = { args->rows, take, args->args_doc, args->about };
	error_t failed;

	failed = argp_parse(&argp, argc, argv, ARGP_SILENT, NULL, &parse);
	if (failed == ENOMEM)
		return error_no_memory(err);
	if (parse.failed)
		return -1;
	if (failed != 0)
		return error_set(err, ERR_BAD_REQUEST, "the arguments are not understood");
	if (parse.help)
		argp_help(&argp, out, ARGP_HELP_SHORT_USAGE | ARGP_HELP_LONG | ARGP_HELP_DOC,
			(char *)args->name);
	if (parse.version)
		fprintf(out, "leat %s\n", LEAT_VERSION);
	*ret_next = parse.help || parse.version ? ARGS_DONE : ARGS_GO;
	return 0;
}
