#include "ledger/lmdb_guard.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

static struct sigaction before;
static pthread_once_t once = PTHREAD_ONCE_INIT;
/* Where this thread goes on; NULL: it is not prepared. */
static _Thread_local sigjmp_buf *volatile home;

static void on_bus(int number, siginfo_t *info, void *context)
{
	sigjmp_buf *to = home;

	/* One that was sent has no address, and is meant to end the process. */
	if (to != NULL && info->si_code > 0) {
		home = NULL;
		siglongjmp(*to, 1);
	}
	/* Back to what stood there before, and on to the same instruction. */
	sigaction(number, &before, NULL);
	if (info->si_code <= 0)
		raise(number);
}

static void init(void)
{
	/* Not blocked while it is handled: it is left by a jump. */
	struct sigaction action = { .sa_sigaction = on_bus,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK };

	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, &before);
}

void lmdb_guard_init(void)
{
	pthread_once(&once, init);
}

int lmdb_guarded(int (*read)(void *arg), void *arg)
{
	sigjmp_buf here;
	int code;

	if (sigsetjmp(here, 0) != 0)
		return LMDB_UNREADABLE;
	home = &here;
	code = read(arg);
	home = NULL;
	return code;
}
