#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper_bytes.h"

#define START_MS   20000 /* to compile takes 20 ms of CPU time, on a machine that has some */
#define HEAR_BYTES ((size_t)64 << 10)

/* ---- the helper's program ---- */

static pthread_mutex_t helper_lock = PTHREAD_MUTEX_INITIALIZER;
static int helper_fd = -1, helper_errno;

static void make_helper(void)
{
	size_t at = 0;
	ssize_t len;
	int fd = memfd_create("leat-jq", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	while (fd >= 0 && at < sizeof(helper_bytes)) {
		len = write(fd, helper_bytes + at, sizeof(helper_bytes) - at);
		if (len < 0 && errno != EINTR)
			break;
		at += len > 0 ? (size_t)len : 0;
	}
	helper_errno = errno;
	if (fd >= 0 && at < sizeof(helper_bytes)) {
		close(fd);
		return;
	}
	if (fd >= 0)
		fcntl(fd, F_ADD_SEALS,
			F_SEAL_SEAL | F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK);
	helper_fd = fd;
}

/* Made once; where that failed for want of something, the next one tries again. 0, or why. */
static int need_helper(void)
{
	int error;

	pthread_mutex_lock(&helper_lock);
	if (helper_fd < 0)
		make_helper();
	error = helper_fd < 0 ? helper_errno : 0;
	pthread_mutex_unlock(&helper_lock);
	return error;
}

/* Without our environment, signals, or anything open but its socket. */
static int spawn(const struct jq_pool *pool, int socket, pid_t *ret)
{
	char path[40], time_ms[24], memory[24], name[] = "leat-jq";
	char *argv[] = { name, time_ms, memory, NULL }, *env[] = { NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t all, none;
	int error;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", helper_fd);
	snprintf(time_ms, sizeof(time_ms), "%lld", (long long)pool->time_ms);
	snprintf(memory, sizeof(memory), "%lld", (long long)pool->memory_bytes);
	sigfillset(&all);
	sigemptyset(&none);
	error = posix_spawn_file_actions_init(&files);
	if (error != 0)
		return error;
	error = posix_spawnattr_init(&attr);
	if (error == 0) {
		posix_spawnattr_setsigdefault(&attr, &all);
		posix_spawnattr_setsigmask(&attr, &none);
		posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
		error = posix_spawn_file_actions_adddup2(&files, socket, 0);
		if (error == 0)
			error = posix_spawn_file_actions_addopen(
				&files, 1, "/dev/null", O_WRONLY, 0);
		if (error == 0)
			error = posix_spawn_file_actions_adddup2(&files, 1, 2);
		if (error == 0)
			error = posix_spawn(ret, path, &files, &attr, argv, env);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&files);
	return error;
}

/* ---- one child ---- */

int jq_child_end(struct jq_child *child)
{
	int status = 0;

	close(child->fd);
	kill(child->pid, SIGKILL);
	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		;
	free(child->in);
	free(child);
	return status;
}

bool jq_child_message(struct jq_child *child, struct jq_head *ret, const char **ret_text)
{
	if (child->len - child->at < sizeof(*ret))
		return false;
	memcpy(ret, child->in + child->at, sizeof(*ret));
	if (child->len - child->at < sizeof(*ret) + ret->len)
		return false;
	*ret_text = child->in + child->at + sizeof(*ret);
	child->at += sizeof(*ret) + ret->len;
	return true;
}

static bool make_room(struct jq_child *child)
{
	size_t size = child->capacity;
	char *in;

	if (child->at > 0) {
		memmove(child->in, child->in + child->at, child->len - child->at);
		child->len -= child->at;
		child->at = 0;
	}
	if (size - child->len >= HEAR_BYTES)
		return true;
	size = child->len + HEAR_BYTES + child->len / 2;
	in = realloc(child->in, size);
	if (in == NULL)
		return false;
	child->in = in;
	child->capacity = size;
	return true;
}

int jq_child_hear(struct jq_child *child)
{
	ssize_t len;

	if (!make_room(child))
		return -2;
	do
		len = recv(child->fd, child->in + child->len, child->capacity - child->len,
			MSG_DONTWAIT);
	while (len < 0 && errno == EINTR);
	if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (len <= 0)
		return -1;
	child->len += (size_t)len;
	return 1;
}

/* ---- a new one ---- */

static bool tell(int fd, enum jq_kind kind, const char *text)
{
	const struct jq_head head = { (uint32_t)strlen(text), kind };
	size_t at = 0;
	ssize_t len;

	if (send(fd, &head, sizeof(head), MSG_NOSIGNAL | MSG_MORE) != (ssize_t)sizeof(head))
		return false;
	while (at < head.len) {
		len = send(fd, text + at, head.len - at, MSG_NOSIGNAL);
		if (len < 0 && errno != EINTR)
			return false;
		at += len > 0 ? (size_t)len : 0;
	}
	return true;
}

/* One line of what the compiler says, without the words that stand in all of it. */
static void tidy(char *to, const char *text, size_t len)
{
	static const char *const noise[] = { "jq: error: ", "jq: 1 compile error",
		" (Unix shell quoting issues?)" };
	size_t at = 0;

	for (size_t i = 0; i < len && at + 1 < JQ_WHY_SIZE; i++) {
		for (size_t n = 0; n < sizeof(noise) / sizeof(noise[0]); n++)
			if (len - i >= strlen(noise[n]) &&
				memcmp(text + i, noise[n], strlen(noise[n])) == 0)
				i += strlen(noise[n]);
		if (i >= len)
			break;
		if (text[i] != '\n' && text[i] != ' ')
			to[at++] = text[i];
		else if (at > 0 && to[at - 1] != ' ')
			to[at++] = ' ';
	}
	while (at > 0 && to[at - 1] == ' ')
		at--;
	to[at] = '\0';
}

static enum jq_start say_dead(struct jq_child *child, char why[JQ_WHY_SIZE])
{
	int status = jq_child_end(child);

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF) {
		snprintf(
			why, JQ_WHY_SIZE, "it takes more than %d ms to compile", JQ_COMPILE_MS);
		return JQ_NO_PROGRAM;
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
		snprintf(why, JQ_WHY_SIZE, "jq crashes when it compiles this (signal %d)",
			WTERMSIG(status));
		return JQ_NO_PROGRAM;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == JQ_NOMEM) {
		snprintf(why, JQ_WHY_SIZE, "it takes more than memory_mb to compile");
		return JQ_NO_PROGRAM;
	}
	snprintf(why, JQ_WHY_SIZE, "jq's process cannot start: it ended with %s %d",
		WIFEXITED(status) ? "status" : "signal",
		WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return JQ_NOT_STARTED;
}

/* Wait until it has compiled the program. */
static enum jq_start await(struct jq_child *child, char why[JQ_WHY_SIZE])
{
	struct pollfd fd = { .fd = child->fd, .events = POLLIN };
	struct jq_head head;
	const char *text;
	int ready;

	while (!jq_child_message(child, &head, &text)) {
		do
			ready = poll(&fd, 1, START_MS);
		while (ready < 0 && errno == EINTR);
		if (ready <= 0 || jq_child_hear(child) < 0)
			return say_dead(child, why);
	}
	if (head.kind == JQ_COMPILED)
		return JQ_STARTED;
	tidy(why, text, head.len);
	jq_child_end(child);
	return JQ_NO_PROGRAM;
}

static enum jq_start not_made(int error, char why[JQ_WHY_SIZE])
{
	if (error == EPERM) /* by the filter of an isolated stage */
		snprintf(why, JQ_WHY_SIZE,
			"jq has processes of its own, which an isolated stage may not make: leave "
			"out \"isolation\"");
	else
		snprintf(why, JQ_WHY_SIZE, "jq's process cannot be made: %s", strerror(error));
	return error == EMFILE || error == ENFILE || error == EAGAIN || error == ENOMEM ||
			       error == ENOBUFS
		       ? JQ_SHORT
		       : JQ_NOT_STARTED;
}

static enum jq_start start(
	const struct jq_pool *pool, struct jq_child **ret, char why[JQ_WHY_SIZE])
{
	struct jq_child *child;
	int fds[2], error;

	error = need_helper();
	if (error != 0)
		return not_made(error, why);
	child = calloc(1, sizeof(*child));
	if (child == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		error = errno;
		free(child);
		return not_made(error, why);
	}
	error = spawn(pool, fds[1], &child->pid);
	close(fds[1]);
	if (error != 0) {
		close(fds[0]);
		free(child);
		return not_made(error, why);
	}
	child->fd = fds[0];
	child->fresh = true;
	/* If it does not listen it has ended, and await() says how. */
	if (tell(child->fd, JQ_PROGRAM, pool->program))
		tell(child->fd, JQ_ARGS, pool->args);
	*ret = child;
	return await(child, why);
}

/* ---- the pool ---- */

void jq_pool_init(struct jq_pool *pool)
{
	pthread_mutex_init(&pool->lock, NULL);
	pool->idle = NULL;
}

void jq_pool_done(struct jq_pool *pool)
{
	struct jq_child *next;

	for (struct jq_child *child = pool->idle; child != NULL; child = next) {
		next = child->next;
		jq_child_end(child);
	}
	pool->idle = NULL;
	pthread_mutex_destroy(&pool->lock);
}

static struct jq_child *pop(struct jq_pool *pool)
{
	struct jq_child *child;

	pthread_mutex_lock(&pool->lock);
	child = pool->idle;
	if (child != NULL)
		pool->idle = child->next;
	pthread_mutex_unlock(&pool->lock);
	return child;
}

enum jq_start jq_pool_take(
	struct jq_pool *pool, bool fresh, struct jq_child **ret, char why[JQ_WHY_SIZE])
{
	struct jq_child *child;

	while (!fresh && (child = pop(pool)) != NULL) {
		if (jq_child_hear(child) == 0) {
			*ret = child;
			return JQ_STARTED;
		}
		jq_child_end(child); /* nobody wanted it, so it has gone */
	}
	return start(pool, ret, why);
}

void jq_pool_give(struct jq_pool *pool, struct jq_child *child)
{
	/* What an item of a great size has left. */
	if (child->capacity > 4 * HEAR_BYTES && child->len == child->at) {
		free(child->in);
		child->in = NULL;
		child->at = child->len = child->capacity = 0;
	}
	child->fresh = false;
	pthread_mutex_lock(&pool->lock);
	child->next = pool->idle;
	pool->idle = child;
	pthread_mutex_unlock(&pool->lock);
}
