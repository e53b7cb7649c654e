#include "cli/handed.h"

#include <stdlib.h>
#include <unistd.h>

#include "job/text.h"

static int read_count(unsigned max, unsigned *ret_count, struct error *err)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	unsigned long long count, owner;

	*ret_count = 0;
	if (pid == NULL || fds == NULL)
		return 0;
	if (!text_to_uint(pid, INT64_MAX, &owner))
		return error_set(
			err, ERR_BAD_REQUEST, "LISTEN_PID='%.40s' is no process id", pid);
	if ((pid_t)owner != getpid())
		return 0;
	if (!text_to_uint(fds, INT64_MAX, &count))
		return error_set(err, ERR_BAD_REQUEST,
			"LISTEN_FDS='%.40s' is no number of sockets", fds);
	if (count > max)
		return error_set(err, ERR_BAD_REQUEST,
			"LISTEN_FDS=%llu: at most %u sockets are listened on", count, max);
	*ret_count = (unsigned)count;
	return 0;
}

int handed_take(unsigned max, unsigned *ret_count, struct error *err)
{
	int result = read_count(max, ret_count, err);

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return result;
}
