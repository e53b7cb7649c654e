#include "engine/totals.h"

#include "base/mem.h"
#include "engine/pipeline.h"

int totals_init(struct totals *totals, const struct registry *registry)
{
	size_t count = registry_count(registry);

	pthread_mutex_init(&totals->lock, NULL);
	totals->stages = mem_zalloc((count + 1) * sizeof(totals->stages[0]));
	totals->meters = mem_zalloc((count + 1) * sizeof(totals->meters[0]));
	if (totals->stages == NULL || totals->meters == NULL)
		return -1;
	for (size_t at = 0; at < count; at++) {
		meter_init(&totals->meters[at]);
		totals->stages[at].stage = registry_at(registry, at);
		totals->stages[at].meter = &totals->meters[at];
	}
	totals->stage_count = (unsigned)count;
	return 0;
}

void totals_done(struct totals *totals)
{
	for (unsigned at = 0; at < totals->stage_count; at++)
		meter_done(&totals->meters[at]);
	mem_free(totals->stages);
	mem_free(totals->meters);
	totals->stages = NULL;
	totals->meters = NULL;
	totals->stage_count = 0;
	pthread_mutex_destroy(&totals->lock);
}

/* ---- stages ---- */

struct stage_totals *totals_of(struct totals *totals, const struct stage *stage)
{
	for (unsigned at = 0; at < totals->stage_count; at++)
		if (totals->stages[at].stage == stage)
			return &totals->stages[at];
	return NULL;
}

static void take_counts(struct stage_totals *to, struct stage_run *run)
{
	const struct stage_counts *now = &run->counts, *told = &run->told;

	if (now->in != told->in) { /* whatever is measured counts as dealt with */
		tally_merge(&to->times, &run->times);
		run->times = (struct tally){ 0 };
	}
	to->in += now->in - told->in;
	to->out += now->out - told->out;
	to->filtered += now->filtered - told->filtered;
	to->failed += now->failed - told->failed;
	to->retries += now->retries - told->retries;
	run->told = run->counts;
}

static void take_times(struct stage_totals *to, struct stage_run *run)
{
	const struct usage *usage = &run->usage;

	to->busy_ns += usage->busy_ns - run->told_busy;
	to->blocked_ns += usage->blocked_ns - run->told_blocked;
	to->starved_ns += usage->starved_ns - run->told_starved;
	run->told_busy = usage->busy_ns;
	run->told_blocked = usage->blocked_ns;
	run->told_starved = usage->starved_ns;
}

void totals_take(struct totals *totals, struct pipeline *pipeline)
{
	pthread_mutex_lock(&totals->lock);
	for (unsigned at = 0; at < pipeline->count; at++) {
		struct stage_run *run = &pipeline->stages[at];

		if (run->totals == NULL)
			continue;
		take_counts(run->totals, run);
		take_times(run->totals, run);
	}
	pthread_mutex_unlock(&totals->lock);
}

/* ---- items ---- */

/* clang-format off */
#define ITEM_TOTALS(X)                  \
	X(received, received)           \
	X(bytes, bytes)                 \
	X(succeeded, succeeded)         \
	X(filtered, filtered)           \
	X(failed, failed)               \
	X(cancelled, cancelled)         \
	X(results, results)             \
	X(result_bytes, result_bytes)   \
	X(failures, next_failure)
/* clang-format on */

struct item_totals totals_before(const struct job_record *record)
{
	return (struct item_totals){
#define X(total, field) .total = record->field,
		ITEM_TOTALS(X)
#undef X
	};
}

/* What failed and runs again is taken back in a job, never here. */
void totals_after(struct totals *totals, const struct item_totals *before,
	const struct job_record *record)
{
#define X(total, field)                    \
	if (record->field > before->total) \
		totals->open.total += record->field - before->total;
	ITEM_TOTALS(X)
#undef X
}

void totals_commit(struct totals *totals)
{
	pthread_mutex_lock(&totals->lock);
#define X(total, field) totals->items.total += totals->open.total;
	ITEM_TOTALS(X)
#undef X
	pthread_mutex_unlock(&totals->lock);
	totals->open = (struct item_totals){ 0 };
}

void totals_abort(struct totals *totals)
{
	totals->open = (struct item_totals){ 0 };
}
