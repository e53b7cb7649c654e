/*
 * exec: a program in any language as a stage.
 *
 * A template: each file of stages.d that is no stage's makes a stage of it (program.h).
 * Requests can only use it by its name, with the parameters that the file declares.
 */
#include <stdlib.h>
#include <string.h>

#include "child.h"

static const struct stage_param exec_config[] = {
	{ "argv", STAGE_JSON, .required = 1, .doc = "the program and its arguments",
		.offset = offsetof(struct program, argv_text) },
	{ "protocol", STAGE_STRING, .def = "plain", .choices = "plain|framed",
		.doc = "plain: a line in, a line out; framed: objects that say which item",
		.offset = offsetof(struct program, protocol) },
	{ "env", STAGE_JSON, .doc = "environment variables: names and texts",
		.offset = offsetof(struct program, env_text) },
	{ "cwd", STAGE_STRING, .doc = "the folder that it is started in",
		.offset = offsetof(struct program, cwd) },
	{ "user", STAGE_STRING, .doc = "the user that it runs as; for a server of root's",
		.offset = offsetof(struct program, user) },
	{ "limits", STAGE_JSON,
		.doc = "memory_bytes (what it may write to), cpu_seconds, files (open at once)",
		.offset = offsetof(struct program, limits_text) },
	{ "idle_ms", STAGE_INT, .def = "60000", .min = 0, .max = 86400000,
		.doc = "how long a child without work is kept",
		.offset = offsetof(struct program, idle_ms) },
	{ "kill_ms", STAGE_INT, .def = "2000", .min = 1, .max = 600000,
		.doc = "from SIGTERM to SIGKILL", .offset = offsetof(struct program, kill_ms) },
	{ "window_max", STAGE_INT, .def = "256", .min = 1, .max = 10000,
		.doc = "most items that a child is given ahead",
		.offset = offsetof(struct program, window_max) },
	{ "children_max", STAGE_INT, .def = "64", .min = 1, .max = 10000,
		.doc = "most children of it at once, over all jobs",
		.offset = offsetof(struct program, children_max) },
	{ "line_max", STAGE_INT, .def = "16777216", .min = 1024, .max = 1073741824,
		.doc = "longest line that it may write, in bytes",
		.offset = offsetof(struct program, line_max) },
	{ 0 },
};

static enum stage_result exec_configure(void *config, struct stage_ctx *ctx)
{
	return program_configure(config, ctx);
}

static void exec_unconfigure(void *config, struct stage_ctx *ctx)
{
	program_done(config);
}

static void exec_loop_end(void *config, struct stage_ctx *ctx)
{
	program_end(config);
}

static enum stage_result exec_open(void *instance, struct stage_ctx *ctx)
{
	struct exec *exec = instance;

	exec->use = stage_use(ctx);
	exec->params = stage_params(ctx, &exec->params_len);
	if (exec->params == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "out of memory");
	exec->window = 1;
	TAILQ_INIT(&exec->pending);
	TAILQ_INIT(&exec->children);
	return STAGE_OK;
}

/* Items come in the order of the queue: behind those that wait. */
static enum stage_result take(
	struct exec *exec, struct stage_ctx *ctx, unsigned items, bool batch)
{
	/* The engine's view of it is const for everybody else; children are this stage's own.
	 */
	struct program *program = (struct program *)stage_config(ctx);
	struct task *task = malloc(sizeof(*task));

	if (task == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "out of memory");
	*task = (struct task){ .exec = exec, .ctx = ctx, .left = items, .batch = batch };
	program_begin(program, ctx);
	exec->program = program;
	if (exec->told != exec->window) {
		exec->told = exec->window;
		stage_in_flight(ctx, exec->window);
	}
	stage_defer(ctx);
	TAILQ_INSERT_TAIL(&exec->pending, task, link);
	program_dispatch(program, exec);
	return STAGE_PENDING;
}

static enum stage_result exec_run(void *instance, struct stage_ctx *ctx)
{
	return take(instance, ctx, 1, false);
}

static enum stage_result exec_run_batch(void *instance, struct stage_ctx *ctx)
{
	return take(instance, ctx, (unsigned)stage_batch_count(ctx), true);
}

/* The end of an item that nobody waits for: what its child does with it is between those two.
 */
static void let_go(struct stage_ctx *ctx)
{
	stage_complete(ctx, stage_fail(ctx, STAGE_TRANSIENT, "nobody wants it any more"));
}

/* What waits of it; the task itself, whole. */
static struct task *forget_pending(struct exec *exec, const struct stage_ctx *ctx)
{
	struct task *task, *next, *whole = NULL;

	TAILQ_FOREACH_SAFE_(task, &exec->pending, link, next)
	{
		if (task->ctx != ctx)
			continue;
		TAILQ_REMOVE(&exec->pending, task, link);
		whole = task_forget(task);
	}
	return whole;
}

/* A task is in one place, the pieces of a batch may be in many. */
static void exec_cancel(void *instance, struct stage_ctx *ctx)
{
	struct exec *exec = instance;
	struct task *whole = forget_pending(exec, ctx), *found;
	struct child *child, *next;

	TAILQ_FOREACH_SAFE_(child, &exec->children, place, next)
	{
		found = child_forget(child, ctx);
		if (found != NULL)
			whole = found;
	}
	if (whole == NULL)
		return; /* it is complete already */
	free(whole);
	if (exec->waiting && TAILQ_EMPTY(&exec->pending)) {
		TAILQ_REMOVE(&exec->program->waiting, exec, link);
		exec->waiting = false;
	}
	let_go(ctx);
}

STAGE(.name = "exec", .version = "1.0.0", .summary = "A program of the operator's",
	.threads = STAGE_ASYNC, .instance_size = sizeof(struct exec), .open = exec_open,
	.run = exec_run, .run_batch = exec_run_batch, .cancel = exec_cancel,
	.config_size = sizeof(struct program), .config = exec_config,
	.configure = exec_configure, .unconfigure = exec_unconfigure, .loop_end = exec_loop_end,
	.flags = STAGE_TEMPLATE);
