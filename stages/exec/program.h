/*
 * program: what an operator registered under a stage's name, and the children that run it.
 *
 *	struct exec (a job's stage)          struct program (a file of stages.d)
 *	pending tasks ──dispatch──► child ×n ─┐  all its children, idle ones among them,
 *	                             ▲        │  whoever waits for one, when the next may start
 *	                  idle, warm └────────┘
 *
 * A child belongs to a job's stage as long as it has items of it in its hands, and to nobody
 * else. Without any it stands in the idle list with its key, the parameters that it was started
 * with, and serves whoever wants the same; after idle_ms it is ended.
 *
 * Thread: loop, but for program_configure() and program_done().
 */
#ifndef LEAT_EXEC_PROGRAM_H
#define LEAT_EXEC_PROGRAM_H

#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

#include "stage.h"

/* glibc's sys/queue.h has no walk during which the element at hand may go. */
#define TAILQ_FOREACH_SAFE_(var, head, field, next)                                            \
	for ((var) = TAILQ_FIRST(head); (var) != NULL && ((next) = TAILQ_NEXT(var, field), 1); \
		(var) = (next))

struct child;
struct exec;
TAILQ_HEAD(child_list, child);
TAILQ_HEAD(exec_list, exec);
TAILQ_HEAD(task_list, task);

#define REASON_SIZE 280

/* The configuration; its first part is filled from the file by the table in exec.c. */
struct program {
	const char *argv_text, *env_text, *limits_text; /* JSON */
	const char *protocol, *cwd, *user;
	int64_t idle_ms, kill_ms, window_max, children_max, line_max;

	/* made of it by program_configure() */
	char **argv; /* of leat exec-child, the program's own behind it; NULL-terminated */
	char **env;  /* what is the same for all children; NULL-terminated */
	bool framed;

	/* loop's */
	uv_loop_t *loop;  /* NULL: never used, or ended */
	uv_timer_t again; /* the system was short of something: when children are tried again */
	uv_prepare_t prepare;
	struct child_list children, idle;
	struct exec_list waiting; /* that have pending tasks */
	struct stage_meter *meter;
	unsigned child_count;
	unsigned deaths;          /* in a row, of children that never answered */
	uint64_t start_ms;        /* while it is broken no child is started before */
	char reason[REASON_SIZE]; /* of the last such death */
	bool ended;
};

/* Check and translate; stage_fail() has said what is wrong. */
enum stage_result program_configure(struct program *program, struct stage_ctx *ctx);
void program_done(struct program *program);

/* At the first item. */
void program_begin(struct program *program, struct stage_ctx *ctx);
/* End all children; the loop closes the rest. */
void program_end(struct program *program);

/*
 * A task of one item or of a batch. What a dead child leaves of a batch goes on in pieces, an
 * item each; the batch itself is over with the last of them.
 */
struct task {
	TAILQ_ENTRY(task) link; /* of its exec's pending ones */
	struct exec *exec;
	struct stage_ctx *ctx;  /* of the item, or of the (whole) batch */
	struct stage_ctx *item; /* a piece: its item */
	struct task *whole;     /* a piece: the batch that it is of */
	unsigned left;          /* items without an answer */
	bool batch;
	bool alone; /* it is to be its child's only one: a child has died with it before */
};

/* A job's stage. */
struct exec {
	struct program *program; /* NULL: nothing was run yet */
	const char *use, *params;
	size_t params_len;
	struct task_list pending;
	struct child_list children; /* with items of it in hand */
	unsigned child_count;
	unsigned window,
		told; /* items that a child had better have in hand; what the engine knows */
	bool waiting;
	TAILQ_ENTRY(exec) link;
};

/* Give pending tasks to children, starting some where there may be more. */
void program_dispatch(struct program *program, struct exec *exec);
/* The same for everybody who waits. */
void program_dispatch_all(struct program *program);
/* In front of the pending ones. */
void exec_put_back(struct exec *exec, struct task *task);
/* Its item at that place, which must be one without an answer. */
struct stage_ctx *task_item(const struct task *task, unsigned at);
/* The task is over: all its items are, or `result` is their fate. Frees it. */
void task_end(struct task *task, enum stage_result result);
/* One of its items is, with this result; the last one ends the task. */
void task_item_over(struct task *task, enum stage_result result);
/* A task of this item alone; NULL without memory. */
struct task *task_piece(struct task *task, struct stage_ctx *item);
/* Nobody wants it any more. Frees it if it is a piece; returns the whole. */
struct task *task_forget(struct task *task);

/* A child has died without ever having answered; or one has answered. */
void program_note_death(struct program *program, const char *reason, bool cannot_start);
void program_note_life(struct program *program);
/* The system could not start one just now; another try comes by itself. */
void program_note_shortage(struct program *program);
/* Is it the program itself that does not work, whatever it is given? */
bool program_is_broken(const struct program *program);

#endif
