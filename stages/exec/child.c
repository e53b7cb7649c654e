#include "child.h"

#include <signal.h>
#include <stdio.h>

#include "child_parts.h"

#define PIPE_MS 500 /* for what others hold in its pipes after its end */

/* ---- its place ---- */

/* Does it still have something of its exec's in its hands? */
static bool has_wanted(const struct child *child)
{
	for (unsigned at = child->first; at < child->last; at++)
		if (slot_is_wanted(&child->slots[at]))
			return true;
	return false;
}

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
	child_wait_for(child, WAIT_NOTHING, 0);
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
	child_wait_for(child, WAIT_IDLE, (uint64_t)child->program->idle_ms);
}

/* ---- its handles ---- */

static void child_handle_closed(uv_handle_t *handle)
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

/* ---- ending it ---- */

/* Its whole group: what it has started goes with it. */
static void send_signal(const struct child *child, int number)
{
	if (!child->exited)
		kill(-child->pid, number);
}

static void terminate(struct child *child)
{
	stage_count(child->program->meter, "child_terminated", 1);
	send_signal(child, SIGTERM);
	child_wait_for(child, WAIT_TERM, (uint64_t)child->program->kill_ms);
}

static void kill_now(struct child *child)
{
	stage_count(child->program->meter, "child_killed", 1);
	send_signal(child, SIGKILL);
}

void child_condemn(struct child *child, const char *event, const char *why)
{
	if (child->condemned || child->exited)
		return;
	child->condemned = true;
	child->event = event;
	snprintf(child->why, sizeof(child->why), "%s", why);
	if (child->idle)
		TAILQ_REMOVE(&child->program->idle, child, place);
	child->idle = false;
	if (!uv_is_closing((uv_handle_t *)&child->in))
		uv_close((uv_handle_t *)&child->in, child_handle_closed);
	if (why[0] == '\0') /* it did nothing wrong: the end of its input says enough */
		child_wait_for(child, WAIT_END, (uint64_t)child->program->kill_ms);
	else
		terminate(child);
}

void child_retire(struct child *child)
{
	child_condemn(child, "child_retired", "");
}

static void condemn_held_up(struct child *child)
{
	child->held_up = true;
	child_condemn(child, "child_held_up", "the program did not let go of an item in time");
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
		child_condemn(child, "child_closed_output", "the program closed its output");
	else if (wait == WAIT_END)
		terminate(child);
	else if (wait == WAIT_TERM)
		kill_now(child);
	else if (wait == WAIT_PIPE)
		child_finish(child);
}

void child_wait_for(struct child *child, enum child_wait wait, uint64_t ms)
{
	child->wait = wait;
	if (wait == WAIT_NOTHING)
		uv_timer_stop(&child->timer);
	else
		uv_timer_start(&child->timer, timer_fired, ms, 0);
}

/* ---- its end ---- */

void child_close_handles(struct child *child)
{
	uv_handle_t *handles[] = { (uv_handle_t *)&child->process, (uv_handle_t *)&child->in,
		(uv_handle_t *)&child->out, (uv_handle_t *)&child->err,
		(uv_handle_t *)&child->timer };

	for (unsigned at = child->is_process ? 0 : 1; at < 5; at++)
		if (!uv_is_closing(handles[at]))
			uv_close(handles[at], child_handle_closed);
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
	slot->answered = true;
	task_item_over(slot->task, stage_fail(slot->item, STAGE_TRANSIENT, "%s", reason));
}

/* For another child. Of a batch each by itself: whoever is to blame fails alone. */
static void put_back(struct exec *exec, struct slot *slot, bool alone, const char *reason)
{
	struct task *task = slot->task;

	if (task->batch)
		task = task_piece(task, slot->item);
	if (task == NULL) {
		fail_slot(slot, reason);
		return;
	}
	slot->answered = true;
	task->alone |= alone;
	exec_put_back(exec, task);
	stage_count(exec->program->meter, "item_put_back", 1);
}

static unsigned count_wanted(const struct child *child)
{
	unsigned count = 0;

	for (unsigned at = child->first; at < child->last; at++)
		count += slot_is_wanted(&child->slots[at]);
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
		if (broken || wanted == 1 || (!known && !child->program->framed && oldest))
			fail_slot(slot, reason);
		else
			put_back(exec, slot, !known && child->program->framed, reason);
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

static void count_end(const struct child *child)
{
	struct stage_meter *meter = child->program->meter;
	const char *event = child->event != NULL      ? child->event
			    : could_not_start(child)  ? "child_not_started"
			    : child->exit_signal != 0 ? "child_died"
						      : "child_ended";

	stage_count(meter, event, 1);
	stage_level(meter, "children", -1);
}

/* It has ended, and all that it wrote was read. */
void child_finish(struct child *child)
{
	struct program *program = child->program;
	struct exec *exec = child->exec;
	char reason[REASON_SIZE];
	bool retired = child->condemned && child->why[0] == '\0';

	if (child->over)
		return;
	child->over = true;
	say_end(child, reason);
	child_log_rest(child);
	count_end(child);
	if (child->idle)
		TAILQ_REMOVE(&program->idle, child, place);
	child->idle = false;
	if (!child->answered_once && !retired && program->loop != NULL)
		program_note_death(program, reason, could_not_start(child));
	detach(child);
	child_drop_answered(child);
	if (exec != NULL)
		settle_slots(child, exec, reason);
	TAILQ_REMOVE(&program->children, child, link);
	program->child_count--;
	child_close_handles(child);
	if (exec != NULL && program->loop != NULL)
		program_dispatch(program, exec);
	if (program->loop != NULL)
		program_dispatch_all(program);
}

void child_exited(uv_process_t *process, int64_t status, int number)
{
	struct child *child = process->data;

	child->exit_status = status;
	child->exit_signal = number;
	kill(-child->pid, SIGKILL); /* what it has left behind in its group */
	child->exited = true;
	if (child->out_ended)
		child_finish(child);
	else
		child_wait_for(child, WAIT_PIPE, PIPE_MS);
}
