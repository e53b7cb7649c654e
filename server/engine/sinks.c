#include "engine/sinks.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/role.h"
#include "engine/internal.h"
#include "engine/sink_turn.h"

#define TURN_NS    NS_PER_S /* how long a turn should take, at most */
#define RATE_TURNS 10       /* a second, of a sink that is throttled */

static bool report_due(const struct pipeline *pipeline)
{
	return pipeline->report_wanted && !pipeline->report_done && pipeline->flush == NULL;
}

bool sink_possible(struct pipeline *pipeline)
{
	uint64_t due_ns;

	if (pipeline->sink == NULL || pipeline->sink_busy || pipeline->stopped)
		return false;
	if (pipeline->flush == NULL)
		return report_due(pipeline);
	due_ns = tail_due_ns(pipeline);
	if (due_ns > clock_mono_ns()) {
		pipeline_due(pipeline, due_ns);
		return false;
	}
	return pipeline->flush->sunk.count == 0 ||
	       stage_run_has_tokens(pipeline->sink, clock_mono_ns());
}

void pipeline_set_sink_items(struct pipeline *pipeline, uint64_t items)
{
	const struct stage_run *run = pipeline->sink;

	if (run == NULL)
		return;
	/* Not many seconds' worth of a rate at once: it is to be a rate, not bursts. */
	if (run->def->rate_per_s > 0)
		items = MIN(items, (uint64_t)(run->def->rate_per_s / RATE_TURNS));
	pipeline->sink_items = MAX(items, (uint64_t)MAX(run->batch_max, 1u));
}

/* A call that is not about items: state and report. */
static enum stage_result call_without_item(struct turn *turn, stage_call call)
{
	turn->ctx.item = NULL;
	turn->ctx.failed = false;
	turn->ctx.emitter->out.count = 0;
	turn->ctx.item_bytes = 0;
	if (turn_call(turn, call) == STAGE_OK && !turn->ctx.failed)
		return STAGE_OK;
	if (!turn->ctx.failed)
		ctx_fail(&turn->ctx, FAILURE_PERMANENT, "it gave no reason");
	return STAGE_FAILED;
}

/* Without its state the items it has taken must not count: see settle(). */
static void checkpoint(struct flush *flush, struct turn *turn)
{
	struct stage_run *run = turn->run;
	const struct verdict *verdict = &turn->ctx.verdict;
	unsigned attempts = 0;

	if (run->stage->checkpoint == NULL || turn->cut)
		return;
	turn->ctx.state_out = &flush->state;
	while (call_without_item(turn, run->stage->checkpoint) != STAGE_OK) {
		if (stage_run_sleeps(run) && turn_again(turn, ++attempts))
			continue;
		if (turn->cut)
			return;
		/* Where it cannot wait, what is tried again is the whole job, from the ledger.
		 */
		if (verdict->kind == FAILURE_TRANSIENT && !stage_run_sleeps(run))
			error_no_memory(&turn->failure);
		else
			error_set(&turn->failure, ERR_JOB_STAGE,
				"sink '%s' could not save its state: %s", run->def->name,
				verdict->text);
		return;
	}
	flush->has_state = flush->state.len > 0;
}

/* Nothing comes behind it that could bring it again, so it is tried like an item. */
static char *make_report(struct turn *turn)
{
	struct stage_run *run = turn->run;
	const struct items *out = &turn->ctx.emitter->out;
	char *report = NULL;

	if (run->stage->report == NULL)
		return NULL;
	for (unsigned n = 1; n <= run->def->attempts; n++) {
		bool made = call_without_item(turn, run->stage->report) == STAGE_OK;

		if (made && out->count > 0)
			report = mem_strndup(item_text(&out->at[0]), out->at[0].len);
		if (report != NULL || (made && out->count == 0))
			break;
		if (made)
			ctx_fail(&turn->ctx, FAILURE_TRANSIENT, "out of memory");
		if (stage_run_sleeps(run) && !turn_again(turn, n))
			break;
	}
	turn->ctx.emitter->out.count = 0;
	return report;
}

/* Lock held. So much may gather for it as it does in a second: what it has done is on disk
 * soon, and a crash does not make it do an hour's work again. */
static void learn_speed(struct pipeline *pipeline, uint64_t ns, uint32_t items)
{
	struct stage_run *run = pipeline->sink;
	uint64_t each = MAX(ns / MAX(items, 1u), 1ull), max = SINK_ITEMS_MAX;

	if (items == 0)
		return;
	if (stage_run_sleeps(run)) /* what it works with may be slow all of a sudden */
		max /= 4;
	run->ns_per_item = run->ns_per_item == 0 ? each : (run->ns_per_item * 3 + each) / 4;
	pipeline_set_sink_items(pipeline, MIN(TURN_NS / run->ns_per_item, max));
	stage_run_measure(run, ns, items);
}

/* Lock held. The turn is over. */
static void settle(struct pipeline *pipeline, struct turn *turn, struct flush *flush)
{
	struct stage_run *run = turn->run;

	turn_tell(turn);
	if (pipeline->failure.code == ERR_NONE)
		pipeline->failure = turn->failure;
	if (flush == NULL)
		return;
	if (pipeline->stopped || turn->failure.code == ERR_NO_MEMORY ||
		turn->failure.code == ERR_JOB_STAGE) {
		pipeline->flush_bytes -= MIN(pipeline->flush_bytes, flush->accounted);
		pipeline->flushes--;
		flush_drop(flush);
		return;
	}
	if (flush->stages != NULL)
		flush->stages[run->index] = stage_run_counts(run);
	committer_submit(pipeline->engine->committer, &flush->op);
}

/* Lock not held. */
static char *work(struct turn *turn, struct flush *flush)
{
	char *report = NULL;

	if (flush != NULL) {
		turn_take_items(turn, flush);
		FAULT_POINT("sink-took");
		checkpoint(flush, turn);
		FAULT_POINT("sink-checkpoint");
	} else {
		report = make_report(turn);
		FAULT_POINT("sink-reported");
	}
	worker_release(turn->run, &turn->ctx);
	return report;
}

bool sink_run(struct pipeline *pipeline)
{
	struct stage_run *run = pipeline->sink;
	struct emitter emitter = { 0 };
	struct turn turn = { .run = run, .ctx = { .run = run, .emitter = &emitter } };
	uint64_t began_ns = clock_mono_ns();
	struct flush *flush;
	char *report;

	assert_on(stage_run_sleeps(run) ? ROLE_BLOCKING : ROLE_COMPUTE);
	if (!sink_possible(pipeline))
		return false;
	flush = tail_take(pipeline, began_ns, true);
	if (flush != NULL)
		stage_run_spend_tokens(run, flush->sunk.count);
	stage_run_account(run, began_ns);
	run->active++;
	pipeline->sink_busy = true;
	pipeline->in_hand++;
	pthread_mutex_unlock(&pipeline->lock);
	report = work(&turn, flush);
	pipeline_lock(pipeline);
	stage_run_account(run, clock_mono_ns());
	run->active--;
	pipeline->in_hand--;
	pipeline->sink_busy = false;
	if (flush != NULL)
		learn_speed(pipeline, clock_mono_ns() - began_ns, flush->sunk.count);
	settle(pipeline, &turn, flush);
	if (flush == NULL) {
		pipeline->report = report;
		pipeline->report_done = !turn.cut;
	}
	emitter.out.count = 0;
	emitter_done(&emitter);
	ctx_done(&turn.ctx);
	batch_done(&turn.batch);
	return true;
}
