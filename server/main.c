/* leat: which command? What each one does stands in server/cli/. */
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/mem.h"
#include "cli/command.h"
#include "job/text.h"

static const struct command commands[] = {
	{ "serve", "serve jobs over HTTP", command_serve },
	{ "run", "run one pipeline between files, without a server", command_run },
	{ "stages", "list the stages, or show one", command_stages },
	{ "new-stage", "write the beginnings of a stage of one's own", command_new_stage },
	{ "test-stage", "run the cases of a stage", command_test_stage },
	{ "submit", "make a job on a server and send it items", command_submit },
	{ "ls", "list the jobs of a server", command_ls },
	{ "show", "show a job", command_show },
	{ "watch", "watch a job, or all of them", command_watch },
	{ "results", "write the results of a job", command_results },
	{ "failures", "write the failed items of a job", command_failures },
	{ "retry", "run failed items of a job again", command_retry },
	{ "scale", "change how many workers stages of a job have", command_scale },
	{ "pause", "let no new item of a job begin", command_pause },
	{ "resume", "let a paused job go on", command_resume },
	{ "cancel", "end a job before its items are over", command_cancel },
	{ "close", "say that no more items come", command_close },
	{ "rm", "remove jobs with their results", command_rm },
	{ "token", "make and revoke the tokens of a server", command_token },
	{ "health", "ask a server whether it lives", command_health },
	{ "fsck", "check a data folder, repair it", command_fsck },
	{ "backup", "copy a data folder, also while it is served", command_backup },
	{ "export", "write all of a data folder as NDJSON", command_export },
	{ "import", "take an export into a data folder", command_import },
	{ "compact", "give back the room between what a data folder holds", command_compact },
};

/* What the program starts of itself: no command for people, nowhere shown. */
static const struct command hidden[] = {
	{ "stage-host", "run a stage for a server", command_stage_host },
	{ "exec-child", "become a program of the operator's", command_exec_child },
};

static int usage(FILE *out, int code)
{
	fprintf(out, "Usage: leat COMMAND [OPTION...]\n\n"
		     "Pipelines of stages over JSON items: bounded, durable, over HTTP.\n\n"
		     "Commands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
	fprintf(out,
		"\n'leat COMMAND --help' tells more; 'leat --version' prints the version.\n\n"
		"Examples:\n"
		"  leat serve --data ./var\n"
		"  leat run sha256:8 --set sha256.field=text <in.ndjson >out.ndjson\n"
		"  leat submit sha256:8 --set sha256.field=text --results <in.ndjson\n");
	return code;
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static const struct command *find_hidden(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		if (strcmp(hidden[i].name, name) == 0)
			return &hidden[i];
	return NULL;
}

static int no_such_command(const char *name)
{
	struct nearest nearest;

	nearest_init(&nearest, name);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		nearest_offer(&nearest, commands[i].name);
	if (nearest_best(&nearest) != NULL)
		fprintf(stderr, "leat: there is no command '%s'; did you mean '%s'?\n", name,
			nearest_best(&nearest));
	else
		fprintf(stderr, "leat: there is no command '%s'; 'leat help' lists them\n",
			name);
	return EXIT_USAGE;
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
	return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

/* `leat help run` is `leat run --help`. */
static int help(int argc, char **argv)
{
	char flag[] = "--help";
	char *line[] = { argv[0], flag, NULL };
	const struct command *command;

	if (argc < 3)
		return usage(stdout, EXIT_OK);
	command = find(argv[2]);
	return command != NULL ? command->run(2, line) : no_such_command(argv[2]);
}

int main(int argc, char **argv)
{
	const struct command *command;

	mem_tune();
	mem_use_for_jansson();
	fault_init();
	if (argc < 2)
		return usage(stderr, EXIT_USAGE);
	if (is_one_of(argv[1], "help", "--help", "-h"))
		return help(argc, argv);
	if (is_one_of(argv[1], "version", "--version", "-V")) {
		printf("leat %s\n", LEAT_VERSION);
		return EXIT_OK;
	}
	command = find(argv[1]);
	if (command == NULL)
		command = find_hidden(argv[1]);
	return command != NULL ? command->run(argc - 1, argv + 1) : no_such_command(argv[1]);
}
