/*
 * role: which thread am I?
 *
 * Every thread of the server is given a role when it starts. Functions that belong to one
 * role say so in their first line with assert_on(). A thread that was never named (a test's
 * main thread) has ROLE_NONE and may stand in for any.
 */
#ifndef LEAT_BASE_ROLE_H
#define LEAT_BASE_ROLE_H

#include <assert.h>
#include <pthread.h>
#include <signal.h>

enum role {
	ROLE_NONE,
	ROLE_LOOP,     /* the libuv loop: HTTP, timers, job state */
	ROLE_COMPUTE,  /* runs stage code; one a core */
	ROLE_BLOCKING, /* runs one blocking stage's code */
	ROLE_COMMIT,   /* the only writer of the ledger */
	ROLE_READER,   /* libuv's pool: reads of the ledger for the loop */
	ROLE_SPAWNER,  /* starts the processes of isolated stages */
};

extern _Thread_local enum role role_current;

/* Name the calling thread, also for debuggers. */
void role_enter(enum role role);

/*
 * Start a thread that takes no signals: those of the process are the loop's, and none may
 * cut short (EINTR) a system call that a stage's code waits in. The thread calls
 * role_enter() itself. 0, or an errno value as of pthread_create().
 */
int role_start_thread(pthread_t *ret, void *(*run)(void *arg), void *arg);
/* What such a thread blocks: all but those that its own instructions raise, which end the
 * process where they are blocked. */
void role_block_signals(sigset_t *ret_before);

#define assert_on(role) assert(role_current == (role) || role_current == ROLE_NONE)

#endif
