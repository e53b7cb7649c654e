/*
 * leat stage-host: what the server starts for a worker of an isolated stage. Not for people:
 * the descriptors that it works with come from the server (isolate/host.h), and so does all
 * else.
 */
#include <stdio.h>

#include "cli/command.h"
#include "engine/hosted.h"

int command_stage_host(int argc, char **argv)
{
	if (!hosted_by_server()) {
		fprintf(stderr, "leat stage-host: 'leat serve' starts this, nobody else\n");
		return EXIT_USAGE;
	}
	return hosted_main();
}
