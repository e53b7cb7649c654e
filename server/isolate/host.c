#include "isolate/host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "job/text.h"

#define FD_LOW 16 /* above those that the process is given */

void host_init(struct host *host)
{
	*host = (struct host){
		.share = { .order_fd = -1, .report_fd = -1 }, .socket = -1, .stir = -1
	};
}

/* ---- starting ---- */

static int raise_fd(int *fd)
{
	int high = fcntl(*fd, F_DUPFD_CLOEXEC, FD_LOW);

	close(*fd);
	*fd = high;
	return high < 0 ? -1 : 0;
}

static int make_sockets(int *ret_ours, int *ret_theirs)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	if (raise_fd(&pair[1]) < 0) {
		close(pair[0]);
		return -1;
	}
	*ret_ours = pair[0];
	*ret_theirs = pair[1];
	return 0;
}

static int fail(struct error *err, const char *what)
{
	return error_set(err, error_is_shortage(errno) ? ERR_BUSY : ERR_INTERNAL,
		"a process for the stage cannot be started: %s: %s", what, strerror(errno));
}

/* Its end of everything is ours only until it has it. */
static int spawn(struct host *host, struct spawner *spawner, const char *program,
	const char *name, struct error *err)
{
	const char *argv[] = { "leat", "stage-host", name, NULL };
	int fds[SPAWN_FDS] = { -1, -1, host->share.report_fd };
	int result = -1;

	if (make_sockets(&host->socket, &fds[0]) < 0)
		return fail(err, "socketpair");
	fds[1] = share_order_readonly(&host->share);
	if (fds[1] < 0) {
		fail(err, "/proc/self/fd");
	} else {
		result = spawner_spawn(
			spawner, program, (char *const *)argv, fds, &host->pid, err);
		close(fds[1]);
	}
	close(fds[0]);
	return result;
}

int host_start(struct host *host, struct spawner *spawner, const char *program,
	const char *name, uint64_t item_max, uint64_t output_max, struct error *err)
{
	if (share_init(&host->share, item_max, output_max, err) < 0)
		return -1;
	host->stir = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (host->stir >= 0 && spawn(host, spawner, program, name, err) == 0)
		return 0;
	if (host->stir < 0)
		fail(err, "eventfd");
	host_end(host);
	return -1;
}

/* ---- talking ---- */

int host_tell(struct host *host, enum host_word word)
{
	char byte = (char)word;
	ssize_t sent;

	/* One word is under way at a time, so there is room for it; a process that reads none
	 * is noticed by its deadline. */
	do
		sent = send(host->socket, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	return sent == 1 || errno == EAGAIN ? 0 : -1;
}

/* 0: nothing there. */
static int receive(struct host *host)
{
	char message[HOST_TEXT_MAX + 1];
	ssize_t len = recv(host->socket, message, sizeof(message), MSG_DONTWAIT);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (len <= 0)
		return HOST_DIED;
	if (len > 1) {
		memcpy(host->text, message + 1, (size_t)len - 1);
		host->text[len - 1] = '\0';
		text_clean(host->text);
	} else {
		host->text[0] = '\0';
	}
	switch (message[0]) {
	case HOST_OPENED:
	case HOST_REFUSED:
	case HOST_DONE:
	case HOST_LOG:
	case HOST_COUNT:
		return message[0];
	default:
		return HOST_NONSENSE;
	}
}

bool host_is_quiet(struct host *host)
{
	int word;

	do
		word = receive(host);
	while (word == HOST_LOG);
	return word == 0;
}

static int wait_ms(uint64_t until_ns)
{
	uint64_t now_ns;

	if (until_ns == 0)
		return -1;
	now_ns = clock_mono_ns();
	if (until_ns <= now_ns)
		return 0;
	return (int)MIN((until_ns - now_ns) / NS_PER_MS + 1, (uint64_t)INT32_MAX);
}

enum host_word host_wait(struct host *host, uint64_t until_ns)
{
	struct pollfd fds[] = { { .fd = host->socket, .events = POLLIN },
		{ .fd = host->stir, .events = POLLIN } };
	uint64_t count;
	int word;

	for (;;) {
		/* It may do nothing but talk: the time runs all the same. */
		if (until_ns != 0 && clock_mono_ns() >= until_ns)
			return HOST_LATE;
		if (poll(fds, ARRAY_SIZE(fds), wait_ms(until_ns)) <= 0)
			continue;
		if (fds[1].revents != 0 && read(host->stir, &count, sizeof(count)) > 0)
			return HOST_STIRRED;
		word = receive(host);
		if (word != 0)
			return (enum host_word)word;
	}
}

void host_stir(struct host *host)
{
	uint64_t one = 1;
	ssize_t written = write(host->stir, &one, sizeof(one));

	(void)written; /* it can only be stirred already */
}

/* ---- the end ---- */

int host_kill(struct host *host)
{
	if (!host_is_running(host))
		return host->status;
	/* Where it is dead already this changes nothing, also not what it died of. */
	kill(host->pid, SIGKILL);
	while (waitpid(host->pid, &host->status, 0) < 0 && errno == EINTR)
		;
	host->dead = true;
	return host->status;
}

int host_end(struct host *host)
{
	int status = host_kill(host);

	if (host->socket >= 0)
		close(host->socket);
	if (host->stir >= 0)
		close(host->stir);
	share_done(&host->share);
	host_init(host);
	return status;
}

void host_describe_end(int status, char *ret, size_t size)
{
	const char *name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;

	if (name != NULL)
		snprintf(ret, size, "%s (SIG%s)",
			WTERMSIG(status) == SIGKILL ? "was killed" : "died", name);
	else if (WIFSIGNALED(status))
		snprintf(ret, size, "died (signal %d)", WTERMSIG(status));
	else
		snprintf(ret, size, "ended its process (exit code %d)", WEXITSTATUS(status));
}
