/* A child's process and its pipes. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "child_parts.h"

#define LOG_BURST 20u /* lines of stderr at once, */

static struct child *child_new(struct program *program, const struct exec *exec)
{
	struct child *child = calloc(1, sizeof(*child));

	if (child == NULL)
		return NULL;
	child->key = strdup(exec->params);
	child->use = strdup(exec->use);
	if (child->key == NULL || child->use == NULL) {
		free(child->key);
		free(child->use);
		free(child);
		return NULL;
	}
	child->program = program;
	window_init(&child->window, (unsigned)program->window_max, !program->framed);
	child->log_left = LOG_BURST;
	child->log_ms = uv_now(program->loop);
	return child;
}

static void init_handles(struct child *child, uv_loop_t *loop)
{
	uv_pipe_init(loop, &child->in, 0);
	uv_pipe_init(loop, &child->out, 0);
	uv_pipe_init(loop, &child->err, 0);
	uv_timer_init(loop, &child->timer);
	child->in.data = child->out.data = child->err.data = child->timer.data = child;
	child->process.data = child;
	child->handles = 4;
}

/* The program's, and what is this child's. */
static char **make_env(const struct program *program, const struct child *child)
{
	size_t count = 0;
	char **env;

	while (program->env[count] != NULL)
		count++;
	env = calloc(count + 3, sizeof(*env));
	if (env == NULL)
		return NULL;
	memcpy(env, program->env, count * sizeof(*env));
	env[count] = malloc(strlen(child->use) + 20);
	env[count + 1] = malloc(strlen(child->key) + 20);
	if (env[count] != NULL && env[count + 1] != NULL) {
		sprintf(env[count], "LEAT_STAGE=%s", child->use);
		sprintf(env[count + 1], "LEAT_PARAMS=%s", child->key);
		return env;
	}
	free(env[count]);
	free(env[count + 1]);
	free(env);
	return NULL;
}

static void free_env(const struct program *program, char **env)
{
	size_t count = 0;

	while (program->env[count] != NULL)
		count++;
	free(env[count]);
	free(env[count + 1]);
	free(env);
}

/* Both ends; the handle takes ours. */
static int open_pipe(uv_pipe_t *ours, bool we_write, int *ret_theirs)
{
	int ends[2];
	int failed =
		uv_pipe(ends, we_write ? 0 : UV_NONBLOCK_PIPE, we_write ? UV_NONBLOCK_PIPE : 0);

	if (failed != 0)
		return failed;
	failed = uv_pipe_open(ours, ends[we_write]);
	if (failed != 0) {
		close(ends[0]);
		close(ends[1]);
		return failed;
	}
	*ret_theirs = ends[!we_write];
	return 0;
}

/* Real ones, not the pairs of sockets that libuv would make: no script can open those again, as
 * in `echo … >/dev/stderr`. */
static int open_pipes(struct child *child, int theirs[3])
{
	int failed = open_pipe(&child->in, true, &theirs[0]);

	if (failed == 0)
		failed = open_pipe(&child->out, false, &theirs[1]);
	return failed == 0 ? open_pipe(&child->err, false, &theirs[2]) : failed;
}

static int spawn_with(struct program *program, struct child *child, char **env)
{
	int theirs[3] = { -1, -1, -1 }, failed = open_pipes(child, theirs);
	uv_stdio_container_t pipes[3];
	uv_process_options_t options = {
		.file = "/proc/self/exe", /* this program, also where its file was replaced */
		.args = program->argv,
		.env = env,
		.exit_cb = child_exited,
		.stdio_count = 3,
		.stdio = pipes,
		.flags = UV_PROCESS_DETACHED, /* a session, and so a group, of its own */
	};

	for (int at = 0; at < 3; at++) {
		pipes[at].flags = UV_INHERIT_FD;
		pipes[at].data.fd = theirs[at];
	}
	if (failed == 0) {
		child->is_process = true; /* also where it fails: it is a handle from now on */
		child->handles++;
		failed = uv_spawn(program->loop, &child->process, &options);
	}
	for (int at = 0; at < 3; at++)
		if (theirs[at] >= 0)
			close(theirs[at]);
	return failed;
}

static int spawn(struct program *program, struct child *child)
{
	char **env = make_env(program, child);
	int failed;

	if (env == NULL)
		return UV_ENOMEM;
	failed = spawn_with(program, child, env);
	free_env(program, env);
	return failed;
}

/* Of the system, and just now: no item fails for it, they wait. */
static bool is_shortage(int failed)
{
	return failed == UV_EMFILE || failed == UV_ENFILE || failed == UV_EAGAIN ||
	       failed == UV_ENOMEM || failed == UV_ENOBUFS;
}

int child_start(struct program *program, const struct exec *exec, struct child **ret)
{
	struct child *child = child_new(program, exec);
	char reason[REASON_SIZE];
	int failed;

	if (child == NULL) {
		program_note_death(program, "out of memory", true);
		return -1;
	}
	init_handles(child, program->loop);
	failed = spawn(program, child);
	if (is_shortage(failed)) {
		program_note_shortage(program);
		stage_count(program->meter, "child_not_started", 1);
		child_close_handles(child);
		return -1;
	}
	if (failed != 0) {
		snprintf(reason, sizeof(reason), "the program cannot be started: %s",
			uv_strerror(failed));
		program_note_death(program, reason, true);
		stage_count(program->meter, "child_not_started", 1);
		child_close_handles(child);
		return -1;
	}
	stage_count(program->meter, "child_started", 1);
	stage_level(program->meter, "children", 1);
	child->pid = child->process.pid;
	TAILQ_INSERT_TAIL(&program->children, child, link);
	program->child_count++;
	child_read(child);
	*ret = child;
	return 0;
}
