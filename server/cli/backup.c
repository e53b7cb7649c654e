/* backup, compact: LMDB's own copy of a data folder, to another place or to the same. */
#include <inttypes.h>
#include <stdio.h>

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

int command_backup(int argc, char **argv)
{
	static const struct keep_command command = {
		.name = "leat backup",
		.args_doc = "DIR",
		.about =
			"Copy the ledger of a data folder to DIR, also while a server uses it: "
			"everything that was acknowledged when the copy began is in it."
			"\v"
			"The copy is read back and checked before it gets its name; DIR is then a "
			"data folder like any other. What it needs is what is in use, without the "
			"room between. While it is made the server's file cannot use freed pages "
			"again, and grows.\n\n"
			"Examples:\n"
			"  leat backup --data /var/lib/leat /backup/leat-monday\n"
			"  leat serve --data /backup/leat-monday",
		.rows = rows,
		.word_name = "DIR",
		.word_needed = true,
	};
	struct keeping_sums sums;
	struct keep keep;
	struct error err;
	int code = keep_begin(&command, argc, argv, &keep);

	if (code >= 0)
		return code;
	if (keeping_backup(keep.data, keep.word, &sums, &err) < 0)
		return command_fail(command.name, &err, EXIT_FAILED);
	printf("%s: %" PRIu64 " jobs, %" PRIu64 " KiB\n", keep.word, sums.jobs,
		sums.file_bytes >> 10);
	if (sums.damaged + sums.losses > 0)
		fprintf(stderr,
			"leat backup: the ledger has %" PRIu64
			" damaged values, and so has the copy: 'leat fsck --data %s' names them\n",
			sums.damaged, keep.word);
	return EXIT_OK;
}

int command_compact(int argc, char **argv)
{
	static const struct keep_command command = {
		.name = "leat compact",
		.args_doc = "",
		.about =
			"Write the ledger of a data folder anew, without the room between, so that "
			"the disk gets back what deleted jobs leave. No server may use it."
			"\v"
			"The new file takes the place of the old one once all of it is on disk and "
			"checked; until then, and where it is interrupted, nothing has changed. It "
			"needs as much room again as is in use.\n\n"
			"Examples:\n"
			"  leat compact --data /var/lib/leat",
		.rows = rows,
	};
	uint64_t before, after;
	struct keep keep;
	struct error err;
	int code = keep_begin(&command, argc, argv, &keep);

	if (code >= 0)
		return code;
	if (keeping_compact(keep.data, &before, &after, &err) < 0)
		return command_fail(command.name, &err, EXIT_FAILED);
	printf("%" PRIu64 " KiB, and %" PRIu64 " KiB before\n", after >> 10, before >> 10);
	return EXIT_OK;
}
