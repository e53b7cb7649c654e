#include "engine/pipeline.h"

#include <math.h>

#include "base/clock.h"
#include "base/random.h"
#include "engine/activation.h"
#include "engine/calls.h"
#include "engine/flush.h"
#include "engine/internal.h"
#include "engine/sinks.h"
#include "engine/sources.h"
#include "engine/stages_life.h"

/* A block that is in the inbox for longer is not emptied fast. */
#define PATIENCE_NS (50 * NS_PER_MS)

int items_push(struct items *items, const struct item *item)
{
	if (items->count == items->capacity) {
		uint32_t capacity = items->capacity == 0 ? 16 : items->capacity * 2;
		struct item *at = mem_realloc(items->at, capacity * sizeof(*at));

		if (at == NULL)
			return -1;
		items->at = at;
		items->capacity = capacity;
	}
	items->at[items->count++] = *item;
	return 0;
}

void items_done(struct items *items)
{
	items_unref(items->at, items->count);
	mem_free(items->at);
	*items = (struct items){ 0 };
}

/* ---- life ---- */

static void stage_run_init(struct pipeline *pipeline, unsigned index)
{
	struct stage_run *run = &pipeline->stages[index];

	run->pipeline = pipeline;
	run->index = index;
	run->def = &pipeline->def->stages[index];
	run->stage = run->def->stage;
	run->workers = run->def->workers;
	run->usage.last_ns = clock_mono_ns();
	run->tokens_ns = run->usage.last_ns;
	run->tokens = 1;
	queue_init(&run->queue, run->def->queue_items, run->def->queue_bytes);
	list_init(&run->calls);
	pthread_cond_init(&run->work, NULL);
}

/* Ordered jobs: everything between feed and release must fit, so that the tail never has to
 * refuse; what queues and workers can hold is that, twice for the reordering itself. */
static uint64_t window_size(const struct pipeline *pipeline)
{
	uint64_t window = 1024;

	for (unsigned at = 0; at < pipeline->count; at++)
		window += 2 * (pipeline->stages[at].queue.max_items + pipeline->stages[at].workers);
	return window;
}

int pipeline_new(struct engine *engine, struct job *job, const struct id *id,
	const struct definition *def, struct pipeline **ret, struct error *err)
{
	struct pipeline *pipeline = mem_zalloc(sizeof(*pipeline));

	if (pipeline == NULL)
		return error_no_memory(err);
	pipeline->stages = mem_zalloc(def->stage_count * sizeof(pipeline->stages[0]));
	if (pipeline->stages == NULL) {
		mem_free(pipeline);
		return error_no_memory(err);
	}
	atomic_init(&pipeline->refs, 1);
	pthread_mutex_init(&pipeline->lock, NULL);
	pipeline->engine = engine;
	pipeline->job = job_ref(job);
	pipeline->id = *id;
	id_format(id, pipeline->id_text);
	pipeline->def = def;
	pipeline->count = def->stage_count;
	pipeline->first = def->has_source ? 1 : 0;
	pipeline->end = def->stage_count - (def->has_sink ? 1 : 0);
	list_init(&pipeline->inbox);
	list_init(&pipeline->lazy);
	list_init(&pipeline->inputs);
	list_init(&pipeline->dirty_link);
	list_init(&pipeline->ready_link);
	list_init(&pipeline->loop_link);
	for (unsigned at = 0; at < pipeline->count; at++)
		stage_run_init(pipeline, at);
	if (def->has_source)
		pipeline->source = &pipeline->stages[0];
	if (def->has_sink)
		pipeline->sink = &pipeline->stages[def->stage_count - 1];
	pipeline->window = window_size(pipeline);
	pipeline->moved_ns = clock_mono_ns();
	atomic_fetch_add(&engine->open_pipelines, 1);
	*ret = pipeline;
	return 0;
}

struct pipeline *pipeline_ref(struct pipeline *pipeline)
{
	atomic_fetch_add_explicit(&pipeline->refs, 1, memory_order_relaxed);
	return pipeline;
}

/* The last reference is gone: stage code (close) must not run on the loop, so a task does it. */
void pipeline_unref(struct pipeline *pipeline)
{
	if (atomic_fetch_sub_explicit(&pipeline->refs, 1, memory_order_acq_rel) == 1)
		stages_life_end(pipeline);
}

static void drop_input(struct input *input)
{
	/* One reference is this list's, one each item's that has handed over no outcome. */
	input_unref_n(input, input->count - input->released + 1);
}

static void stage_run_done(struct stage_run *run)
{
	items_unref(run->overflow.at + run->overflow_at, run->overflow.count - run->overflow_at);
	mem_free(run->overflow.at);
	queue_done(&run->queue);
	mem_free(run->latency);
	pthread_cond_destroy(&run->work);
}

/* Stages are closed already. */
void pipeline_free(struct pipeline *pipeline)
{
	for (unsigned at = 0; at < pipeline->count; at++)
		stage_run_done(&pipeline->stages[at]);
	for (unsigned at = 0; at < pipeline->delayed_count; at++)
		slab_unref(pipeline->delayed[at].item.slab);
	if (pipeline->flush != NULL)
		flush_free(pipeline->flush);
	LIST_EACH(&pipeline->inbox, link)
		input_unref_n(LIST_ENTRY(link, struct input, link), 1);
	LIST_EACH(&pipeline->inputs, link)
		drop_input(LIST_ENTRY(link, struct input, order));
	mem_free(pipeline->delayed);
	mem_free(pipeline->report);
	buf_done(&pipeline->source_state);
	mem_free(pipeline->stages);
	pthread_mutex_destroy(&pipeline->lock);
	atomic_fetch_sub(&pipeline->engine->open_pipelines, 1);
	job_unref(pipeline->job);
	mem_free(pipeline);
}

void pipeline_stop(struct pipeline *pipeline)
{
	__atomic_store_n(&pipeline->stopped, true, __ATOMIC_RELAXED);
	for (unsigned at = 0; at < pipeline->count; at++)
		pthread_cond_broadcast(&pipeline->stages[at].work);
}

/* ---- waking ---- */

static bool wants_async(struct pipeline *pipeline, uint64_t now_ns)
{
	for (unsigned at = pipeline->first; at < pipeline->end; at++) {
		struct stage_run *run = &pipeline->stages[at];

		if ((run->stage->threads == STAGE_ASYNC ||
			    (run->stage->threads == STAGE_BLOCKING && run->idle_threads == 0)) &&
			pipeline_startable(pipeline, run, now_ns) > 0)
			return true;
	}
	return false;
}

bool pipeline_timer_is_late(const struct pipeline *pipeline)
{
	return pipeline->timer_due_ns != 0 &&
	       (pipeline->timer_armed_ns == 0 || pipeline->timer_due_ns < pipeline->timer_armed_ns);
}

static bool wants_loop(struct pipeline *pipeline)
{
	if (pipeline->failure.code != ERR_NONE || pipeline->report_done)
		return true;
	if (pipeline->room_wanted && pipeline->backlog_bytes < pipeline->def->backlog_bytes / 8 * 7 &&
		!pipeline_worth_waiting(pipeline))
		return true;
	if (cold_is_due(pipeline))
		return true;
	if (pipeline_timer_is_late(pipeline))
		return true;
	return wants_async(pipeline, clock_mono_ns());
}

static void wake_blocking(struct pipeline *pipeline)
{
	for (unsigned at = pipeline->first; at < pipeline->end; at++) {
		struct stage_run *run = &pipeline->stages[at];

		if (run->stage->threads == STAGE_BLOCKING && run->idle_threads > 0 &&
			pipeline_startable(pipeline, run, clock_mono_ns()) > 0)
			pthread_cond_signal(&run->work);
	}
}

unsigned pipeline_wake_mask(struct pipeline *pipeline)
{
	unsigned wake = 0;

	if (pipeline->stopped)
		return pipeline->in_hand == 0 || pipeline->failure.code != ERR_NONE ? WAKE_LOOP : 0;
	pipeline_feed(pipeline);
	pipeline_drain_overflow(pipeline);
	if (activation_possible(pipeline) || source_possible(pipeline) || sink_possible(pipeline))
		wake |= WAKE_COMPUTE;
	if (wants_loop(pipeline))
		wake |= WAKE_LOOP;
	if (pipeline->sink != NULL) {
		/* the sink takes it: see sink_possible() */
	} else if (pipeline->flush != NULL && !pipeline->dirty) {
		engine_mark_dirty(pipeline);
		wake |= WAKE_COMMIT;
	} else if (pipeline->flush != NULL && tail_due_ns(pipeline) <= clock_mono_ns()) {
		wake |= WAKE_COMMIT;
	}
	wake_blocking(pipeline);
	return wake;
}

void pipeline_unlock(struct pipeline *pipeline, unsigned wake)
{
	struct engine *engine = pipeline->engine;

	pthread_mutex_unlock(&pipeline->lock);
	if (wake & WAKE_COMPUTE)
		scheduler_add(engine->scheduler, pipeline);
	if (wake & WAKE_LOOP)
		engine_want_look(pipeline);
	if (wake & WAKE_COMMIT)
		committer_wake(engine->committer);
}

void pipeline_due(struct pipeline *pipeline, uint64_t due_ns)
{
	if (pipeline->timer_due_ns == 0 || due_ns < pipeline->timer_due_ns)
		pipeline->timer_due_ns = due_ns;
}

/* ---- feeding ---- */

void pipeline_add_input(struct pipeline *pipeline, struct input *input)
{
	if (pipeline->stopped) {
		input_unref_n(input, 1);
		return;
	}
	/* The maker's reference is from here on that of `inputs`; add the inbox's and the items'. */
	input_ref_n(input, input->count + 1);
	input->placed_ns = clock_mono_ns();
	list_append(&pipeline->inbox, &input->link);
	list_append(&pipeline->inputs, &input->order);
	pipeline->inbox_bytes += input->size;
}

static void input_fed(struct pipeline *pipeline, struct input *input)
{
	list_remove(&input->link);
	pipeline->inbox_bytes -= input->size;
	pipeline->backlog_bytes -= MIN(pipeline->backlog_bytes, (uint64_t)input->size);
	input_unref_n(input, 1);
}

static struct item feed_item(struct input *input, uint32_t index)
{
	return (struct item){
		.slab = input->slab,
		.input = input,
		.off = input->offsets[index],
		.len = input->offsets[index + 1] - input->offsets[index] - 1,
		.index = index,
		.span_bits = ITEM_SPAN_BITS,
		.flags = ITEM_FRESH,
	};
}

static struct item feed_retry(struct input *input, uint32_t index, uint32_t at)
{
	const struct retry *retry = &input->retries[at];

	return (struct item){
		.slab = input->slab,
		.input = input,
		.part = retry->head.part,
		.off = retry->offset,
		.len = retry->head.len,
		.index = index,
		.span_bits = retry->head.span_bits,
		.flags = at == input->groups[index] ? ITEM_FRESH : 0,
	};
}

/* Give an item to a stage's queue, or straight to the tail where there is no map stage. */
static bool feed_to(struct pipeline *pipeline, unsigned stage, const struct item *item)
{
	struct queue *queue = &pipeline->stages[stage].queue;

	if (stage < pipeline->end) {
		if (queue_room(queue) == 0 || !queue_fits(queue, item) ||
			queue_push(queue, item, 1) < 0)
			return false;
		slab_ref_n(item->slab, 1);
		return true;
	}
	if (!tail_has_room(pipeline))
		return false;
	slab_ref_n(item->slab, 1);
	pipeline->begun += item->flags & ITEM_FRESH;
	tail_result(pipeline, item);
	return true;
}

/* One failed part that runs again; the last of its item's moves on to the next item. */
static bool feed_part(struct pipeline *pipeline, struct input *input, uint32_t index)
{
	uint32_t first = input->groups[index], count = input->groups[index + 1] - first;
	uint32_t at = first + input->fed_parts;
	struct item item = feed_retry(input, index, at);

	if (input->fed_parts == 0) {
		input->parts[index] = count;
		if (input->retries[at].head.had_results)
			input->fate[index] |= FATE_RESULTS;
	}
	/* Before it goes: where there is no map stage it is over at once. */
	if (input->fed_parts + 1 == count)
		input->fate[index] |= FATE_FED;
	if (!feed_to(pipeline, MAX(pipeline->first, (unsigned)input->retries[at].head.stage), &item)) {
		input->fate[index] &= (uint8_t)~FATE_FED;
		return false;
	}
	if (++input->fed_parts < count)
		return true;
	input->fed_parts = 0;
	input->fed++;
	pipeline->fed++;
	return true;
}

/* One item; false when there is no room for it. */
static bool feed_one(struct pipeline *pipeline, struct input *input)
{
	uint32_t index = input->fed;
	struct item item;

	if (input->fate[index] & FATE_DONE) {
		input->fed++;
		input->fate[index] |= FATE_FED;
		tail_skip(pipeline, input, index);
		return true;
	}
	if (input->retries != NULL)
		return feed_part(pipeline, input, index);
	item = feed_item(input, index);
	input->parts[index] = 1;
	input->fed++;
	input->fate[index] |= FATE_FED;
	pipeline->fed++;
	if (feed_to(pipeline, pipeline->first, &item))
		return true;
	input->fed--;
	input->fate[index] &= (uint8_t)~FATE_FED;
	pipeline->fed--;
	return false;
}

/* Many consecutive items of a block of lines into one queue: the way nearly all items go. */
static bool feed_run(struct pipeline *pipeline, struct input *input)
{
	struct queue *queue = &pipeline->stages[pipeline->first].queue;
	struct item items[64];
	uint32_t count = 0;
	uint64_t room = queue_room(queue), bytes = queue->bytes;

	while (count < ARRAY_SIZE(items) && count < room && input->fed + count < input->count &&
		input->fate[input->fed + count] == 0) {
		items[count] = feed_item(input, input->fed + count);
		if (bytes > 0 && bytes + item_weight(&items[count]) > queue->max_bytes)
			break;
		bytes += item_weight(&items[count++]);
	}
	if (count == 0 || queue_push(queue, items, count) < 0)
		return false;
	slab_ref_n(input->slab, count);
	for (uint32_t at = 0; at < count; at++) {
		input->parts[input->fed + at] = 1;
		input->fate[input->fed + at] = FATE_FED;
	}
	input->fed += count;
	pipeline->fed += count;
	return true;
}

static bool may_feed(const struct pipeline *pipeline)
{
	if (pipeline->no_feed || pipeline->stopped || pipeline->paused)
		return false;
	if (pipeline->held_bytes > (16u << 20) && pipeline->fed > pipeline->over)
		return false;
	return !pipeline->def->ordered || pipeline->fed - pipeline->over_released < pipeline->window;
}

bool pipeline_worth_waiting(struct pipeline *pipeline)
{
	uint64_t hot = engine_config(pipeline->engine)->hot_bytes, patient_until_ns;

	/* Half-empty is soon enough to be told: a wake-up costs more than an item. */
	if (pipeline->room_wanted)
		hot /= 2;
	if (pipeline->cold || pipeline->paused || pipeline->stopped || list_empty(&pipeline->inbox) ||
		pipeline->inbox_bytes < hot)
		return false;
	patient_until_ns = LIST_ENTRY(pipeline->inbox.next, struct input, link)->placed_ns + PATIENCE_NS;
	if (clock_mono_ns() >= patient_until_ns)
		return false;
	pipeline_due(pipeline, patient_until_ns);
	return true;
}

void pipeline_feed(struct pipeline *pipeline)
{
	bool maps = pipeline->first < pipeline->end;

	while (!list_empty(&pipeline->inbox) && may_feed(pipeline)) {
		struct input *input = LIST_ENTRY(pipeline->inbox.next, struct input, link);
		bool plain = maps && input->retries == NULL && input->fed < input->count &&
			     input->fate[input->fed] == 0;

		if (input->fed == input->count)
			input_fed(pipeline, input); /* off the inbox */
		else if (plain ? !feed_run(pipeline, input) : !feed_one(pipeline, input))
			return;
	}
}

/* Push as many as the queue takes; returns how many. */
static uint32_t push_fitting(struct queue *queue, const struct item *items, uint64_t max)
{
	uint64_t bytes = queue->bytes;
	uint32_t n = 0;

	for (; n < max; n++) {
		if (bytes > 0 && bytes + item_weight(&items[n]) > queue->max_bytes)
			break;
		bytes += item_weight(&items[n]);
	}
	return n > 0 && queue_push(queue, items, n) < 0 ? 0 : n;
}

void pipeline_drain_overflow(struct pipeline *pipeline)
{
	for (unsigned at = pipeline->end; at-- > pipeline->first;) {
		struct stage_run *run = &pipeline->stages[at];
		struct queue *queue = &run[1].queue;
		uint64_t left = run->overflow.count - run->overflow_at;

		if (left == 0)
			continue;
		run->overflow_at += push_fitting(queue, run->overflow.at + run->overflow_at,
			MIN(left, queue_room(queue)));
		if (run->overflow_at == run->overflow.count)
			run->overflow.count = run->overflow_at = 0;
	}
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

/* ---- starting ---- */

void stage_run_account(struct stage_run *run, uint64_t now_ns)
{
	struct pipeline *pipeline = run->pipeline;
	struct usage *usage = &run->usage;
	uint64_t capacity = stage_run_capacity(run);
	double dt = now_ns > usage->last_ns ? (double)(now_ns - usage->last_ns) : 0;
	double busy = MIN((double)run->active / (double)capacity, 1.0);

	usage->last_ns = MAX(usage->last_ns, now_ns);
	usage->busy_ns += dt * busy;
	if (run->queue.count == 0 || pipeline->paused)
		usage->starved_ns += dt * (1 - busy);
	else if (pipeline_downstream_room(pipeline, run) == 0)
		usage->blocked_ns += dt * (1 - busy);
	else
		usage->busy_ns += dt * (1 - busy); /* it has work and room: the CPU is what lacks */
}

/* How many activations or calls of it can really be under way at once. */
uint64_t stage_run_capacity(const struct stage_run *run)
{
	unsigned threads = scheduler_threads(run->pipeline->engine->scheduler);

	switch (run->stage->threads) {
	case STAGE_SERIAL:
		return 1;
	case STAGE_PARALLEL:
		return MIN(run->workers, threads);
	default:
		return run->workers;
	}
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

void stage_run_return_tokens(struct stage_run *run, uint64_t n)
{
	if (run->def->rate_per_s > 0)
		run->tokens += (double)n;
}

uint64_t pipeline_startable(struct pipeline *pipeline, struct stage_run *run, uint64_t now_ns)
{
	uint64_t workers = run->stage->threads == STAGE_SERIAL ? 1 : run->workers;
	uint64_t room;

	if (run->queue.count == 0 || run->active >= workers || pipeline->paused || pipeline->stopped)
		return 0;
	if (run->def->rate_per_s > 0 && refill(run, now_ns) < 1) {
		stage_run_take_tokens(run, 1, now_ns); /* sets the timer */
		return 0;
	}
	room = pipeline_downstream_room(pipeline, run);
	return MIN(room, (uint64_t)run->queue.count);
}

/* ---- outcomes ---- */

void pipeline_forward(struct pipeline *pipeline, struct stage_run *run,
	const struct item *outputs, uint32_t n)
{
	uint32_t pushed = 0;

	if (pipeline->stopped) {
		items_unref(outputs, n);
		return;
	}
	if (run->index + 1 == pipeline->end) {
		for (uint32_t at = 0; at < n; at++)
			tail_result(pipeline, &outputs[at]);
		return;
	}
	if (run->overflow.count == run->overflow_at)
		pushed = push_fitting(&run[1].queue, outputs,
			MIN((uint64_t)n, queue_room(&run[1].queue)));
	for (uint32_t at = pushed; at < n; at++) {
		if (items_push(&run->overflow, &outputs[at]) < 0) {
			pipeline_lost(pipeline);
			items_unref(outputs + at, n - at);
			return;
		}
	}
}

/*
 * Memory ran out in the middle of giving an item on. What is on disk is whole, so the job is
 * taken down and built again from there, as after a crash: nothing is lost or doubled.
 */
void pipeline_lost(struct pipeline *pipeline)
{
	error_set(&pipeline->failure, ERR_NO_MEMORY, "memory ran out while items were handed on");
	/* Not one outcome more: half of an item may stand in the flush, and order may be promised. */
	if (pipeline->flush != NULL) {
		pipeline->flush_bytes -= MIN(pipeline->flush_bytes, pipeline->flush->bytes);
		flush_free(TAKE(pipeline->flush));
	}
	pipeline_stop(pipeline);
}

void pipeline_count_parts(struct pipeline *pipeline, const struct item *item, uint32_t n)
{
	if (pipeline->stopped)
		return;
	if (n == 0)
		tail_filtered(pipeline, item);
	else
		item->input->parts[item->index] += n - 1;
}

static uint64_t backoff_ns(const struct stage_def *def, unsigned attempt)
{
	uint64_t ms = def->backoff_ms;

	for (unsigned at = 0; at < attempt && ms < def->max_backoff_ms; at++)
		ms *= 2;
	ms = MIN(ms, def->max_backoff_ms);
	/* Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
	return random_below(ms * NS_PER_MS + 1);
}

static void delayed_swap(struct delayed *a, struct delayed *b)
{
	struct delayed c = *a;

	*a = *b;
	*b = c;
}

static int delayed_push(struct pipeline *pipeline, const struct delayed *entry)
{
	unsigned at = pipeline->delayed_count;

	if (at == pipeline->delayed_capacity) {
		unsigned capacity = at * 2 + 16;
		struct delayed *heap = mem_realloc(pipeline->delayed, capacity * sizeof(*heap));

		if (heap == NULL)
			return -1;
		pipeline->delayed = heap;
		pipeline->delayed_capacity = capacity;
	}
	pipeline->delayed[at] = *entry;
	pipeline->delayed_count++;
	for (; at > 0 && pipeline->delayed[(at - 1) / 2].due_ns > pipeline->delayed[at].due_ns;
		at = (at - 1) / 2)
		delayed_swap(&pipeline->delayed[at], &pipeline->delayed[(at - 1) / 2]);
	return 0;
}

static void delayed_pop(struct pipeline *pipeline, struct delayed *ret)
{
	struct delayed *heap = pipeline->delayed;
	unsigned at = 0, child, count;

	*ret = heap[0];
	heap[0] = heap[--pipeline->delayed_count];
	count = pipeline->delayed_count;
	while ((child = 2 * at + 1) < count) {
		if (child + 1 < count && heap[child + 1].due_ns < heap[child].due_ns)
			child++;
		if (heap[at].due_ns <= heap[child].due_ns)
			break;
		delayed_swap(&heap[at], &heap[child]);
		at = child;
	}
}

/* A waiting item shall not pin the 64 KiB it came with. */
static int make_small(struct item *item)
{
	struct slab *slab = slab_new(item->len + 1u);

	if (slab == NULL)
		return -1;
	memcpy(slab->data, item_text(item), item->len + 1u);
	slab_unref(item->slab);
	item->slab = slab;
	item->off = 0;
	return 0;
}

static int try_again(struct pipeline *pipeline, struct stage_run *run, struct item *item)
{
	uint64_t wait_ns = backoff_ns(run->def, item->attempt);
	struct delayed entry = { clock_mono_ns() + wait_ns, run->index, *item };

	if (wait_ns > 10 * NS_PER_MS && make_small(&entry.item) == 0)
		*item = entry.item;
	entry.item.attempt++;
	if (delayed_push(pipeline, &entry) < 0)
		return -1;
	run->queue.delayed++;
	run->queue.bytes += item_weight(item);
	run->counts.retries++;
	pipeline_due(pipeline, entry.due_ns);
	return 0;
}

static void fail_job(struct pipeline *pipeline, const struct stage_run *run,
	const struct item *item, const struct verdict *verdict)
{
	if (pipeline->failure.code == ERR_NONE)
		error_set(&pipeline->failure, ERR_JOB_ITEM, "item %llu failed at stage '%s': %s",
			(unsigned long long)input_item_number(item->input, item->index),
			run->def->name, verdict->text);
}

void pipeline_failed(struct pipeline *pipeline, struct stage_run *run, struct item *item,
	const struct verdict *verdict)
{
	bool again = verdict->kind != FAILURE_PERMANENT && item->attempt + 1u < run->def->attempts;

	if (pipeline->stopped)
		goto drop;
	if (again && try_again(pipeline, run, item) == 0)
		return;
	run->counts.failed++;
	if (run->def->on_error == ON_ERROR_FAIL)
		fail_job(pipeline, run, item, verdict);
	tail_failed(pipeline, item, run->index, verdict, run->def->on_error != ON_ERROR_DROP);
drop:
	slab_unref(item->slab);
}

void pipeline_release_delayed(struct pipeline *pipeline, uint64_t now_ns)
{
	struct delayed entry;

	while (pipeline->delayed_count > 0 && pipeline->delayed[0].due_ns <= now_ns) {
		struct queue *queue;

		delayed_pop(pipeline, &entry);
		queue = &pipeline->stages[entry.stage].queue;
		queue->delayed--;
		queue->bytes -= item_weight(&entry.item);
		if (queue_push_front(queue, &entry.item, 1) < 0) {
			pipeline_lost(pipeline);
			slab_unref(entry.item.slab);
		}
	}
	if (pipeline->delayed_count > 0)
		pipeline_due(pipeline, pipeline->delayed[0].due_ns);
	if (pipeline->source != NULL && pipeline->source_due_ns > now_ns)
		pipeline_due(pipeline, pipeline->source_due_ns);
}
