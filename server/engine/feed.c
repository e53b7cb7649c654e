/*
 * Feeding: from the blocks in the inbox, item by item, into the first queue (or, for what runs
 * again, into the queue of the stage that failed it), and out of overflows that wait behind a
 * stage. See pipeline.h; the pipeline's lock is held throughout.
 */
#include "base/clock.h"
#include "engine/internal.h"

#define HELD_MAX   (16u << 20)
#define HELD_TIGHT (256u << 10)

/* A block that is in the inbox for longer is not emptied fast. */
#define PATIENCE_NS (50 * NS_PER_MS)

void pipeline_add_input(struct pipeline *pipeline, struct input *input)
{
	if (pipeline->stopped) {
		input_unref_n(input, 1);
		return;
	}
	/* The maker's reference is from here on that of `inputs`; add the inbox's and the
	 * items'. */
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
	if (!feed_to(pipeline, MAX(pipeline->first, (unsigned)input->retries[at].head.stage),
		    &item)) {
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

/* Results that wait until their input item is over. */
static uint64_t most_held(void)
{
	return queue_is_tight() ? HELD_TIGHT : HELD_MAX;
}

static bool may_feed(const struct pipeline *pipeline)
{
	if (pipeline->no_feed || pipeline->stopped || pipeline->paused || pipeline->output_full)
		return false;
	if (pipeline->held_bytes > most_held() && pipeline->fed > pipeline->over)
		return false;
	return !pipeline->def->ordered ||
	       pipeline->fed - pipeline->over_released < pipeline->window;
}

bool pipeline_worth_waiting(struct pipeline *pipeline)
{
	uint64_t hot = hot_bytes(pipeline), patient_until_ns;

	/* The next block must go in, or it would be cold. Half-empty is soon enough to be told:
	 * a wake-up costs more than an item. */
	hot -= MIN(hot, (uint64_t)BLOCK_SIZE_MAX);
	if (pipeline->room_wanted)
		hot /= 2;
	if (pipeline->cold || pipeline->paused || pipeline->stopped ||
		list_empty(&pipeline->inbox) || pipeline->inbox_bytes < hot)
		return false;
	patient_until_ns =
		LIST_ENTRY(pipeline->inbox.next, struct input, link)->placed_ns + PATIENCE_NS;
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

void pipeline_drain_overflow(struct pipeline *pipeline)
{
	for (unsigned at = pipeline->end; at-- > pipeline->first;) {
		struct stage_run *run = &pipeline->stages[at];
		struct queue *queue = &run[1].queue;
		uint64_t left = run->overflow.count - run->overflow_at;

		if (left == 0)
			continue;
		run->overflow_at += queue_push_fitting(queue,
			run->overflow.at + run->overflow_at, MIN(left, queue_room(queue)));
		if (run->overflow_at == run->overflow.count)
			run->overflow.count = run->overflow_at = 0;
	}
}
