#include "isolate/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/role.h"

#define FIRST_FD 3

struct request {
	struct list link;
	const char *program;
	char *const *argv;
	const int *fds;
	pid_t pid;
	int result; /* errno value; -1: not yet */
};

/* ---- on the thread ---- */

static int add_files(posix_spawn_file_actions_t *actions, const int *fds)
{
	int err = posix_spawn_file_actions_addopen(
		actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	if (err == 0)
		err = posix_spawn_file_actions_adddup2(actions, STDERR_FILENO, STDOUT_FILENO);
	for (int i = 0; err == 0 && i < SPAWN_FDS; i++)
		err = posix_spawn_file_actions_adddup2(actions, fds[i], FIRST_FD + i);
	return err;
}

/* Signals as a new program finds them: this thread has them all blocked. */
static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int err;

	sigemptyset(&none);
	sigfillset(&all);
	err = posix_spawnattr_setflags(attributes,
		POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (err == 0)
		err = posix_spawnattr_setsigmask(attributes, &none);
	if (err == 0)
		err = posix_spawnattr_setsigdefault(attributes, &all);
	return err == 0 ? posix_spawnattr_setpgroup(attributes, 0) : err;
}

static int run_program(struct request *request)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int err = posix_spawn_file_actions_init(&actions);

	if (err != 0)
		return err;
	err = posix_spawnattr_init(&attributes);
	if (err == 0) {
		err = add_files(&actions, request->fds);
		if (err == 0)
			err = set_attributes(&attributes);
		if (err == 0)
			err = posix_spawn(&request->pid, request->program, &actions,
				&attributes, request->argv, environ);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

static void *spawner_main(void *arg)
{
	struct spawner *spawner = arg;

	role_enter(ROLE_SPAWNER);
	pthread_mutex_lock(&spawner->lock);
	for (;;) {
		struct request *request;
		int result;

		while (list_empty(&spawner->requests) && !spawner->stopping)
			pthread_cond_wait(&spawner->asked, &spawner->lock);
		if (list_empty(&spawner->requests))
			break;
		request = LIST_ENTRY(spawner->requests.next, struct request, link);
		list_remove(&request->link);
		pthread_mutex_unlock(&spawner->lock);
		result = run_program(request);
		pthread_mutex_lock(&spawner->lock);
		request->result = result;
		pthread_cond_broadcast(&spawner->answered);
	}
	pthread_mutex_unlock(&spawner->lock);
	return NULL;
}

/* ---- asking it ---- */

void spawner_init(struct spawner *spawner)
{
	*spawner = (struct spawner){ 0 };
	pthread_mutex_init(&spawner->lock, NULL);
	pthread_cond_init(&spawner->asked, NULL);
	pthread_cond_init(&spawner->answered, NULL);
	list_init(&spawner->requests);
}

void spawner_done(struct spawner *spawner)
{
	pthread_mutex_lock(&spawner->lock);
	spawner->stopping = true;
	pthread_cond_signal(&spawner->asked);
	pthread_mutex_unlock(&spawner->lock);
	if (spawner->started)
		pthread_join(spawner->thread, NULL);
	pthread_cond_destroy(&spawner->answered);
	pthread_cond_destroy(&spawner->asked);
	pthread_mutex_destroy(&spawner->lock);
}

/* Lock held. */
static int start_thread(struct spawner *spawner)
{
	int err = spawner->started ? 0
				   : role_start_thread(&spawner->thread, spawner_main, spawner);

	spawner->started |= err == 0;
	return err;
}

int spawner_spawn(struct spawner *spawner, const char *program, char *const argv[],
	const int fds[static SPAWN_FDS], pid_t *ret_pid, struct error *err)
{
	struct request request = {
		.program = program, .argv = argv, .fds = fds, .pid = -1, .result = -1
	};

	pthread_mutex_lock(&spawner->lock);
	request.result = start_thread(spawner);
	if (request.result == 0) {
		request.result = -1;
		list_append(&spawner->requests, &request.link);
		pthread_cond_signal(&spawner->asked);
		while (request.result < 0)
			pthread_cond_wait(&spawner->answered, &spawner->lock);
	}
	pthread_mutex_unlock(&spawner->lock);
	if (request.result != 0)
		return error_set(err,
			error_is_shortage(request.result) ? ERR_BUSY : ERR_INTERNAL,
			"a process for the stage cannot be started: %s",
			strerror(request.result));
	*ret_pid = request.pid;
	return 0;
}
