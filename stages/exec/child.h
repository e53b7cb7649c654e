/*
 * child: one process of a program, its three pipes, and the items in its hands.
 *
 * What it is to do is gathered and written once a turn of the loop; what it answers is taken
 * apart line by line. How many items it is given ahead follows from how long it takes for one:
 * about WORK_NS of work, so that an item's deadline is its own.
 *
 * It is a process group of its own. It ends by the end of its input, then SIGTERM to the group,
 * then SIGKILL; with the server it dies at once, even when that is killed (cli/exec_child.c).
 *
 * Thread: loop.
 */
#ifndef LEAT_EXEC_CHILD_H
#define LEAT_EXEC_CHILD_H

#include "program.h"
#include "window.h"

/* An item in its hands, in the order in which they were given. */
struct slot {
	struct task *task; /* NULL: nobody wants it any more */
	struct stage_ctx *item;
	uint64_t hash;     /* of its id */
	uint64_t since_ns; /* when it was given */
	bool answered;
};

enum child_wait {
	WAIT_NOTHING,
	WAIT_IDLE,  /* then it has been idle for long */
	WAIT_GRACE, /* then what nobody wants any more has still no answer */
	WAIT_END,   /* then it has not ended although its input has: SIGTERM */
	WAIT_TERM,  /* then it has not ended, and is killed */
	WAIT_EXIT,  /* then it has closed its output and not ended */
	WAIT_PIPE,  /* then what it left behind still holds its pipes */
};

struct bytes {
	char *data;
	size_t len, capacity;
};

struct child {
	TAILQ_ENTRY(child) link, place; /* of all; of the idle ones, or of its exec's */
	struct program *program;
	struct exec *exec; /* whose items it has; NULL: nobody's */
	char *key;         /* the parameters that it was started with */
	char *use;
	int pid;

	uv_process_t process;
	uv_pipe_t in, out, err;
	uv_timer_t timer;
	unsigned handles;
	enum child_wait wait;
	bool is_process; /* there is that handle */
	bool idle, condemned, exited, out_ended, over, dirty, writing, answered_once;
	bool held_up; /* it was condemned for an item that nobody wanted any more */
	int64_t exit_status;
	int exit_signal;
	const char *event; /* as what its end is counted; NULL: it was its own */

	struct bytes todo, under_way; /* to be written; being written */
	uv_write_t write;
	struct bytes lines, text; /* read, not yet taken apart */

	struct slot *slots; /* from first to last */
	unsigned first, last, capacity;
	unsigned load; /* without an answer */

	struct window window;

	char said[200]; /* the last line of its stderr */
	uint64_t log_ms;
	unsigned log_left;
	uint64_t log_skipped;
	char why[REASON_SIZE]; /* it was condemned; empty: it was not */
};

/* -1, with a reason in the program's, when there can be none. */
int child_start(struct program *program, const struct exec *exec, struct child **ret);
/* False without memory: nothing was given. */
bool child_give(struct child *child, struct task *task);
/* Nobody wants the item of this ctx (or batch) any more: its task, whole, if any of it was in
 * these hands. */
struct task *child_forget(struct child *child, const struct stage_ctx *ctx);
/* After anything was answered or forgotten: whose is it now? */
void child_settle(struct child *child);
/* Write what has gathered. */
void child_flush(struct child *child);
/* Nothing is in its hands: end it. */
void child_retire(struct child *child);
bool child_may_take(const struct child *child, const struct task *task);

#endif
