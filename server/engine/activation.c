#include "engine/activation.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/role.h"
#include "engine/batch.h"
#include "engine/isolated.h"

#define BATCH_MAX   2048
#define CHAIN_MAX   8
#define TARGET_NS   (1 * NS_PER_MS) /* how long an activation should take */
#define LIMIT_NS    (4 * NS_PER_MS) /* when it stops in the middle of its batch */
#define FIRST_BATCH 32              /* while a stage's speed is not known */
#define SLOW_NS     10000           /* an item is worth a look at the clock of its own */
#define MUCH_BYTES  (4u << 20)      /* of outputs: enough for one activation */

/* What became of an item of a step: n >= 0 outputs, or one of these. Of failures the first has
 * the verdict 0, the one below it 1, and so on; there may be no memory for it. */
#define UNTOUCHED ISOLATED_LEFT
#define FAILED    -2
#define NO_REASON INT32_MIN

/* One stage's part of an activation. */
struct step {
	struct stage_run *run;
	struct items in; /* the batch; later steps take over what the one before has put out */
	int32_t *outcome;
	uint32_t outcome_capacity;
	uint32_t done; /* items dealt with */
	uint64_t ns;
	struct emitter emitter;
	struct stage_ctx ctx;
	struct verdict *verdicts; /* of failed items */
	unsigned verdict_count, verdict_capacity;
	bool opened; /* a worker could be had */
	bool slow;   /* as measured so far: look at the clock after each item */
	struct batch batch;
};

struct executor {
	struct pipeline *pipeline;
	struct step steps[CHAIN_MAX];
	unsigned count;
	uint64_t room; /* downstream of the last step, in items */
	uint64_t started_ns;
};

struct executor *executor_new(void)
{
	struct executor *executor = mem_zalloc(sizeof(*executor));

	if (executor == NULL)
		return NULL;
	for (unsigned at = 0; at < CHAIN_MAX; at++)
		executor->steps[at].ctx.emitter = &executor->steps[at].emitter;
	return executor;
}

void executor_free(struct executor *executor)
{
	if (executor == NULL)
		return;
	for (unsigned at = 0; at < CHAIN_MAX; at++) {
		struct step *step = &executor->steps[at];

		ctx_done(&step->ctx);
		emitter_done(&step->emitter);
		mem_free(step->in.at);
		mem_free(step->outcome);
		mem_free(step->verdicts);
		batch_done(&step->batch);
	}
	mem_free(executor);
}

/* ---- begin ---- */

static bool runs_here(const struct stage_run *run)
{
	return run->stage->threads == STAGE_SERIAL || run->stage->threads == STAGE_PARALLEL;
}

static struct stage_run *choose(struct pipeline *pipeline, uint64_t now_ns, uint64_t *ret_room)
{
	for (unsigned at = pipeline->end; at-- > pipeline->first;) {
		struct stage_run *run = &pipeline->stages[at];

		if (!runs_here(run))
			continue;
		*ret_room = pipeline_startable(pipeline, run, now_ns);
		if (*ret_room > 0)
			return run;
	}
	return NULL;
}

bool activation_possible(struct pipeline *pipeline)
{
	uint64_t room;

	return choose(pipeline, clock_mono_ns(), &room) != NULL;
}

/* About a millisecond of work, and something left for other workers that wait. */
static uint32_t batch_size(const struct stage_run *run, uint64_t room)
{
	uint64_t size = FIRST_BATCH, others;

	if (run->ns_per_item > 0)
		size = MAX(TARGET_NS / run->ns_per_item, 1ull);
	others = MIN(stage_run_capacity(run), (uint64_t)run->workers) - run->active;
	/* A process may be long in starting, and an item in it; so may each be until it is
	 * known. */
	if ((run->ns_per_item > SLOW_NS ||
		    (stage_run_isolated(run) && run->ns_per_item == 0)) &&
		others > 1)
		size = MIN(size, MAX(run->queue.count / others, 1ull));
	size = MIN(size, (uint64_t)BATCH_MAX);
	size = queue_portion(&run->queue, MIN(MAX(size, (uint64_t)run->batch_max), room));
	if (run->batch_max > 0 && size > run->batch_max)
		size -= size % run->batch_max; /* the rest may still become a whole one */
	return (uint32_t)size;
}

/* Neighbours that nobody scaled run in one activation, if the next one is quite free. */
static bool fusible(const struct pipeline *pipeline, const struct stage_run *run)
{
	const struct stage_run *next = run + 1;

	return run->index + 1 < pipeline->end && runs_here(run) && runs_here(next) &&
	       !run->def->scaled && !next->def->scaled && run->workers == 1 &&
	       next->workers == 1 && next->active == 0 && next->queue.count == 0 &&
	       next->def->rate_per_s <= 0 && next->def->batch_wait_ms == 0 &&
	       run->overflow.count == run->overflow_at &&
	       pipeline_downstream_room(pipeline, next) > 0;
}

static void step_begin(struct step *step, struct stage_run *run, uint64_t now_ns)
{
	stage_run_account(run, now_ns);
	run->active++;
	step->run = run;
	step->slow = run->ns_per_item > SLOW_NS;
	step->done = 0;
	step->ns = 0;
	step->verdict_count = 0;
	step->ctx.run = run;
	step->ctx.item = NULL; /* for worker_open: it has none */
	step->ctx.failed = false;
}

static int step_reserve(struct items *in, uint32_t count)
{
	struct item *at;

	if (in->capacity >= count)
		return 0;
	at = mem_realloc(in->at, count * sizeof(*at));
	if (at == NULL)
		return -1;
	in->at = at;
	in->capacity = count;
	return 0;
}

static void build_chain(struct executor *executor, struct stage_run *run, uint64_t now_ns)
{
	struct pipeline *pipeline = executor->pipeline;

	step_begin(&executor->steps[0], run, now_ns);
	executor->count = 1;
	while (executor->count < CHAIN_MAX && fusible(pipeline, run)) {
		run++;
		step_begin(&executor->steps[executor->count++], run, now_ns);
	}
	executor->room = pipeline_downstream_room(pipeline, run);
	if (run->index + 1 < pipeline->end) {
		executor->room = MIN(executor->room, (uint64_t)executor->steps[0].in.count);
		run[1].queue.reserved += (uint32_t)executor->room;
	}
}

/* Items that no worker has had before turn from pending to running. */
static void count_begun(struct pipeline *pipeline, struct item *items, uint32_t count)
{
	for (uint32_t at = 0; at < count; at++) {
		pipeline->begun += items[at].flags & ITEM_FRESH;
		items[at].flags &= (uint8_t)~ITEM_FRESH;
	}
}

static bool begin(
	struct executor *executor, struct stage_run *run, uint64_t room, uint64_t now_ns)
{
	struct pipeline *pipeline = run->pipeline;
	struct step *step = &executor->steps[0];
	uint32_t size = batch_size(run, room);

	if (step_reserve(&step->in, size) < 0)
		return false;
	size = (uint32_t)stage_run_take_tokens(run, size, now_ns);
	if (size == 0)
		return false;
	executor->pipeline = pipeline;
	step->in.count = queue_pop(&run->queue, step->in.at, size);
	run->batch_since_ns = 0;
	queue_hold(&run->queue, step->in.at, step->in.count);
	count_begun(pipeline, step->in.at, step->in.count);
	build_chain(executor, run, now_ns);
	executor->started_ns = now_ns;
	pipeline->in_hand++;
	return true;
}

bool activation_begin(struct executor *executor, struct pipeline *pipeline)
{
	uint64_t now_ns = clock_mono_ns(), room = 0;
	struct stage_run *run = choose(pipeline, now_ns, &room);

	return run != NULL && begin(executor, run, room, now_ns);
}

bool activation_begin_stage(struct executor *executor, struct stage_run *run)
{
	uint64_t now_ns = clock_mono_ns();
	uint64_t room = pipeline_startable(run->pipeline, run, now_ns);

	return room > 0 && begin(executor, run, room, now_ns);
}

/* ---- run ---- */

/* Room for so many more reasons; -1 without memory. */
static int reserve_verdicts(struct step *step, unsigned more)
{
	unsigned capacity = MAX(step->verdict_capacity * 2 + 8, step->verdict_count + more);
	struct verdict *verdicts;

	if (step->verdict_capacity - step->verdict_count >= more)
		return 0;
	verdicts = mem_realloc(step->verdicts, capacity * sizeof(*verdicts));
	if (verdicts == NULL)
		return -1;
	step->verdicts = verdicts;
	step->verdict_capacity = capacity;
	return 0;
}

/* Keep the reason; what the item's outcome then is. UNTOUCHED without memory. */
static int32_t keep_verdict(struct step *step, const struct verdict *verdict)
{
	if (reserve_verdicts(step, 1) < 0)
		return UNTOUCHED;
	step->verdicts[step->verdict_count] = *verdict;
	return FAILED - (int32_t)step->verdict_count++;
}

static void set_deadline(struct step *step)
{
	uint64_t timeout_ns = step->run->def->timeout_ms * NS_PER_MS;

	step->ctx.deadline_ns = timeout_ns == 0 ? 0 : clock_mono_ns() + timeout_ns;
}

/* Also where the stage has noticed: who lets go in time shall not be worse off. */
static bool is_late(struct step *step)
{
	if (step->ctx.deadline_ns == 0 || clock_mono_ns() <= step->ctx.deadline_ns)
		return false;
	ctx_fail(&step->ctx, FAILURE_TIMEOUT, "took longer than timeout_ms (%llu)",
		(unsigned long long)step->run->def->timeout_ms);
	return true;
}

static void run_item(struct step *step, const struct item *item)
{
	struct stage_run *run = step->run;
	struct stage_ctx *ctx = &step->ctx;
	enum stage_result result;
	int64_t n;

	ctx_begin(ctx, item);
	set_deadline(step);
	result = run->stage->run(run->instance, ctx);
	if (is_late(step))
		result = STAGE_FAILED;
	n = ctx_end(ctx, result);
	/* Without memory for its reason it stays untouched and runs again. */
	step->outcome[step->done] = n >= 0 ? (int32_t)n : keep_verdict(step, &ctx->verdict);
	if (step->outcome[step->done] != UNTOUCHED)
		step->done++;
}

/* As many as a batch has, and as there is room for; none for want of memory. */
static void run_batch(struct step *step, uint64_t room)
{
	struct stage_run *run = step->run;
	struct stage_ctx *ctx = &step->ctx;
	const struct item *items = step->in.at + step->done;
	unsigned count =
		(unsigned)MIN((uint64_t)MIN(step->in.count - step->done, run->batch_max), room);
	enum stage_result result;

	ctx_begin(ctx, items);
	set_deadline(step);
	/* First: an outcome that could not be told would leave a hole among the others. */
	if (reserve_verdicts(step, count) < 0 ||
		batch_begin(&step->batch, ctx, items, count) < 0)
		return;
	result = run->stage->run_batch(run->instance, ctx);
	if (is_late(step))
		result = STAGE_FAILED;
	batch_end(&step->batch, ctx, result, &step->outcome[step->done]);
	for (unsigned at = 0; at < count; at++, step->done++)
		if (step->outcome[step->done] < 0)
			step->outcome[step->done] =
				keep_verdict(step, &step->batch.ctxs[at].verdict);
}

static int step_prepare(struct step *step)
{
	uint32_t count = step->in.count;

	if (step->outcome_capacity < count) {
		int32_t *outcome = mem_realloc(step->outcome, count * sizeof(*outcome));

		if (outcome == NULL)
			return -1;
		step->outcome = outcome;
		step->outcome_capacity = count;
	}
	step->emitter.out.count = 0;
	return 0;
}

/* An isolated stage's item has come to its end, in whatever order. */
static void settle(void *arg, uint32_t index, int64_t n)
{
	struct step *step = arg;

	step->outcome[index] = n >= 0 ? (int32_t)n : keep_verdict(step, &step->ctx.verdict);
	if (step->outcome[index] == UNTOUCHED)
		step->outcome[index] = NO_REASON;
}

static void run_isolated(struct step *step, uint64_t room)
{
	struct isolated_work work = { .ctx = &step->ctx,
		.items = step->in.at,
		.count = step->in.count,
		.room = room,
		.outcome = step->outcome,
		.settle = settle,
		.arg = step };

	for (uint32_t at = 0; at < step->in.count; at++)
		step->outcome[at] = UNTOUCHED;
	step->done = isolated_work_on(&work);
}

/* Run the stage over its batch until it ends, the room does, the time does, or much was put
 * out: how large outputs are is known only then. */
static void step_run(struct step *step, uint64_t room, uint64_t started_ns)
{
	bool stop = false;
	uint64_t begin_ns = clock_mono_ns();

	if (step_prepare(step) < 0)
		return;
	if (worker_acquire(step->run, &step->ctx) < 0) {
		/* Nobody can work on them: each fails with the worker's reason. */
		for (; step->done < step->in.count; step->done++) {
			step->outcome[step->done] = keep_verdict(step, &step->ctx.verdict);
			if (step->outcome[step->done] == UNTOUCHED)
				break;
		}
		return;
	}
	if (stage_run_isolated(step->run)) {
		run_isolated(step, room);
		stop = true;
	}
	while (step->done < step->in.count && !stop) {
		uint32_t before = step->done;

		if (step->run->batch_max > 0)
			run_batch(step, room - step->emitter.out.count);
		else
			run_item(step, &step->in.at[step->done]);
		if (step->done == before)
			break;
		if (step->slow || step->run->batch_max > 0 || step->done % FIRST_BATCH == 0)
			stop = clock_mono_ns() - started_ns > LIMIT_NS;
		stop |= step->emitter.out.count >= room ||
			step->emitter.full_bytes > MUCH_BYTES;
	}
	step->ns = clock_mono_ns() - begin_ns;
	worker_release(step->run, &step->ctx);
}

/* What one step put out is the next one's batch: swap the vectors, keep their memory. */
static void hand_on(struct step *from, struct step *to)
{
	struct items items = to->in;

	to->in = from->emitter.out;
	from->emitter.out = items;
	from->emitter.out.count = 0;
}

void activation_run(struct executor *executor)
{
	for (unsigned at = 0; at < executor->count; at++) {
		struct step *step = &executor->steps[at];
		bool last = at + 1 == executor->count;

		if (at > 0)
			hand_on(step - 1, step);
		/* In between there is room for a batch; behind the last, what was reserved. */
		step_run(step, last ? executor->room : BATCH_MAX, executor->started_ns);
		emitter_publish(&step->emitter);
	}
}

/* ---- end ---- */

static void learn_speed(struct stage_run *run, uint64_t ns, uint32_t items)
{
	uint64_t each = MAX(ns / MAX(items, 1u), 1ull);

	run->ns_per_item = run->ns_per_item == 0 ? each : (run->ns_per_item * 3 + each) / 4;
	stage_run_measure(run, ns, items);
}

static void step_outcomes(struct pipeline *pipeline, struct step *step)
{
	static const struct verdict no_memory = { FAILURE_TRANSIENT, "out of memory" };
	struct stage_run *run = step->run;

	for (uint32_t at = 0; at < step->done; at++) {
		struct item *item = &step->in.at[at];
		int32_t n = step->outcome[at];

		if (n == 1) {
			run->counts.out++;
		} else if (n <= FAILED) {
			struct item copy = *item; /* with a reference of its own */

			slab_ref_n(copy.slab, 1);
			pipeline_failed(pipeline, run, &copy,
				n == NO_REASON ? &no_memory : &step->verdicts[FAILED - n]);
		} else {
			run->counts.out += (uint64_t)n;
			run->counts.filtered += n == 0;
			pipeline_count_parts(pipeline, item, (uint32_t)n);
		}
	}
	run->counts.in += step->done;
	if (step->done > 0)
		learn_speed(run, step->ns, step->done);
}

/* What a step did not get to goes back to where it came from. */
static void give_back(struct executor *executor, unsigned at)
{
	struct step *step = &executor->steps[at];
	struct pipeline *pipeline = executor->pipeline;
	uint32_t left = step->in.count - step->done;
	struct item *items = step->in.at + step->done;

	if (left == 0)
		return;
	if (pipeline->stopped) {
		items_unref(items, left);
	} else if (at > 0) {
		pipeline_forward(pipeline, step[-1].run, items, left);
	} else {
		stage_run_return_tokens(step->run, left);
		if (queue_push_front(&step->run->queue, items, left) < 0) {
			pipeline_lost(pipeline);
			items_unref(items, left);
		}
	}
}

void activation_end(struct executor *executor)
{
	struct pipeline *pipeline = executor->pipeline;
	struct step *first = &executor->steps[0], *last = &executor->steps[executor->count - 1];
	uint64_t now_ns = clock_mono_ns();

	pipeline->in_hand--;
	queue_release(&first->run->queue, first->in.at, first->in.count);
	if (last->run->index + 1 < pipeline->end)
		last->run[1].queue.reserved -= (uint32_t)executor->room;
	for (unsigned at = 0; at < executor->count; at++) {
		struct step *step = &executor->steps[at];

		stage_run_account(step->run, now_ns);
		step->run->active--;
		if (!pipeline->stopped)
			step_outcomes(pipeline, step);
	}
	pipeline_forward(pipeline, last->run, last->emitter.out.at, last->emitter.out.count);
	last->emitter.out.count = 0;
	for (unsigned at = executor->count; at-- > 0;) {
		give_back(executor, at);
		items_unref(executor->steps[at].in.at, executor->steps[at].done);
		executor->steps[at].in.count = 0;
		stage_run_note(executor->steps[at].run);
	}
}
