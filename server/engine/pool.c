#include "engine/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/role.h"

static const char refused[] =
	"leat: cannot start the threads that read files for the server; the limit of processes or "
	"of memory may be too low\n";

static void on_abort(int number)
{
	ssize_t written = write(STDERR_FILENO, refused, sizeof(refused) - 1);

	_exit(written < 0 ? 2 : 1);
}

static void do_nothing(uv_work_t *work)
{
}

/* On a loop of its own; the pool is the process's. */
static int make(void)
{
	uv_loop_t loop;
	uv_work_t work;
	int failed = uv_loop_init(&loop);

	if (failed != 0)
		return failed;
	failed = uv_queue_work(&loop, &work, do_nothing, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	return failed;
}

int pool_start(struct error *err)
{
	static bool made;
	struct sigaction words = { .sa_handler = on_abort }, action_before;
	sigset_t before;
	int failed;

	if (made)
		return 0;
	role_block_signals(&before); /* as role_start_thread(): signals are the loop's */
	sigaction(SIGABRT, &words, &action_before);
	failed = make();
	sigaction(SIGABRT, &action_before, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	made = failed == 0;
	if (failed == 0)
		return 0;
	return error_set(err, ERR_NO_MEMORY, "cannot start the threads that read files: %s",
		uv_strerror(failed));
}
