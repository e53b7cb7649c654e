#include <criterion/criterion.h>

#include <string.h>

#include "job/state.h"

/* Row: from; column: to. In the order of JOB_STATES. */
static const char *const picture[JOB_STATE_COUNT] = {
	/*                R P F S X C */
	[JOB_RUNNING] = ".xx.xx",
	[JOB_PAUSED] = "x.x.xx",
	[JOB_FINISHING] = "x..xxx",
	[JOB_SUCCEEDED] = "x.....",
	[JOB_FAILED] = "......",
	[JOB_CANCELLED] = "......",
};

Test(state, may_follow_is_the_picture_in_the_header)
{
	for (int from = 0; from < JOB_STATE_COUNT; from++)
		for (int to = 0; to < JOB_STATE_COUNT; to++)
			cr_expect(job_state_may_follow(from, to) == (picture[from][to] == 'x'),
				"%s, %s", job_state_name(from), job_state_name(to));
}

Test(state, names_read_back)
{
	enum job_state state;

	for (int i = 0; i < JOB_STATE_COUNT; i++) {
		cr_expect(job_state_parse(job_state_name(i), &state));
		cr_expect(state == (enum job_state)i);
	}
	cr_expect(!job_state_parse("Running", &state));
	cr_expect(!job_state_parse("", &state));
	cr_expect(!job_state_parse("runningx", &state));
}

Test(state, done_is_what_a_client_waits_for)
{
	for (int i = 0; i < JOB_STATE_COUNT; i++)
		cr_expect(job_state_is_done(i) ==
			  (i == JOB_SUCCEEDED || i == JOB_FAILED || i == JOB_CANCELLED));
}
