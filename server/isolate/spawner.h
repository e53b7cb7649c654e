/*
 * spawner: the thread that starts host processes.
 *
 * A host asks the kernel to be killed when its parent dies, and the kernel means the *thread*
 * that started it. Threads of blocking stages come and go; this one starts with the first
 * host and stays until the server is done with all of them.
 *
 * Thread: any; who asks waits until the process runs.
 */
#ifndef LEAT_ISOLATE_SPAWNER_H
#define LEAT_ISOLATE_SPAWNER_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/list.h"

#define SPAWN_FDS 3

struct spawner {
	pthread_mutex_t lock;
	pthread_cond_t asked, answered;
	struct list requests;
	pthread_t thread;
	bool started, stopping;
};

void spawner_init(struct spawner *spawner);
/* After the last host has ended. */
void spawner_done(struct spawner *spawner);

/*
 * Run `program` in a process group of its own: stdin is /dev/null, stdout is stderr, and
 * fds[0] to fds[2] are its descriptors 3 to 5. Nothing else is passed on. `argv` ends with
 * NULL.
 */
int spawner_spawn(struct spawner *spawner, const char *program, char *const argv[],
	const int fds[static SPAWN_FDS], pid_t *ret_pid, struct error *err);

#endif
