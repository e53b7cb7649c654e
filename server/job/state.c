#include "job/state.h"

#include <string.h>

#define BIT(state) (1u << (state))

static const char *const names[] = {
#define X(state, name) [state] = name,
	JOB_STATES(X)
#undef X
};

static const unsigned may_follow[JOB_STATE_COUNT] = {
	[JOB_RUNNING] =
		BIT(JOB_PAUSED) | BIT(JOB_FINISHING) | BIT(JOB_FAILED) | BIT(JOB_CANCELLED),
	[JOB_PAUSED] =
		BIT(JOB_RUNNING) | BIT(JOB_FINISHING) | BIT(JOB_FAILED) | BIT(JOB_CANCELLED),
	[JOB_FINISHING] =
		BIT(JOB_SUCCEEDED) | BIT(JOB_FAILED) | BIT(JOB_CANCELLED) | BIT(JOB_RUNNING),
	[JOB_SUCCEEDED] = BIT(JOB_RUNNING),
	[JOB_FAILED] = 0,
	[JOB_CANCELLED] = 0,
};

const char *job_state_name(enum job_state state)
{
	return names[state];
}

bool job_state_parse(const char *name, enum job_state *ret_state)
{
	for (int state = 0; state < JOB_STATE_COUNT; state++) {
		if (strcmp(names[state], name) == 0) {
			*ret_state = state;
			return true;
		}
	}
	return false;
}

bool job_state_may_follow(enum job_state from, enum job_state to)
{
	return (may_follow[from] & BIT(to)) != 0;
}

bool job_state_is_done(enum job_state state)
{
	return (BIT(state) & (BIT(JOB_SUCCEEDED) | BIT(JOB_FAILED) | BIT(JOB_CANCELLED))) != 0;
}
