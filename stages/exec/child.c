#include "child.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"

#define READ_SIZE (64u << 10)
#define GRACE_MS  100 /* plain: for the answer to what nobody wants any more */
#define PIPE_MS   500 /* for what others hold in its pipes after its end */
#define LOG_BURST 20u /* lines of stderr at once, */
#define LOG_PER_S 10u /* and in the long run */

/* ---- bytes ---- */

static int reserve(struct bytes *bytes, size_t more)
{
	size_t capacity = bytes->capacity * 2 > bytes->len + more ? bytes->capacity * 2
								  : bytes->len + more;
	char *data;

	if (bytes->capacity - bytes->len >= more)
		return 0;
	data = realloc(bytes->data, capacity);
	if (data == NULL)
		return -1;
	bytes->data = data;
	bytes->capacity = capacity;
	return 0;
}

/* What reserve() has made room for. */
static void put(struct bytes *bytes, const char *text, size_t len)
{
	memcpy(bytes->data + bytes->len, text, len);
	bytes->len += len;
}

static void consume(struct bytes *bytes, size_t len)
{
	memmove(bytes->data, bytes->data + len, bytes->len - len);
	bytes->len -= len;
}

/* ---- slots ---- */

/* FNV-1a (Fowler, Noll, Vo), 64 bits. */
static uint64_t hash_of(const char *text, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325u;

	while (len-- > 0)
		hash = (hash ^ (unsigned char)*text++) * 0x100000001b3u;
	return hash;
}

static int reserve_slots(struct child *child, unsigned more)
{
	unsigned capacity;
	struct slot *slots;

	if (child->first > 0) {
		memmove(child->slots, child->slots + child->first,
			(child->last - child->first) * sizeof(*slots));
		child->last -= child->first;
		child->first = 0;
	}
	if (child->capacity - child->last >= more)
		return 0;
	capacity = child->last + more + child->capacity;
	slots = realloc(child->slots, capacity * sizeof(*slots));
	if (slots == NULL)
		return -1;
	child->slots = slots;
	child->capacity = capacity;
	return 0;
}

static struct slot *find_slot(struct child *child, const struct answer *answer)
{
	uint64_t hash = hash_of(answer->item, answer->item_len);

	for (unsigned at = child->first; at < child->last; at++)
		if (child->slots[at].hash == hash && !child->slots[at].answered)
			return &child->slots[at];
	return NULL;
}

static void drop_answered(struct child *child)
{
	while (child->first < child->last && child->slots[child->first].answered)
		child->first++;
}

static bool is_wanted(const struct slot *slot)
{
	return slot->task != NULL && !slot->answered;
}

/* Does it still have something of its exec's in its hands? */
static bool has_wanted(const struct child *child)
{
	for (unsigned at = child->first; at < child->last; at++)
		if (is_wanted(&child->slots[at]))
			return true;
	return false;
}

/* ---- its place ---- */

static void handle_closed(uv_handle_t *handle);

static void wait_for(struct child *child, enum child_wait wait, uint64_t ms);

static void detach(struct child *child)
{
	if (child->exec == NULL)
		return;
	TAILQ_REMOVE(&child->exec->children, child, place);
	child->exec->child_count--;
	child->exec = NULL;
}

/* What nobody wanted any more has its answer? Then it need not be watched for that. */
static void end_grace(struct child *child)
{
	for (unsigned at = child->first; at < child->last; at++)
		if (child->slots[at].task == NULL && !child->slots[at].answered)
			return;
	wait_for(child, WAIT_NOTHING, 0);
}

void child_settle(struct child *child)
{
	if (child->wait == WAIT_GRACE)
		end_grace(child);
	if (child->exec != NULL && !has_wanted(child))
		detach(child);
	if (child->load > 0 || child->condemned || child->exited || child->out_ended ||
		child->idle || child->exec != NULL)
		return;
	child->idle = true;
	TAILQ_INSERT_TAIL(&child->program->idle, child, place);
	wait_for(child, WAIT_IDLE, (uint64_t)child->program->idle_ms);
}

/* ---- ending it ---- */

/* Its whole group: what it has started goes with it. */
static void send_signal(const struct child *child, int number)
{
	if (!child->exited)
		kill(-child->pid, number);
}

static void terminate(struct child *child)
{
	send_signal(child, SIGTERM);
	wait_for(child, WAIT_TERM, (uint64_t)child->program->kill_ms);
}

static void condemn(struct child *child, const char *why)
{
	if (child->condemned || child->exited)
		return;
	child->condemned = true;
	snprintf(child->why, sizeof(child->why), "%s", why);
	if (child->idle)
		TAILQ_REMOVE(&child->program->idle, child, place);
	child->idle = false;
	if (!uv_is_closing((uv_handle_t *)&child->in))
		uv_close((uv_handle_t *)&child->in, handle_closed);
	if (why[0] == '\0') /* it did nothing wrong: the end of its input says enough */
		wait_for(child, WAIT_END, (uint64_t)child->program->kill_ms);
	else
		terminate(child);
}

void child_retire(struct child *child)
{
	condemn(child, "");
}

static void finish(struct child *child);

static void condemn_held_up(struct child *child)
{
	child->held_up = true;
	condemn(child, "the program did not let go of an item in time");
}

static void timer_fired(uv_timer_t *timer)
{
	struct child *child = timer->data;
	enum child_wait wait = child->wait;

	child->wait = WAIT_NOTHING;
	if (wait == WAIT_IDLE)
		child_retire(child);
	else if (wait == WAIT_GRACE)
		condemn_held_up(child);
	else if (wait == WAIT_EXIT)
		condemn(child, "the program closed its output");
	else if (wait == WAIT_END)
		terminate(child);
	else if (wait == WAIT_TERM)
		send_signal(child, SIGKILL);
	else if (wait == WAIT_PIPE)
		finish(child);
}

static void wait_for(struct child *child, enum child_wait wait, uint64_t ms)
{
	child->wait = wait;
	if (wait == WAIT_NOTHING)
		uv_timer_stop(&child->timer);
	else
		uv_timer_start(&child->timer, timer_fired, ms, 0);
}

/* ---- its end ---- */

static void handle_closed(uv_handle_t *handle)
{
	struct child *child = handle->data;

	if (--child->handles > 0)
		return;
	free(child->slots);
	free(child->todo.data);
	free(child->under_way.data);
	free(child->lines.data);
	free(child->text.data);
	free(child->key);
	free(child->use);
	free(child);
}

static void close_handles(struct child *child)
{
	uv_handle_t *handles[] = { (uv_handle_t *)&child->process, (uv_handle_t *)&child->in,
		(uv_handle_t *)&child->out, (uv_handle_t *)&child->err,
		(uv_handle_t *)&child->timer };

	for (unsigned at = child->is_process ? 0 : 1; at < 5; at++)
		if (!uv_is_closing(handles[at]))
			uv_close(handles[at], handle_closed);
}

/* "the program died (signal 11, Segmentation fault): the last line that it said" */
static void say_end(const struct child *child, char reason[static REASON_SIZE])
{
	char how[100];

	if (child->why[0] != '\0')
		snprintf(how, sizeof(how), "%.*s", (int)sizeof(how) - 1, child->why);
	else if (child->exit_signal != 0)
		snprintf(how, sizeof(how), "the program died (signal %d, %s)",
			child->exit_signal, strsignal(child->exit_signal));
	else
		snprintf(how, sizeof(how), "the program ended (exit %d)",
			(int)child->exit_status);
	snprintf(reason, REASON_SIZE, "%s%s%.170s", how, child->said[0] != '\0' ? ": " : "",
		child->said);
}

static void fail_slot(struct slot *slot, const char *reason)
{
	struct task *task = slot->task;

	slot->answered = true;
	stage_fail(slot->item, STAGE_TRANSIENT, "%s", reason);
	if (--task->left == 0)
		task_end(task, task->batch ? STAGE_OK : STAGE_FAILED);
}

static unsigned count_wanted(const struct child *child)
{
	unsigned count = 0;

	for (unsigned at = child->first; at < child->last; at++)
		count += is_wanted(&child->slots[at]);
	return count;
}

/*
 * Who is to blame for its end? The only one; the oldest, where it does one after the other;
 * what was wanted no longer and held it up; else nobody knows, and each will be tried alone.
 */
static void settle_slots(struct child *child, struct exec *exec, const char *reason)
{
	bool known = child->held_up;
	unsigned wanted = count_wanted(child);
	bool broken = program_is_broken(child->program);

	for (unsigned at = child->last; at-- > child->first;) {
		struct slot *slot = &child->slots[at];
		bool oldest = at == child->first;

		if (slot->answered || slot->task == NULL)
			continue;
		if (slot->task->batch || broken || wanted == 1 ||
			(!known && !child->program->framed && oldest)) {
			fail_slot(slot, reason);
			continue;
		}
		slot->answered = true;
		slot->task->alone |= !known && child->program->framed;
		exec_put_back(exec, slot->task);
	}
	child->first = child->last;
	child->load = 0;
}

/* As leat exec-child says it. */
static bool could_not_start(const struct child *child)
{
	return child->exit_signal == 0 &&
	       (child->exit_status == 126 || child->exit_status == 127);
}

/* It has ended, and all that it wrote was read. */
static void finish(struct child *child)
{
	struct program *program = child->program;
	struct exec *exec = child->exec;
	char reason[REASON_SIZE];
	bool retired = child->condemned && child->why[0] == '\0';

	if (child->over)
		return;
	child->over = true;
	say_end(child, reason);
	if (child->idle)
		TAILQ_REMOVE(&program->idle, child, place);
	child->idle = false;
	if (!child->answered_once && !retired && program->loop != NULL)
		program_note_death(program, reason, could_not_start(child));
	detach(child);
	drop_answered(child);
	if (exec != NULL)
		settle_slots(child, exec, reason);
	TAILQ_REMOVE(&program->children, child, link);
	program->child_count--;
	close_handles(child);
	if (exec != NULL && program->loop != NULL)
		program_dispatch(program, exec);
	if (program->loop != NULL)
		program_dispatch_all(program);
}

static void on_exit_(uv_process_t *process, int64_t status, int number)
{
	struct child *child = process->data;

	child->exit_status = status;
	child->exit_signal = number;
	kill(-child->pid, SIGKILL); /* what it has left behind in its group */
	child->exited = true;
	if (child->out_ended)
		finish(child);
	else
		wait_for(child, WAIT_PIPE, PIPE_MS);
}

/* ---- its log ---- */

static struct stage_ctx *some_ctx(const struct child *child)
{
	for (unsigned at = child->first; at < child->last; at++)
		if (is_wanted(&child->slots[at]))
			return child->slots[at].item;
	return NULL;
}

static void log_line(struct child *child, const char *what, const char *text, size_t len)
{
	uint64_t now_ms = uv_now(child->process.loop);
	uint64_t more = (now_ms - child->log_ms) * LOG_PER_S / 1000;

	if (more > 0) {
		child->log_left = child->log_left + more > LOG_BURST
					  ? LOG_BURST
					  : child->log_left + (unsigned)more;
		child->log_ms = now_ms;
	}
	if (child->log_left == 0) {
		child->log_skipped++;
		return;
	}
	child->log_left--;
	stage_log(some_ctx(child), "%s pid=%d %s%.*s%s", child->use, child->pid, what,
		len > 400 ? 400 : (int)len, text,
		child->log_skipped > 0 ? " (lines before skipped)" : "");
	child->log_skipped = 0;
}

static void take_stderr_line(struct child *child, const char *line, size_t len)
{
	while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == ' '))
		len--;
	if (len == 0)
		return;
	snprintf(child->said, sizeof(child->said), "%.*s", (int)(len > 190 ? 190 : len), line);
	log_line(child, "stderr: ", line, len);
}

static void read_stderr(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct child *child = stream->data;
	char *begin = child->text.data, *end;

	if (n < 0) {
		if (child->text.len > 0)
			take_stderr_line(child, child->text.data, child->text.len);
		child->text.len = 0;
		uv_read_stop(stream);
		return;
	}
	child->text.len += (size_t)n;
	end = begin + child->text.len;
	for (char *at = begin; (at = memchr(at, '\n', (size_t)(end - at))) != NULL;
		begin = ++at)
		take_stderr_line(child, begin, (size_t)(at - begin));
	consume(&child->text, (size_t)(begin - child->text.data));
	if (child->text.len >= READ_SIZE) { /* a line without end */
		take_stderr_line(child, child->text.data, child->text.len);
		child->text.len = 0;
	}
}

/* ---- its answers ---- */

/* What it wrote is none: nothing that it writes from now on can be trusted. */
static void wrote_garbage(struct child *child, const char *why, const char *line, size_t len)
{
	char text[REASON_SIZE];

	snprintf(text, sizeof(text), "the program wrote %s: '%.*s'", why,
		len > 60 ? 60 : (int)len, line);
	condemn(child, text);
}

static void end_slot(struct child *child, struct slot *slot, const struct answer *answer)
{
	struct task *task = slot->task;
	enum stage_result result;

	slot->answered = true;
	window_answer(&child->window, child->load, slot->since_ns, uv_hrtime());
	child->load--;
	if (task == NULL)
		return;
	if (answer->kind == ANSWER_FAIL)
		result = stage_fail(slot->item,
			answer->transient ? STAGE_TRANSIENT : STAGE_PERMANENT, "%s",
			answer->text);
	else
		result = answer_emit(answer, slot->item);
	if (--task->left == 0)
		task_end(task, task->batch ? STAGE_OK : result);
}

static void take_line(struct child *child, const char *line, size_t len)
{
	bool framed = child->program->framed;
	struct answer answer;
	struct slot *slot = NULL;

	if (framed && len == 0)
		return;
	answer_read(&answer, framed, line, len);
	if (answer.kind == ANSWER_LOG) {
		log_line(child, "", answer.text, strlen(answer.text));
	} else if (answer.kind == ANSWER_BAD) {
		wrote_garbage(child, answer.text, line, len);
	} else {
		slot = framed                       ? find_slot(child, &answer)
		       : child->first < child->last ? &child->slots[child->first]
						    : NULL;
		if (slot == NULL)
			wrote_garbage(
				child, "an answer to nothing that it was asked", line, len);
		else
			end_slot(child, slot, &answer);
		drop_answered(child);
	}
	answer_done(&answer);
}

/* So many answers came at once. */
static void learn(struct child *child, unsigned answers)
{
	if (answers == 0)
		return;
	program_note_life(child->program);
	child->answered_once = true;
	window_learn(&child->window, answers, uv_hrtime());
	if (child->exec != NULL)
		child->exec->window = child->window.items;
}

static void take_lines(struct child *child)
{
	char *begin = child->lines.data, *end = begin + child->lines.len, *at = begin;
	unsigned before = child->load;

	while (!child->condemned && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		take_line(child, begin, (size_t)(at - begin) - (at > begin && at[-1] == '\r'));
		begin = ++at;
	}
	learn(child, before - child->load);
	if (child->condemned) {
		child->lines.len = 0;
		return;
	}
	consume(&child->lines, (size_t)(begin - child->lines.data));
	if (child->lines.len > (size_t)child->program->line_max)
		wrote_garbage(child, "a line without end", child->lines.data, child->lines.len);
}

/* Most end right after it; one that does not is of no use any more. */
static void expect_exit(struct child *child)
{
	if (child->idle)
		TAILQ_REMOVE(&child->program->idle, child, place);
	child->idle = false;
	wait_for(child, WAIT_EXIT, PIPE_MS);
}

static void read_answers(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct child *child = stream->data;
	struct program *program = child->program;
	struct exec *exec = child->exec;

	if (n < 0) {
		child->out_ended = true;
		uv_read_stop(stream);
		if (child->exited)
			finish(child);
		else if (!child->condemned)
			expect_exit(child);
		return;
	}
	child->lines.len += (size_t)n;
	take_lines(child);
	child_settle(child);
	if (exec != NULL && program->loop != NULL)
		program_dispatch(program, exec);
	if (child->idle && program->loop != NULL)
		program_dispatch_all(program);
}

static void give_room(struct bytes *bytes, uv_buf_t *buf)
{
	if (reserve(bytes, READ_SIZE) < 0)
		*buf = uv_buf_init(NULL, 0); /* uv says ENOBUFS, which ends the pipe */
	else
		*buf = uv_buf_init(bytes->data + bytes->len, READ_SIZE);
}

static void alloc_answers(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	give_room(&((struct child *)handle->data)->lines, buf);
}

static void alloc_stderr(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	give_room(&((struct child *)handle->data)->text, buf);
}

/* ---- giving it items ---- */

bool child_may_take(const struct child *child, const struct task *task)
{
	if (child->condemned || child->exited || child->out_ended || child->wait == WAIT_GRACE)
		return false;
	for (unsigned at = child->first; at < child->last; at++)
		if (is_wanted(&child->slots[at]) && child->slots[at].task->alone)
			return false;
	return task->alone ? child->load == 0 : child->load < child->window.items;
}

static size_t frame_size(const char *id, size_t len)
{
	return strlen(id) + len + 80;
}

static size_t task_size(struct task *task)
{
	size_t size = 20, len;

	for (unsigned at = 0; at < task->left; at++) {
		struct stage_ctx *item =
			task->batch ? stage_batch_item(task->ctx, at) : task->ctx;

		stage_input(item, &len);
		size += frame_size(stage_item_id(item), len);
	}
	return size;
}

static void put_frame(struct bytes *todo, struct stage_ctx *item)
{
	size_t len;
	const char *text = stage_input(item, &len);
	char head[200];
	int size = snprintf(head, sizeof(head),
		"{\"item\":\"%s\",\"attempt\":%u,\"value\":", stage_item_id(item),
		stage_attempt(item));

	put(todo, head, (size_t)size);
	put(todo, text, len);
	put(todo, "}", 1);
}

static void put_task(struct child *child, struct task *task)
{
	struct bytes *todo = &child->todo;
	bool frame = child->program->framed;
	uint64_t now_ns = uv_hrtime();

	if (frame && task->batch)
		put(todo, "{\"batch\":[", 10);
	for (unsigned at = 0; at < task->left; at++) {
		struct stage_ctx *item =
			task->batch ? stage_batch_item(task->ctx, at) : task->ctx;
		const char *id = stage_item_id(item), *text;
		size_t len;

		child->slots[child->last++] =
			(struct slot){ task, item, hash_of(id, strlen(id)), now_ns, false };
		if (frame && at > 0)
			put(todo, ",", 1);
		if (frame) {
			put_frame(todo, item);
		} else {
			text = stage_input(item, &len);
			put(todo, text, len);
			if (at + 1 < task->left)
				put(todo, "\n", 1);
		}
	}
	if (frame && task->batch)
		put(todo, "]}", 2);
	put(todo, "\n", 1);
}

bool child_give(struct child *child, struct task *task)
{
	if (reserve_slots(child, task->left) < 0 || reserve(&child->todo, task_size(task)) < 0)
		return false;
	if (child->load == 0)
		window_begin(&child->window, uv_hrtime());
	if (child->wait == WAIT_IDLE)
		wait_for(child, WAIT_NOTHING, 0);
	put_task(child, task);
	child->load += task->left;
	child->dirty = true;
	return true;
}

static void written(uv_write_t *write, int status)
{
	struct child *child = write->handle->data;

	child->writing = false;
	child->under_way.len = 0;
	if (status == 0 && child->dirty)
		child_flush(child);
}

void child_flush(struct child *child)
{
	struct bytes bytes = child->todo;
	uv_buf_t buf;

	child->dirty = child->writing;
	if (child->writing || bytes.len == 0 || uv_is_closing((uv_handle_t *)&child->in))
		return;
	child->todo = child->under_way;
	child->under_way = bytes;
	buf = uv_buf_init(bytes.data, (unsigned)bytes.len);
	/* Where it does not read, its end or a deadline says what becomes of the items. */
	child->writing =
		uv_write(&child->write, (uv_stream_t *)&child->in, &buf, 1, written) == 0;
	if (!child->writing)
		child->under_way.len = 0;
}

/* ---- nobody wants it any more ---- */

static void say_cancel(struct child *child, const char *id)
{
	char line[200];
	int len = snprintf(line, sizeof(line), "{\"cancel\":\"%s\"}\n", id);

	if (!child->program->framed || reserve(&child->todo, (size_t)len) < 0)
		return;
	put(&child->todo, line, (size_t)len);
	child_flush(child);
}

bool child_forget(struct child *child, const struct stage_ctx *ctx)
{
	struct task *task = NULL;

	for (unsigned at = child->first; at < child->last; at++) {
		struct slot *slot = &child->slots[at];

		if (slot->answered || slot->task == NULL || slot->task->ctx != ctx)
			continue;
		task = slot->task;
		say_cancel(child, stage_item_id(slot->item));
		slot->task = NULL;
		slot->item = NULL;
	}
	if (task == NULL)
		return false;
	if (child->wait == WAIT_NOTHING && !child->condemned)
		wait_for(child, WAIT_GRACE,
			child->program->framed ? (uint64_t)child->program->kill_ms : GRACE_MS);
	child_settle(child);
	return true;
}

/* ---- starting one ---- */

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
		.exit_cb = on_exit_,
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
	if (failed != 0) {
		snprintf(reason, sizeof(reason), "the program cannot be started: %s",
			uv_strerror(failed));
		program_note_death(program, reason, true);
		close_handles(child);
		return -1;
	}
	child->pid = child->process.pid;
	TAILQ_INSERT_TAIL(&program->children, child, link);
	program->child_count++;
	uv_read_start((uv_stream_t *)&child->out, alloc_answers, read_answers);
	uv_read_start((uv_stream_t *)&child->err, alloc_stderr, read_stderr);
	*ret = child;
	return 0;
}
