/*
 * args: a line of arguments, read by glibc's argp, with errors as values.
 *
 * A command brings its table of options and one function that takes what was found; --help
 * and --version are always there. Nothing here ends the process or writes to stderr.
 *
 * Thread: one.
 */
#ifndef LEAT_CLI_ARGS_H
#define LEAT_CLI_ARGS_H

#include <argp.h>
#include <stdio.h>

#include "base/error.h"

struct args {
	const char *name;     /* "leat run" */
	const char *args_doc; /* "PIPELINE [FILE...]" */
	const char *about;    /* argp's: in front of the options, \v, behind them */
	/* Ends with a zero row. Keys are positive and below 65,536. */
	const struct argp_option *rows;
	/* One option, or with key 0 a positional argument. NULL: there may be none. */
	int (*take)(void *arg, int key, const char *value, struct error *err);
	void *arg;
};

/* The last rows of a table: what args_parse() itself understands. */
#define ARGS_HELP_ROW(group)                                        \
	{                                                           \
		"help", ARGS_KEY_HELP, NULL, 0, "print this", group \
	}
#define ARGS_VERSION_ROW(group)                                                  \
	{                                                                        \
		"version", ARGS_KEY_VERSION, NULL, 0, "print the version", group \
	}
enum { ARGS_KEY_HELP = 'h', ARGS_KEY_VERSION = 'V' };

enum args_next {
	ARGS_GO,
	ARGS_DONE, /* --help or --version, written to `out`: nothing more to do */
};

/* Errors, with what to do about it: ERR_BAD_REQUEST, ERR_NO_MEMORY, and what `take` says. */
int args_parse(const struct args *args, int argc, char **argv, FILE *out,
	enum args_next *ret_next, struct error *err);

#endif
