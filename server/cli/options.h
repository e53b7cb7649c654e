/*
 * options: one command's line of arguments, read by glibc's argp.
 *
 *	flags (argp) ─► --config FILE ─► environment ─► flags: struct settings
 *
 * A command brings what only it knows (own options, positional arguments); the settings that
 * apply to it come from the table (cli/settings.h), as do `--help`, `--version`, `--config`
 * and `--print-config`. Nothing here ends the process or writes to stderr, so that all of it
 * can be tested.
 *
 * Thread: one.
 */
#ifndef LEAT_CLI_OPTIONS_H
#define LEAT_CLI_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "cli/settings.h"

#define OPTIONS_OWN_MAX 24

struct options {
	const char *name; /* "leat run" */
	enum setting_command command;
	const char *args_doc; /* "PIPELINE [FILE...]" */
	const char *intro;    /* in front of the options in --help */
	const char *examples; /* behind them */
	/* Those that only this command has; keys from 1 to 255. Ends with a zero row. */
	const struct argp_option *own;
	/* One of them, or with key 0 a positional argument. */
	int (*take)(void *arg, int key, const char *value, struct error *err);
};

enum options_next {
	OPTIONS_GO,   /* the settings are complete: do it */
	OPTIONS_DONE, /* --help, --version, --print-config: written to `out`, nothing more to do
		       */
};

/*
 * `settings` is initialized and holds what was found. Errors, each with where it came from and
 * what to do: ERR_BAD_REQUEST, ERR_NO_MEMORY.
 */
int options_parse(const struct options *options, int argc, char **argv, void *arg, FILE *out,
	struct settings *settings, enum options_next *ret_next, struct error *err);

#endif
