/*
 * leat exec-child: what stands between fork and a program of the operator's (stages/exec).
 *
 *	leat exec-child --parent PID [--cwd DIR] [--user NAME]
 *		[--memory BYTES] [--cpu SECONDS] [--files N] -- PROGRAM…
 *
 * Sets what the program shall live with and becomes it. It dies with whoever started it, it
 * gains no rights by setuid files, and of the server's descriptors it has none. What cannot be
 * done is said in one line on stderr; the exit code is then 126, or 127 where the program is
 * not there.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/command.h"

#define EXIT_CANNOT    126
#define EXIT_NOT_THERE 127

static int cannot(const char *what, const char *name)
{
	int code = errno == ENOENT ? EXIT_NOT_THERE : EXIT_CANNOT;

	fprintf(stderr, "%s '%s': %s\n", what, name, strerror(errno));
	return code;
}

static int set_limit(int resource, const char *text)
{
	rlim_t most = strtoull(text, NULL, 10);
	struct rlimit limit = { most, most };

	return setrlimit(resource, &limit);
}

static int become(const char *name)
{
	const struct passwd *user;

	errno = 0;
	user = getpwnam(name);
	if (user == NULL && errno == 0)
		errno = EINVAL;
	if (user == NULL || initgroups(user->pw_name, user->pw_gid) < 0 ||
		setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0)
		return -1;
	return 0;
}

/* Takes one flag with its value; 0, or the exit code. */
static int take_flag(const char *flag, const char *value, pid_t *ret_parent)
{
	static const struct {
		const char *flag;
		int resource;
	} limits[] = { { "--memory", RLIMIT_DATA }, { "--cpu", RLIMIT_CPU },
		{ "--files", RLIMIT_NOFILE } };

	if (strcmp(flag, "--parent") == 0) {
		*ret_parent = (pid_t)strtol(value, NULL, 10);
		return 0;
	}
	if (strcmp(flag, "--cwd") == 0)
		return chdir(value) < 0 ? cannot("cannot work in the folder", value) : 0;
	if (strcmp(flag, "--user") == 0)
		return become(value) < 0 ? cannot("cannot become the user", value) : 0;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (strcmp(flag, limits[i].flag) == 0)
			return set_limit(limits[i].resource, value) < 0
				       ? cannot("cannot set the limit", flag)
				       : 0;
	errno = EINVAL;
	return cannot("there is no flag", flag);
}

/* Handlers end with the old program by themselves; what is ignored or blocked would stay. */
static void reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int command_exec_child(int argc, char **argv)
{
	pid_t parent = getppid();
	int at = 1, code;

	reset_signals();
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	close_range(3, ~0u, 0);
	for (; at + 1 < argc && strcmp(argv[at], "--") != 0; at += 2) {
		code = take_flag(argv[at], argv[at + 1], &parent);
		if (code != 0)
			return code;
	}
	if (at + 1 >= argc)
		return EXIT_CANNOT;
	/* Last: a change of user takes it back. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		return EXIT_CANNOT;
	execvp(argv[at + 1], argv + at + 1);
	return cannot("cannot start", argv[at + 1]);
}
