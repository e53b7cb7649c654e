/*
 * keep: what the commands about a data folder (fsck, compact, backup, export, import) have in
 * common: --data, the words that stand alone, exit codes.
 *
 *	0	done, and nothing is wrong
 *	1	it could not be done; of fsck: something is damaged
 *	2	the line is wrong
 */
#ifndef LEAT_CLI_KEEP_H
#define LEAT_CLI_KEEP_H

#include <argp.h>
#include <stdbool.h>

#include "base/error.h"

struct keep {
	const char *data;      /* --data, LEAT_DATA, ./var */
	const char *word;      /* the one positional argument, NULL */
	bool flag;             /* the command's own */
	const char *word_name; /* "DIR"; NULL: there is no argument */
};

enum { KEEP_DATA = 1, KEEP_FLAG };

#define KEEP_DATA_ROW(group)                                                                \
	{                                                                                   \
		"data", KEEP_DATA, "DIR", 0,                                                \
			"the data folder (default: LEAT_DATA or ./var, as for leat serve)", \
			group                                                               \
	}

struct keep_command {
	const char *name, *args_doc, *about;
	const struct argp_option *rows;
	const char *word_name;
	bool word_needed;
};

/* Read the line; -1: go on, else the exit code. */
int keep_begin(const struct keep_command *command, int argc, char **argv, struct keep *ret);

#endif
