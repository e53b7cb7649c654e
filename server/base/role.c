#include "base/role.h"

#include <signal.h>

_Thread_local enum role role_current;

static const char *const names[] = {
	[ROLE_NONE] = "leat",
	[ROLE_LOOP] = "leat-loop",
	[ROLE_COMPUTE] = "leat-compute",
	[ROLE_BLOCKING] = "leat-block",
	[ROLE_COMMIT] = "leat-commit",
	[ROLE_READER] = "leat-reader",
	[ROLE_SPAWNER] = "leat-spawner",
};

void role_enter(enum role role)
{
	role_current = role;
	pthread_setname_np(pthread_self(), names[role]);
}

void role_block_signals(sigset_t *ret_before)
{
	sigset_t sent;

	sigfillset(&sent);
	sigdelset(&sent, SIGABRT);
	sigdelset(&sent, SIGBUS);
	sigdelset(&sent, SIGFPE);
	sigdelset(&sent, SIGILL);
	sigdelset(&sent, SIGSEGV);
	pthread_sigmask(SIG_SETMASK, &sent, ret_before);
}

int role_start_thread(pthread_t *ret, void *(*run)(void *arg), void *arg)
{
	sigset_t before;
	int err;

	/* Inherited: the new thread has no moment in which it would take one. */
	role_block_signals(&before);
	err = pthread_create(ret, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}
