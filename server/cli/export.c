/* export, import: a data folder as NDJSON, and back. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/command.h"
#include "cli/keep.h"
#include "ledger/keeping.h"

static const struct argp_option rows[] = {
	KEEP_DATA_ROW(1),
	ARGS_HELP_ROW(2),
	ARGS_VERSION_ROW(2),
	{ 0 },
};

static void tell(void *arg, enum finding finding, const struct id *job, const char *text)
{
	char id[ID_TEXT_SIZE] = "";

	(void)arg;
	if (finding == FINDING_LOSS)
		id_format(job, id);
	fprintf(stderr, "leat export: left out, for it is damaged: %s%s%s\n", id,
		finding == FINDING_LOSS ? ": " : "", text);
}

int command_export(int argc, char **argv)
{
	static const struct keep_command command = {
		.name = "leat export",
		.args_doc = "",
		.about =
			"Write everything that a data folder holds to standard output, as lines of "
			"JSON: jobs with definition, labels, state and counts, what has no outcome "
			"yet, results, failures, keys, states of sources and sinks."
			"\v"
			"No server may use the folder; of a running one export a backup. Exit 1 when "
			"something was damaged and left out, which is named on standard error.\n\n"
			"Examples:\n"
			"  leat export --data /var/lib/leat | zstd >leat.ndjson.zst\n"
			"  leat export | jq -c 'select(.kind == \"job\") | {job, state, counts}'",
		.rows = rows,
	};
	struct keeping_sums sums;
	struct keep keep;
	struct error err;
	int code = keep_begin(&command, argc, argv, &keep);

	if (code >= 0)
		return code;
	if (keeping_export(keep.data, stdout, tell, NULL, &sums, &err) < 0)
		return command_fail(command.name, &err, EXIT_FAILED);
	return sums.troubles + sums.damaged + sums.losses == 0 ? EXIT_OK : EXIT_FAILED;
}

static FILE *open_input(const char *path, struct error *err)
{
	FILE *file;

	if (path == NULL || strcmp(path, "-") == 0)
		return stdin;
	file = fopen(path, "re");
	if (file == NULL)
		error_set(err, ERR_BAD_REQUEST, "%s: %s", path, strerror(errno));
	return file;
}

int command_import(int argc, char **argv)
{
	static const struct keep_command command = {
		.name = "leat import",
		.args_doc = "[FILE]",
		.about =
			"Take what leat export wrote, from FILE or standard input, into a data folder "
			"that no server is using; it is made if it is not there."
			"\v"
			"Jobs keep their ids and go on where they stood. A job that the folder has "
			"already is refused, and then nothing is imported; so is an export that is "
			"cut off or changed. Interrupted in the middle it leaves no job behind.\n\n"
			"Examples:\n"
			"  zstdcat leat.ndjson.zst | leat import --data /var/lib/leat\n"
			"  leat import --data ./copy leat.ndjson",
		.rows = rows,
		.word_name = "FILE",
	};
	uint64_t jobs = 0;
	struct keep keep;
	struct error err;
	FILE *from;
	int code = keep_begin(&command, argc, argv, &keep);

	if (code >= 0)
		return code;
	from = open_input(keep.word, &err);
	if (from == NULL)
		return command_fail(command.name, &err, EXIT_USAGE);
	code = keeping_import(keep.data, from, &jobs, &err) == 0 ? EXIT_OK : EXIT_FAILED;
	if (from != stdin)
		fclose(from);
	if (code != EXIT_OK)
		return command_fail(
			command.name, &err, err.code == ERR_BAD_REQUEST ? EXIT_USAGE : code);
	printf("%" PRIu64 " jobs\n", jobs);
	return code;
}
