/*
 * command: what the commands of leat have in common.
 *
 * main.c has the table of commands. Each one reads its line (cli/options.h), says what is
 * wrong on stderr and returns the program's exit code:
 *
 *	0	done
 *	1	it ran, and not everything went well
 *	2	the line, a setting, the definition or an input file is wrong
 *
 * Thread: main.
 */
#ifndef LEAT_CLI_COMMAND_H
#define LEAT_CLI_COMMAND_H

#include <uv.h>

#include "base/error.h"
#include "cli/options.h"
#include "cli/settings.h"
#include "plugin/registry.h"

enum command_exit {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_SIGNAL = 128, /* and the signal's number */
};

struct command {
	const char *name, *summary;
	int (*run)(int argc, char **argv);
};

int command_serve(int argc, char **argv);
int command_run(int argc, char **argv);
int command_stages(int argc, char **argv);
int command_new_stage(int argc, char **argv);
int command_test_stage(int argc, char **argv);
int command_health(int argc, char **argv);
int command_token(int argc, char **argv);
/* Those about a data folder: cli/keep.h. */
int command_fsck(int argc, char **argv);
int command_backup(int argc, char **argv);
int command_compact(int argc, char **argv);
int command_export(int argc, char **argv);
int command_import(int argc, char **argv);
/* Not in the help: engine/hosted.h. */
int command_stage_host(int argc, char **argv);
/* Started by the server, for no person: cli/exec_child.c. */
int command_exec_child(int argc, char **argv);
/* Those that talk to a server: cli/client.h. */
int command_submit(int argc, char **argv);
int command_ls(int argc, char **argv);
int command_show(int argc, char **argv);
int command_watch(int argc, char **argv);
int command_results(int argc, char **argv);
int command_failures(int argc, char **argv);
int command_retry(int argc, char **argv);
int command_scale(int argc, char **argv);
int command_pause(int argc, char **argv);
int command_resume(int argc, char **argv);
int command_cancel(int argc, char **argv);
int command_close(int argc, char **argv);
int command_rm(int argc, char **argv);

/*
 * Read the line into `settings` (initialized here) and set up the log. Returns -1 when the
 * command is to go on, else the exit code; then there is nothing to undo.
 */
int command_begin(const struct options *options, int argc, char **argv, void *arg,
	struct settings *settings);
/* Say what is wrong; returns `code`. */
int command_fail(const char *name, const struct error *err, int code);
/* Close both handles; signals that come now do not cut the end short, it is near. */
void command_close_signals(uv_signal_t *sigint, uv_signal_t *sigterm);
/*
 * The built-in stages, those of --stages, and then those of the folders that need no asking:
 * leat-stages beside the program, and the one that packages of stages install into. Of one
 * name the first counts.
 */
int command_registry(const struct settings *settings, struct registry **ret, struct error *err);
/* The same with this file's stage as well, where file is not NULL. */
int command_registry_with(const struct settings *settings, const char *file,
	const struct stage **ret_stage, struct registry **ret, struct error *err);

#endif
