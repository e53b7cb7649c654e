#include "client/patience.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"

#define FIRST_MS 100u
#define LAST_MS  5000u

bool patience_reset(struct patience *patience)
{
	bool had_failed = patience->failures > 0;

	patience->failures = 0;
	patience->since_ns = 0;
	return had_failed;
}

bool patience_next(struct patience *patience, uint64_t least_ms, unsigned *ret_wait_ms)
{
	uint64_t now_ns = clock_mono_ns(), spent_ms;
	uint64_t step_ms =
		MIN((uint64_t)FIRST_MS << MIN(patience->failures, 10u), (uint64_t)LAST_MS);

	if (patience->failures == 0)
		patience->since_ns = now_ns;
	patience->failures++;
	spent_ms = (now_ns - patience->since_ns) / NS_PER_MS;
	if (spent_ms >= patience->patience_ms)
		return false;
	/* Between half and all of the step, and the last attempt at the very end. */
	step_ms = MAX(step_ms / 2 + random_below(step_ms / 2 + 1), least_ms);
	*ret_wait_ms = (unsigned)MIN(step_ms, patience->patience_ms - spent_ms + 1);
	return true;
}
