/* fsck: is a data folder whole? With --repair what can be read is saved into a new ledger. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/args.h"
#include "cli/command.h"
#include "cli/keep.h"
#include "ledger/keeping.h"

static const struct argp_option rows[] = {
	KEEP_DATA_ROW(1),
	{ "repair", KEEP_FLAG, NULL, 0,
		"save what can be read into a new ledger; the damaged file stays in the folder "
		"as damaged-TIME.mdb",
		1 },
	ARGS_HELP_ROW(2),
	ARGS_VERSION_ROW(2),
	{ 0 },
};

static void tell(void *arg, enum finding finding, const struct id *job, const char *text)
{
	char id[ID_TEXT_SIZE];

	(void)arg;
	if (finding == FINDING_LOSS) {
		id_format(job, id);
		printf("incomplete: job %s: %s\n", id, text);
	} else {
		printf("%s: %s\n", finding == FINDING_DAMAGE ? "damaged" : "broken", text);
	}
}

static void say_sums(const struct keeping_sums *sums)
{
	printf("format %" PRIu64 ", %" PRIu64 " KiB: %" PRIu64 " jobs, %" PRIu64
	       " input blocks, %" PRIu64 " result blocks, %" PRIu64 " failures, %" PRIu64
	       " keys\n",
		sums->format, sums->file_bytes >> 10, sums->jobs, sums->inputs, sums->results,
		sums->failures, sums->keys);
}

static bool is_whole(const struct keeping_sums *sums)
{
	return sums->troubles + sums->damaged + sums->losses == 0;
}

static int check(const struct keep *keep)
{
	struct keeping_sums sums;
	struct error err;

	if (keeping_check(keep->data, tell, NULL, &sums, &err) < 0)
		return command_fail("leat fsck", &err, EXIT_FAILED);
	say_sums(&sums);
	if (is_whole(&sums)) {
		printf("whole\n");
		return EXIT_OK;
	}
	printf("not whole: %" PRIu64 " broken, %" PRIu64 " damaged, %" PRIu64
	       " jobs incomplete; --repair saves what can be read\n",
		sums.troubles, sums.damaged, sums.losses);
	return EXIT_FAILED;
}

static int repair(const struct keep *keep)
{
	char aside[ASIDE_SIZE];
	struct keeping_sums sums;
	struct error err;

	if (keeping_repair(keep->data, tell, NULL, &sums, aside, &err) < 0)
		return command_fail("leat fsck", &err, EXIT_FAILED);
	say_sums(&sums);
	if (is_whole(&sums)) {
		printf("whole: there was nothing to repair\n");
		return EXIT_OK;
	}
	printf("repaired: what could be read is in a new ledger; the damaged one is %s/%s\n",
		keep->data, aside);
	return EXIT_OK;
}

int command_fsck(int argc, char **argv)
{
	static const struct keep_command command = {
		.name = "leat fsck",
		.args_doc = "",
		.about =
			"Check every byte of a data folder that no server is using: exit 0 when it "
			"is whole, 1 when something is damaged, which is named."
			"\v"
			"A value that is damaged costs only itself: the server serves the rest, and "
			"names it when it is asked for. A ledger that is 'broken' is not opened "
			"before it was repaired.\n\n"
			"Examples:\n"
			"  leat fsck --data /var/lib/leat\n"
			"  leat fsck --data /var/lib/leat --repair",
		.rows = rows,
	};
	struct keep keep;
	int code = keep_begin(&command, argc, argv, &keep);

	if (code >= 0)
		return code;
	code = keep.flag ? repair(&keep) : check(&keep);
	if (fflush(stdout) != 0)
		return EXIT_FAILED;
	return code;
}
