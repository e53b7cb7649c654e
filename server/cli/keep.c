#include "cli/keep.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "cli/args.h"
#include "cli/command.h"

static int take(void *arg, int key, const char *value, struct error *err)
{
	struct keep *keep = arg;

	if (key == KEEP_DATA) {
		keep->data = value;
	} else if (key == KEEP_FLAG) {
		keep->flag = true;
	} else if (key == 0) {
		if (keep->word_name == NULL || keep->word != NULL)
			return error_set(err, ERR_BAD_REQUEST,
				"the argument '%.60s' is one too many", value);
		keep->word = value;
	}
	return 0;
}

static const char *default_data(void)
{
	const char *data = getenv("LEAT_DATA");

	return data != NULL && data[0] != '\0' ? data : "./var";
}

int keep_begin(const struct keep_command *command, int argc, char **argv, struct keep *ret)
{
	struct args args = { .name = command->name,
		.args_doc = command->args_doc,
		.about = command->about,
		.rows = command->rows,
		.take = take,
		.arg = ret };
	enum args_next next;
	struct error err;

	*ret = (struct keep){ .data = default_data(), .word_name = command->word_name };
	/* What is wrong is said once, by the command. */
	log_set_level(LOG_OFF);
	if (args_parse(&args, argc, argv, stdout, &next, &err) < 0)
		return command_fail(command->name, &err, EXIT_USAGE);
	if (next == ARGS_DONE)
		return EXIT_OK;
	if (command->word_needed && ret->word == NULL) {
		error_set(&err, ERR_BAD_REQUEST, "%s is missing: see %s --help",
			command->word_name, command->name);
		return command_fail(command->name, &err, EXIT_USAGE);
	}
	return -1;
}
