/*
 * A stage of a pipeline: may it start, how fast, and where its time goes. See pipeline.h; the
 * pipeline's lock is held throughout.
 */
#include "base/clock.h"
#include "engine/internal.h"

/* Also where it runs isolated, and another stage stands in for it. */
static bool is_serial(const struct stage_run *run)
{
	return run->def->stage->threads == STAGE_SERIAL;
}

struct stage_counts stage_run_counts(const struct stage_run *run)
{
	struct stage_counts counts = run->counts;

	if (run->latency != NULL) {
		counts.p50_ns = histogram_quantile(run->latency, 0.5);
		counts.p99_ns = histogram_quantile(run->latency, 0.99);
		counts.max_ns = run->latency->max;
	}
	return counts;
}

void stage_run_measure(struct stage_run *run, uint64_t ns, uint32_t items)
{
	if (items == 0)
		return;
	if (run->latency == NULL)
		run->latency = mem_zalloc(sizeof(*run->latency));
	if (run->latency != NULL)
		histogram_add(run->latency, MAX(ns / items, 1ull), items);
	tally_add(&run->times, &tally_time, ns, items);
}

static bool is_blocked(const struct stage_run *run)
{
	return run->queue.count > 0 && pipeline_downstream_room(run->pipeline, run) == 0;
}

/*
 * Called before anything changes. A stage that was blocked begins again as soon as there is
 * room, so that at this moment there always is: what it waited for was noted when the wait
 * began.
 */
void stage_run_account(struct stage_run *run, uint64_t now_ns)
{
	struct pipeline *pipeline = run->pipeline;
	struct usage *usage = &run->usage;
	uint64_t capacity = stage_run_capacity(run);
	double dt = now_ns > usage->last_ns ? (double)(now_ns - usage->last_ns) : 0;
	double busy = MIN((double)run->active / (double)capacity, 1.0);

	usage->last_ns = MAX(usage->last_ns, now_ns);
	usage->busy_ns += dt * busy;
	if (pipeline->paused || (run->queue.count == 0 && !usage->blocked_now))
		usage->starved_ns += dt * (1 - busy);
	else if (usage->blocked_now || is_blocked(run))
		usage->blocked_ns += dt * (1 - busy);
	else
		usage->busy_ns +=
			dt * (1 - busy); /* it has work and room: the CPU is what lacks */
	stage_run_note(run);
}

void stage_run_note(struct stage_run *run)
{
	run->usage.blocked_now = is_blocked(run);
}

/* How many activations or calls of it can really be under way at once. */
uint64_t stage_run_capacity(const struct stage_run *run)
{
	unsigned threads = scheduler_threads(run->pipeline->engine->scheduler);

	if (run->stage->kind != STAGE_MAP || is_serial(run))
		return 1;
	switch (run->stage->threads) {
	case STAGE_PARALLEL:
		return MIN(run->workers, threads);
	default:
		return (uint64_t)run->workers * MAX(run->per_worker, 1u);
	}
}

unsigned stage_run_busy(const struct stage_run *run)
{
	unsigned per_worker = MAX(run->per_worker, 1u);

	/* Some are still in hand that more workers, or a wider window, have begun. */
	return MIN((run->active + per_worker - 1) / per_worker, run->workers);
}

uint64_t pipeline_downstream_room(const struct pipeline *pipeline, const struct stage_run *run)
{
	if (run->overflow.count > run->overflow_at)
		return 0;
	if (run->index + 1 < pipeline->end)
		return queue_room(&run[1].queue);
	return tail_has_room(pipeline) ? UINT32_MAX : 0;
}

static double refill(struct stage_run *run, uint64_t now_ns)
{
	double rate = run->def->rate_per_s;
	double burst = MAX(rate / 10, 1.0);

	if (now_ns > run->tokens_ns) {
		run->tokens += rate * (double)(now_ns - run->tokens_ns) / (double)NS_PER_S;
		run->tokens = MIN(run->tokens, burst);
		run->tokens_ns = now_ns;
	}
	return run->tokens;
}

uint64_t stage_run_take_tokens(struct stage_run *run, uint64_t n, uint64_t now_ns)
{
	double rate = run->def->rate_per_s, tokens;

	if (rate <= 0)
		return n;
	tokens = refill(run, now_ns);
	if (tokens < 1) {
		pipeline_due(run->pipeline,
			now_ns + (uint64_t)((1 - tokens) / rate * (double)NS_PER_S) + 1);
		return 0;
	}
	n = MIN(n, (uint64_t)tokens);
	run->tokens -= (double)n;
	return n;
}

bool stage_run_has_tokens(struct stage_run *run, uint64_t now_ns)
{
	if (run->def->rate_per_s <= 0 || refill(run, now_ns) >= 1)
		return true;
	stage_run_take_tokens(run, 1, now_ns); /* sets the timer */
	return false;
}

void stage_run_return_tokens(struct stage_run *run, uint64_t n)
{
	if (run->def->rate_per_s > 0)
		run->tokens += (double)n;
}

void stage_run_spend_tokens(struct stage_run *run, uint64_t n)
{
	if (run->def->rate_per_s <= 0)
		return;
	refill(run, clock_mono_ns());
	run->tokens -= (double)n;
}

unsigned stage_run_batch_max(const struct stage_run *run)
{
	if (run->stage->run_batch == NULL || run->stage->kind == STAGE_SOURCE)
		return 0;
	if (run->def->batch_items > 0)
		return run->def->batch_items;
	/* A flush holds many already: nothing waits for them to be more. */
	if (run->stage->kind == STAGE_SINK && run->stage->batch_items == 0)
		return SINK_BATCH_DEFAULT;
	return run->stage->batch_items;
}

/* Will nothing more be fed, or not before something in the pipeline comes to its end? */
static bool feed_stands(struct pipeline *pipeline)
{
	/* A server that drains feeds nothing more, and what waits holds it up. */
	if (pipeline->no_feed)
		return true;
	/* What stays in there is refused: by the bytes of the first queue, or the window. */
	pipeline_feed(pipeline);
	return !list_empty(&pipeline->inbox) || (pipeline->input_over && !pipeline->cold);
}

/* Is nothing on its way to this stage? Then there is nothing to wait for. */
static bool is_last_of_all(const struct stage_run *run)
{
	struct pipeline *pipeline = run->pipeline;

	/* The stage before it may hold what this one's queue has no bytes left for. */
	pipeline_drain_overflow(pipeline);
	if (run->index > pipeline->first && run[-1].overflow.count > 0)
		return true;
	if (pipeline->delayed_count > 0 || !feed_stands(pipeline))
		return false;
	for (const struct stage_run *at = &pipeline->stages[pipeline->first]; at < run; at++)
		if (at->queue.count > 0 || at->active > 0 || at->overflow.count > 0)
			return false;
	return true;
}

/* May a call begin with what is there, or shall it wait for more? Sets the timer for that. */
static bool batch_is_due(struct stage_run *run, uint64_t now_ns)
{
	uint64_t due_ns;

	if (run->def->batch_wait_ms == 0 || run->queue.count >= run->batch_max ||
		queue_room(&run->queue) == 0 || is_last_of_all(run))
		return true;
	due_ns = run->batch_since_ns + run->def->batch_wait_ms * NS_PER_MS;
	if (due_ns > now_ns)
		pipeline_due(run->pipeline, due_ns);
	return due_ns <= now_ns;
}

uint64_t pipeline_startable(struct pipeline *pipeline, struct stage_run *run, uint64_t now_ns)
{
	uint64_t most = is_serial(run) ? 1 : (uint64_t)run->workers * MAX(run->per_worker, 1u);
	uint64_t room;

	/* Also while all workers are busy: that time counts. */
	if (run->batch_since_ns == 0 && run->queue.count > 0 && run->def->batch_wait_ms > 0)
		run->batch_since_ns = now_ns;
	if (run->queue.count == 0 || run->active >= most || pipeline->paused ||
		pipeline->output_full || pipeline->stopped)
		return 0;
	if (!stage_run_has_tokens(run, now_ns))
		return 0;
	if (run->batch_max > 0 && !batch_is_due(run, now_ns))
		return 0;
	room = pipeline_downstream_room(pipeline, run);
	return MIN(room, (uint64_t)run->queue.count);
}
