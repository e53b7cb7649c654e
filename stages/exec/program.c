#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "child.h"

#define WORDS_MAX 1000
#define DEATHS_MAX                                                                 \
	3 /* in a row without an answer of anybody: it is the program, not an item \
	   */
#define OUR_ENV        "LEAT_"
#define SHORTAGE_MS    100
#define BACKOFF_MS     100
#define BACKOFF_SHIFTS 6 /* up to 6.4 s */

/* ---- the configuration ---- */

/* A vector of texts that ends with NULL. */
static int push(char ***texts, size_t *count, char *text)
{
	char **more = text == NULL ? NULL : realloc(*texts, (*count + 2) * sizeof(**texts));

	if (more == NULL) {
		free(text);
		return -1;
	}
	*texts = more;
	more[(*count)++] = text;
	more[*count] = NULL;
	return 0;
}

static char *number_text(yyjson_val *value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)yyjson_get_uint(value));
	return strdup(text);
}

static char *pid_text(void)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", (long)getpid());
	return strdup(text);
}

static char *assignment(const char *name, const char *value)
{
	size_t size = strlen(name) + strlen(value) + 2;
	char *text = malloc(size);

	if (text != NULL)
		snprintf(text, size, "%s=%s", name, value);
	return text;
}

static void free_texts(char **texts)
{
	for (size_t at = 0; texts != NULL && texts[at] != NULL; at++)
		free(texts[at]);
	free(texts);
}

static const char *const limit_names[] = { "memory_bytes", "cpu_seconds", "files" };
static const char *const limit_flags[] = { "--memory", "--cpu", "--files" };
#define LIMITS (sizeof(limit_names) / sizeof(limit_names[0]))

static int add_limits(struct program *program, yyjson_val *limits, size_t *count)
{
	int failed = 0;

	for (size_t at = 0; at < LIMITS; at++) {
		yyjson_val *limit = yyjson_obj_get(limits, limit_names[at]);

		if (limit == NULL)
			continue;
		failed |= push(&program->argv, count, strdup(limit_flags[at]));
		failed |= push(&program->argv, count, number_text(limit));
	}
	return failed;
}

/* leat exec-child [--cwd …] … -- the program and its words */
static int build_argv(struct program *program, yyjson_val *argv, yyjson_val *limits)
{
	size_t count = 0, at, max;
	yyjson_val *word;
	int failed = push(&program->argv, &count, strdup("leat"));

	failed |= push(&program->argv, &count, strdup("exec-child"));
	failed |= push(&program->argv, &count, strdup("--parent"));
	failed |= push(&program->argv, &count, pid_text());
	if (program->cwd != NULL) {
		failed |= push(&program->argv, &count, strdup("--cwd"));
		failed |= push(&program->argv, &count, strdup(program->cwd));
	}
	if (program->user != NULL) {
		failed |= push(&program->argv, &count, strdup("--user"));
		failed |= push(&program->argv, &count, strdup(program->user));
	}
	failed |= add_limits(program, limits, &count);
	failed |= push(&program->argv, &count, strdup("--"));
	yyjson_arr_foreach(argv, at, max, word)
	{
		failed |= push(&program->argv, &count, strdup(yyjson_get_str(word)));
	}
	return failed;
}

/* As little as most programs need; what else the server's holds is not theirs. */
static int build_env(struct program *program, yyjson_val *env)
{
	size_t count = 0, at, max;
	yyjson_val *key, *value;
	int failed = 0;

	if (yyjson_obj_get(env, "PATH") == NULL)
		failed |= push(&program->env, &count,
			strdup("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
	if (yyjson_obj_get(env, "HOME") == NULL)
		failed |= push(&program->env, &count,
			assignment("HOME", program->cwd != NULL ? program->cwd : "/"));
	if (yyjson_obj_get(env, "LANG") == NULL)
		failed |= push(&program->env, &count, strdup("LANG=C.UTF-8"));
	failed |= push(&program->env, &count, assignment("LEAT_PROTOCOL", program->protocol));
	yyjson_obj_foreach(env, at, max, key, value)
	{
		failed |= push(&program->env, &count,
			assignment(yyjson_get_str(key), yyjson_get_str(value)));
	}
	return failed;
}

/* Without NUL, which no program can be given. */
static bool is_text(yyjson_val *value)
{
	return yyjson_is_str(value) && strlen(yyjson_get_str(value)) == yyjson_get_len(value);
}

static enum stage_result check_argv(yyjson_val *argv, struct stage_ctx *ctx)
{
	size_t at, max;
	yyjson_val *word;

	if (!yyjson_is_arr(argv) || yyjson_arr_size(argv) == 0 ||
		yyjson_arr_size(argv) > WORDS_MAX)
		return stage_fail(ctx, STAGE_PERMANENT,
			"/argv: must be the program and its arguments, as in [\"python3\",\"score.py\"]");
	yyjson_arr_foreach(argv, at, max, word)
	{
		if (!is_text(word))
			return stage_fail(
				ctx, STAGE_PERMANENT, "/argv/%zu: must be a text", at);
	}
	return STAGE_OK;
}

static enum stage_result check_env(yyjson_val *env, struct stage_ctx *ctx)
{
	size_t at, max;
	yyjson_val *key, *value;

	if (env != NULL && !yyjson_is_obj(env))
		return stage_fail(ctx, STAGE_PERMANENT,
			"/env: must be an object: the names of variables and their values");
	yyjson_obj_foreach(env, at, max, key, value)
	{
		if (!is_text(key) || !is_text(value) || yyjson_get_len(key) == 0 ||
			strchr(yyjson_get_str(key), '=') != NULL)
			return stage_fail(ctx, STAGE_PERMANENT,
				"/env/%.60s: must be a name without '=' and a text",
				yyjson_get_str(key));
		if (strncmp(yyjson_get_str(key), OUR_ENV, strlen(OUR_ENV)) == 0)
			return stage_fail(ctx, STAGE_PERMANENT,
				"/env/%.60s: names with LEAT_ in front are the server's to set",
				yyjson_get_str(key));
	}
	return STAGE_OK;
}

static bool is_limit(const char *name)
{
	for (size_t at = 0; at < LIMITS; at++)
		if (strcmp(name, limit_names[at]) == 0)
			return true;
	return false;
}

static enum stage_result check_limits(yyjson_val *limits, struct stage_ctx *ctx)
{
	size_t at, max;
	yyjson_val *key, *value;

	if (limits != NULL && !yyjson_is_obj(limits))
		return stage_fail(ctx, STAGE_PERMANENT, "/limits: must be an object");
	yyjson_obj_foreach(limits, at, max, key, value)
	{
		if (!is_limit(yyjson_get_str(key)))
			return stage_fail(ctx, STAGE_PERMANENT,
				"/limits/%.60s: there is memory_bytes, cpu_seconds and files",
				yyjson_get_str(key));
		if (!yyjson_is_uint(value) || yyjson_get_uint(value) == 0)
			return stage_fail(ctx, STAGE_PERMANENT,
				"/limits/%.60s: must be a whole number above 0",
				yyjson_get_str(key));
	}
	return STAGE_OK;
}

/* NULL for NULL. */
static yyjson_doc *read_json(const char *text)
{
	return text == NULL ? NULL : yyjson_read(text, strlen(text), YYJSON_READ_NOFLAG);
}

enum stage_result program_configure(struct program *program, struct stage_ctx *ctx)
{
	yyjson_doc *argv = read_json(program->argv_text), *env = read_json(program->env_text);
	yyjson_doc *limits = read_json(program->limits_text);
	enum stage_result result = check_argv(yyjson_doc_get_root(argv), ctx);

	TAILQ_INIT(&program->children);
	TAILQ_INIT(&program->idle);
	TAILQ_INIT(&program->waiting);
	program->framed = strcmp(program->protocol, "framed") == 0;
	if (result == STAGE_OK)
		result = check_env(yyjson_doc_get_root(env), ctx);
	if (result == STAGE_OK)
		result = check_limits(yyjson_doc_get_root(limits), ctx);
	if (result == STAGE_OK && (build_argv(program, yyjson_doc_get_root(argv),
					   yyjson_doc_get_root(limits)) != 0 ||
					  build_env(program, yyjson_doc_get_root(env)) != 0))
		result = stage_fail(ctx, STAGE_TRANSIENT, "out of memory");
	if (result != STAGE_OK)
		program_done(program);
	yyjson_doc_free(argv);
	yyjson_doc_free(env);
	yyjson_doc_free(limits);
	return result;
}

void program_done(struct program *program)
{
	free_texts(program->argv);
	free_texts(program->env);
	program->argv = program->env = NULL;
}

/* ---- life ---- */

static void flush(uv_prepare_t *prepare)
{
	struct program *program = prepare->data;
	struct child *child, *next;

	uv_prepare_stop(prepare);
	TAILQ_FOREACH_SAFE_(child, &program->children, link, next)
	if (child->dirty)
		child_flush(child);
}

void program_begin(struct program *program, struct stage_ctx *ctx)
{
	if (program->loop != NULL)
		return;
	program->loop = stage_uv_loop(ctx);
	program->meter = stage_meter(ctx);
	program->ended = false;
	uv_prepare_init(program->loop, &program->prepare);
	uv_timer_init(program->loop, &program->again);
	program->prepare.data = program->again.data = program;
}

void program_end(struct program *program)
{
	struct child *child, *next;

	program->ended = true;
	if (program->loop == NULL)
		return;
	TAILQ_FOREACH_SAFE_(child, &program->children, link, next)
	child_retire(child);
	uv_close((uv_handle_t *)&program->prepare, NULL);
	uv_close((uv_handle_t *)&program->again, NULL);
	program->loop = NULL;
	program->meter = NULL; /* it does not outlive the engine, as children may */
}

void program_note_death(struct program *program, const char *reason, bool cannot_start)
{
	unsigned shifts;
	uint64_t wait_ms;

	program->deaths++;
	if (cannot_start && program->deaths < DEATHS_MAX)
		program->deaths = DEATHS_MAX;
	snprintf(program->reason, sizeof(program->reason), "%s", reason);
	if (program->deaths < DEATHS_MAX)
		return;
	shifts = program->deaths - DEATHS_MAX;
	wait_ms = (uint64_t)BACKOFF_MS << (shifts < BACKOFF_SHIFTS ? shifts : BACKOFF_SHIFTS);
	/* With jitter: programs that break for the same reason do not all start again at once.
	 */
	program->start_ms =
		uv_now(program->loop) + wait_ms / 2 + (uv_hrtime() >> 8) % (wait_ms / 2 + 1);
}

static void try_again(uv_timer_t *again)
{
	program_dispatch_all(again->data);
}

void program_note_shortage(struct program *program)
{
	program->start_ms = uv_now(program->loop) + SHORTAGE_MS;
	uv_timer_start(&program->again, try_again, SHORTAGE_MS, 0);
}

void program_note_life(struct program *program)
{
	program->deaths = 0;
	program->start_ms = 0;
}

bool program_is_broken(const struct program *program)
{
	return program->deaths >= DEATHS_MAX;
}

/* ---- tasks ---- */

void exec_put_back(struct exec *exec, struct task *task)
{
	TAILQ_INSERT_HEAD(&exec->pending, task, link);
	if (!exec->waiting)
		TAILQ_INSERT_TAIL(&exec->program->waiting, exec, link);
	exec->waiting = true;
}

struct stage_ctx *task_item(const struct task *task, unsigned at)
{
	if (task->whole != NULL)
		return task->item;
	return task->batch ? stage_batch_item(task->ctx, at) : task->ctx;
}

void task_end(struct task *task, enum stage_result result)
{
	struct stage_ctx *ctx = task->ctx;
	struct task *whole = task->whole;

	free(task);
	if (whole != NULL)
		task_item_over(whole, result);
	else
		stage_complete(ctx, result);
}

void task_item_over(struct task *task, enum stage_result result)
{
	/* The items of a batch have their fates by themselves. */
	if (--task->left == 0)
		task_end(task, task->batch ? STAGE_OK : result);
}

struct task *task_piece(struct task *task, struct stage_ctx *item)
{
	struct task *piece = malloc(sizeof(*piece));

	if (piece != NULL)
		*piece = (struct task){ .exec = task->exec,
			.ctx = task->ctx,
			.item = item,
			.whole = task,
			.left = 1 };
	return piece;
}

struct task *task_forget(struct task *task)
{
	struct task *whole = task->whole;

	if (whole == NULL)
		return task;
	free(task);
	return whole;
}

/* ---- dispatch ---- */

static struct child *least_loaded(const struct exec *exec, const struct task *task)
{
	struct child *child, *best = NULL;

	TAILQ_FOREACH(child, &exec->children, place)
	if (child_may_take(child, task) && (best == NULL || child->load < best->load))
		best = child;
	return best;
}

static struct child *find_idle(const struct program *program, const struct exec *exec)
{
	struct child *child;

	TAILQ_FOREACH(child, &program->idle, place)
	if (strcmp(child->key, exec->params) == 0)
		return child;
	return NULL;
}

/* The places are taken, and nobody needs this one. */
static void make_room(const struct program *program)
{
	struct child *oldest = TAILQ_FIRST(&program->idle);

	if (oldest != NULL)
		child_retire(oldest);
}

static struct child *idle_or_new(struct program *program, const struct exec *exec)
{
	struct child *child = find_idle(program, exec);

	if (child != NULL || uv_now(program->loop) < program->start_ms)
		return child;
	if (program->child_count >= program->children_max) {
		make_room(program);
		return NULL;
	}
	return child_start(program, exec, &child) < 0 ? NULL : child;
}

static bool has_room_for_child(const struct exec *exec, const struct task *task)
{
	return exec->child_count < stage_workers(task->ctx);
}

static struct child *pick(struct program *program, struct exec *exec, const struct task *task)
{
	struct child *child = NULL;

	/* Another child before another item for one that has something to do. */
	if (has_room_for_child(exec, task))
		child = idle_or_new(program, exec);
	return child != NULL ? child : least_loaded(exec, task);
}

/* Nobody can do it now, and nobody is about to: better it hears why. */
static bool is_hopeless(const struct program *program, const struct exec *exec)
{
	return program->ended || (program_is_broken(program) && exec->child_count == 0 &&
					 uv_now(program->loop) < program->start_ms);
}

static void fail_task(struct task *task, const char *reason)
{
	struct stage_ctx *ctx = task->whole != NULL ? task->item : task->ctx;

	task_end(task, stage_fail(ctx, STAGE_TRANSIENT, "%s", reason));
}

static void fail_pending(struct program *program, struct exec *exec)
{
	struct task *task;

	while ((task = TAILQ_FIRST(&exec->pending)) != NULL) {
		TAILQ_REMOVE(&exec->pending, task, link);
		fail_task(task, program->ended ? "the server ends" : program->reason);
	}
}

static void attach(struct exec *exec, struct child *child)
{
	if (child->exec == exec)
		return;
	if (child->idle)
		TAILQ_REMOVE(&child->program->idle, child, place);
	child->idle = false;
	child->exec = exec;
	TAILQ_INSERT_TAIL(&exec->children, child, place);
	exec->child_count++;
}

void program_dispatch(struct program *program, struct exec *exec)
{
	struct task *task;

	while ((task = TAILQ_FIRST(&exec->pending)) != NULL) {
		/* TAILQ_REMOVE() is beyond the analyzer.
		 * NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		struct child *child = pick(program, exec, task);

		if (child == NULL)
			break;
		TAILQ_REMOVE(&exec->pending, task, link);
		attach(exec, child);
		if (!child_give(child, task)) {
			fail_task(task, "out of memory");
			child_settle(child);
		}
	}
	if (task != NULL && is_hopeless(program, exec))
		fail_pending(program, exec);
	if (exec->waiting && TAILQ_EMPTY(&exec->pending)) {
		TAILQ_REMOVE(&program->waiting, exec, link);
		exec->waiting = false;
	} else if (!exec->waiting && !TAILQ_EMPTY(&exec->pending)) {
		TAILQ_INSERT_TAIL(&program->waiting, exec, link);
		exec->waiting = true;
	}
	if (!uv_is_active((uv_handle_t *)&program->prepare) && program->loop != NULL)
		uv_prepare_start(&program->prepare, flush);
}

void program_dispatch_all(struct program *program)
{
	struct exec *exec, *next;

	TAILQ_FOREACH_SAFE_(exec, &program->waiting, link, next)
	program_dispatch(program, exec);
}
