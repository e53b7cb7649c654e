/* What a child answers, and what it says on stderr. */
#include <stdio.h>

#include "answer.h"
#include "child_parts.h"

#define READ_SIZE (64u << 10)
#define PIPE_MS   500         /* for what others hold in its pipes after its end */
#define LOG_BURST 20u         /* lines of stderr at once, */
#define LOG_PER_S 10u         /* and in the long run */
#define LOG_MAX   (size_t)400 /* of a line, in bytes */

/* ---- its log ---- */

static struct stage_ctx *some_ctx(const struct child *child)
{
	for (unsigned at = child->first; at < child->last; at++)
		if (slot_is_wanted(&child->slots[at]))
			return child->slots[at].item;
	return NULL;
}

/* Not too often: a bucket of LOG_BURST that LOG_PER_S flow into. */
static bool may_log(struct child *child)
{
	uint64_t now_ms = uv_now(child->process.loop);
	uint64_t more = (now_ms - child->log_ms) * LOG_PER_S / 1000;

	if (more > 0) {
		child->log_left = child->log_left + more > LOG_BURST
					  ? LOG_BURST
					  : child->log_left + (unsigned)more;
		child->log_ms = now_ms;
	}
	if (child->log_left == 0)
		return false;
	child->log_left--;
	return true;
}

static void say_stderr(struct child *child, const char *text, size_t len)
{
	if (stage_stderr(some_ctx(child), child->use, child->pid, child->log_skipped, text,
		    len > LOG_MAX ? LOG_MAX : len))
		child->log_skipped = 0;
	else
		child->log_skipped++;
}

static void log_stderr(struct child *child, const char *text, size_t len)
{
	uint64_t skipped = child->log_skipped;

	if (may_log(child))
		say_stderr(child, text, len);
	else
		child->log_skipped++;
	stage_count(child->program->meter, "stderr_line", 1);
	if (child->log_skipped > skipped)
		stage_count(child->program->meter, "stderr_line_skipped", 1);
}

void child_log_rest(struct child *child)
{
	if (child->log_skipped > 0)
		say_stderr(child, "", 0);
}

/* What it says to the log by {"log":…}. */
static void log_line(struct child *child, const char *text)
{
	if (may_log(child))
		stage_log(some_ctx(child), "%s pid=%d %.*s", child->use, child->pid,
			(int)LOG_MAX, text);
}

static void take_stderr_line(struct child *child, const char *line, size_t len)
{
	while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == ' '))
		len--;
	if (len == 0)
		return;
	snprintf(child->said, sizeof(child->said), "%.*s", (int)(len > 190 ? 190 : len), line);
	log_stderr(child, line, len);
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
	bytes_consume(&child->text, (size_t)(begin - child->text.data));
	if (child->text.len >= READ_SIZE) { /* a line without end */
		take_stderr_line(child, child->text.data, child->text.len);
		child->text.len = 0;
	}
}

/* ---- its answers ---- */

static struct slot *find_slot(struct child *child, const struct answer *answer)
{
	uint64_t hash = slot_hash(answer->item, answer->item_len);

	for (unsigned at = child->first; at < child->last; at++)
		if (child->slots[at].hash == hash && !child->slots[at].answered)
			return &child->slots[at];
	return NULL;
}

/* What it wrote is none: nothing that it writes from now on can be trusted. */
static void wrote_garbage(struct child *child, const char *why, const char *line, size_t len)
{
	char text[REASON_SIZE];

	snprintf(text, sizeof(text), "the program wrote %s: '%.*s'", why,
		len > 60 ? 60 : (int)len, line);
	child_condemn(child, "child_garbage", text);
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
	task_item_over(task, result);
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
		log_line(child, answer.text);
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
		child_drop_answered(child);
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
	bytes_consume(&child->lines, (size_t)(begin - child->lines.data));
	if (child->lines.len > (size_t)child->program->line_max)
		wrote_garbage(child, "a line without end", child->lines.data, child->lines.len);
}

/* Most end right after it; one that does not is of no use any more. */
static void expect_exit(struct child *child)
{
	if (child->idle)
		TAILQ_REMOVE(&child->program->idle, child, place);
	child->idle = false;
	child_wait_for(child, WAIT_EXIT, PIPE_MS);
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
			child_finish(child);
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
	if (bytes_reserve(bytes, READ_SIZE) < 0)
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

void child_read(struct child *child)
{
	uv_read_start((uv_stream_t *)&child->out, alloc_answers, read_answers);
	uv_read_start((uv_stream_t *)&child->err, alloc_stderr, read_stderr);
}
