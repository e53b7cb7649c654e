/* puppet: a host process that does what its name says; test_host.c pulls the strings. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "isolate/confine.h"
#include "isolate/host.h"

static char hear(void)
{
	char word;

	return recv(HOST_FD_SOCKET, &word, 1, 0) == 1 ? word : 0;
}

static void say(const char *text)
{
	send(HOST_FD_SOCKET, text, strlen(text), MSG_NOSIGNAL);
}

/* Answers each word by itself, until there is none. */
static int echo(void)
{
	for (char word[2] = { hear() }; word[0] != 0; word[0] = hear())
		say("D");
	return 0;
}

static int die(void)
{
	signal(SIGSEGV, SIG_DFL);
	hear();
	raise(SIGSEGV);
	return 0;
}

static int leave(void)
{
	hear();
	return 7;
}

static int babble(void)
{
	for (int n = 0; n < 100; n++)
		say("L\x01line\xff");
	say("?");
	hear();
	return 0;
}

/* Neither reads nor ends. */
static int ignore(void)
{
	while (pause() < 0)
		;
	return 0;
}

/* Over everything it may write, after a look at what it may not. */
static int write_all(void)
{
	struct share share;
	struct error err;

	if (share_map(&share, HOST_FD_ORDER, HOST_FD_REPORT, &err) < 0)
		return 1;
	if (mprotect(share.order, 4096, PROT_READ | PROT_WRITE) == 0)
		return 2;
	if (ftruncate(HOST_FD_REPORT, 0) == 0 || ftruncate(HOST_FD_ORDER, 0) == 0)
		return 3;
	memset(share.report, 0xee, sizeof(*share.report));
	say("D");
	hear();
	return 0;
}

static void *thread(void *arg)
{
	return arg;
}

/* Its limits, and what the filter refuses. */
static int confined(void)
{
	struct error err;
	struct rlimit core;
	pthread_t id;
	pid_t pid;

	if (confine_to_parent(getppid()) < 0)
		return 2;
	confine_memory(256u << 20);
	if (getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max != 0)
		return 3;
	if (!confine_calls(&err)) {
		say("Lno filter");
		say("D");
		hear();
		return 0;
	}
	pid = fork();
	if (pid == 0)
		_exit(0);
	if (pid > 0 || errno != EPERM)
		return 4;
	if (execl("/bin/true", "true", NULL) == 0 || errno != EPERM)
		return 5;
	if (kill(getppid(), 0) == 0 || errno != EPERM || kill(getpid(), 0) < 0)
		return 6;
	if (pthread_create(&id, NULL, thread, NULL) != 0 || pthread_join(id, NULL) != 0)
		return 7;
	say("D");
	hear();
	return 0;
}

static const struct {
	const char *name;
	int (*act)(void);
} acts[] = {
	{ "echo", echo },
	{ "die", die },
	{ "leave", leave },
	{ "babble", babble },
	{ "ignore", ignore },
	{ "write_all", write_all },
	{ "confined", confined },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 3 && i < sizeof(acts) / sizeof(acts[0]); i++)
		if (strcmp(argv[2], acts[i].name) == 0)
			_exit(acts[i].act());
	_exit(99);
}
