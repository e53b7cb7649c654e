/*
 * state: where a job is in its life.
 *
 *	            pause                    all items over
 *	 running ─────────► paused    running ─────────► finishing ─────────► succeeded
 *	    ▲─────────────────┘          ▲    report made, last commit            │
 *	            resume               └─────────── failures/retry ◄────────────┘
 *
 *	 running, paused, finishing ──► cancelled      (by request)
 *	 running, paused, finishing ──► failed         (limits, on_error fail, a stage)
 *
 * A paused job whose last item has ended goes to finishing all the same: nothing is left to
 * hold back. The table in state.c is the only place that knows what may follow what.
 */
#ifndef LEAT_JOB_STATE_H
#define LEAT_JOB_STATE_H

#include <stdbool.h>

/* clang-format off */
#define JOB_STATES(X)                 \
	X(JOB_RUNNING, "running")     \
	X(JOB_PAUSED, "paused")       \
	X(JOB_FINISHING, "finishing") \
	X(JOB_SUCCEEDED, "succeeded") \
	X(JOB_FAILED, "failed")       \
	X(JOB_CANCELLED, "cancelled")

enum job_state {
#define X(state, name) state,
	JOB_STATES(X)
#undef X
		JOB_STATE_COUNT
};
/* clang-format on */

const char *job_state_name(enum job_state state);
/* False when there is no such state. */
bool job_state_parse(const char *name, enum job_state *ret_state);
bool job_state_may_follow(enum job_state from, enum job_state to);
/* succeeded, failed, cancelled. */
bool job_state_is_done(enum job_state state);

#endif
