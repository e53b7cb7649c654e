/*
 * leat stage-host: what the server starts for a worker of an isolated stage. Not for people:
 * the descriptors that it works with come from the server (isolate/host.h), and so does all
 * else.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "cli/command.h"
#include "engine/hosted.h"
#include "isolate/host.h"

int command_stage_host(int argc, char **argv)
{
	struct stat socket;

	if (fstat(HOST_FD_SOCKET, &socket) < 0 || !S_ISSOCK(socket.st_mode)) {
		fprintf(stderr, "leat stage-host: 'leat serve' starts this, nobody else\n");
		return EXIT_USAGE;
	}
	return hosted_main();
}
