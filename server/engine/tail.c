/*
 * The end of the line: which parts of an item are over, which items are over, and in which
 * order they may go to disk. See pipeline.h; the pipeline's lock is held throughout.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "engine/append.h"
#include "engine/flush.h"
#include "engine/internal.h"

#define FLUSH_BYTES BLOCK_SIZE_MAX /* worth a write of its own */
#define TAIL_ITEMS  SINK_ITEMS_MAX

/* The flush that gathers now; NULL without memory. */
static struct flush *gathering(struct pipeline *pipeline)
{
	if (pipeline->flush == NULL)
		pipeline->flush = flush_new(pipeline);
	return pipeline->flush;
}

static void account(struct pipeline *pipeline, uint64_t before)
{
	pipeline->flush_bytes += pipeline->flush->bytes - before;
}

/* ---- what waits ---- */

static struct held *hold(struct pipeline *pipeline, const struct item *item)
{
	struct input *input = item->input;
	struct held *held;

	if (input->held == NULL)
		input->held = mem_zalloc(input->count * sizeof(input->held[0]));
	held = input->held == NULL ? NULL : mem_zalloc(sizeof(*held));
	if (held == NULL) {
		pipeline_lost(pipeline);
		return NULL;
	}
	held->part = item->part;
	held->next = input->held[item->index];
	input->held[item->index] = held;
	return held;
}

static bool hold_result(struct pipeline *pipeline, const struct item *item)
{
	struct held *held = hold(pipeline, item);

	if (held == NULL)
		return false;
	slab_ref_n(item->slab, 1);
	held->slab = item->slab;
	held->off = item->off;
	held->len = item->len;
	pipeline->held_bytes += held->len;
	return true;
}

/* Parts sort in the order in which they were emitted; insertion into a reversed list is nearly
 * sorted already, so a merge sort of the list is cheap and needs no memory. */
static struct held *merge(struct held *a, struct held *b)
{
	struct held *head = NULL, **end = &head;

	while (a != NULL && b != NULL) {
		struct held **from = b->part < a->part ? &b : &a;

		*end = *from;
		*from = (*from)->next;
		end = &(*end)->next;
	}
	*end = a != NULL ? a : b;
	return head;
}

static struct held *sort(struct held *list)
{
	struct held *slow = list, *fast, *half;

	if (list == NULL || list->next == NULL)
		return list;
	for (fast = list->next; fast != NULL && fast->next != NULL; fast = fast->next->next)
		slow = slow->next;
	half = slow->next;
	slow->next = NULL;
	return merge(sort(list), sort(half));
}

/* ---- handing over ---- */

static int give_held(struct flush *flush, struct pipeline *pipeline, struct held *held,
	uint64_t number, struct input *input, uint32_t index)
{
	if (held->slab == NULL) {
		/* A retry must know whether the item has left results besides. */
		((struct failure_head *)held->failure.data)->had_results =
			(input->fate[index] & FATE_RESULTS) != 0;
		return flush_failure(flush, held->failure.data, held->failure.len);
	}
	if (pipeline->sink != NULL) {
		struct item item = { .slab = held->slab,
			.off = held->off,
			.len = held->len,
			.input = input,
			.index = index,
			.part = held->part };

		if (items_push(&flush->sunk, &item) < 0)
			return -1;
		slab_ref_n(held->slab, 1);
		flush->bytes += held->len;
		return 0;
	}
	return flush_result(flush, number, held->slab->data + held->off, held->len);
}

static void free_held(struct pipeline *pipeline, struct held *held)
{
	if (held->slab != NULL) {
		pipeline->held_bytes -= held->len;
		slab_unref(held->slab);
	}
	buf_done(&held->failure);
	mem_free(held);
}

/* The item is over and its turn has come: its outcome and all it left go to the flush. */
static void hand_over(struct pipeline *pipeline, struct input *input, uint32_t index)
{
	struct flush *flush = gathering(pipeline);
	struct held *held = input->held == NULL ? NULL : sort(input->held[index]), *next;
	uint32_t results = 0, failures = 0;
	uint64_t before, number = input_item_number(input, index);
	int done = flush == NULL ? -1 : 0;

	before = flush == NULL ? 0 : flush->bytes;
	if (held != NULL)
		input->held[index] = NULL;
	for (; held != NULL; held = next) {
		next = held->next;
		if (held->slab != NULL)
			results++;
		else
			failures++;
		if (done == 0)
			done = give_held(flush, pipeline, held, number, input, index);
		free_held(pipeline, held);
	}
	if (done < 0 ||
		flush_outcome(flush, input, index, input->fate[index], results, failures) < 0) {
		pipeline_lost(pipeline);
		input_unref_n(input, 1);
		return;
	}
	account(pipeline, before);
	pipeline->over_released++;
}

/* One more of the block's items has been handed over (or never was ours to). */
static void released(struct pipeline *pipeline, struct input *input, uint32_t n)
{
	input->released += n;
	if (input->released == input->count) {
		list_remove(&input->order);
		input_unref_n(input, 1);
	}
}

/* Ordered: hand over from the front as long as items there are over. */
static void advance(struct pipeline *pipeline)
{
	while (!list_empty(&pipeline->inputs) && !pipeline->stopped) {
		struct input *input = LIST_ENTRY(pipeline->inputs.next, struct input, order);
		uint32_t index = input->released;

		if (!(input->fate[index] & FATE_OVER) || !(input->fate[index] & FATE_FED))
			return;
		if (input->fate[index] & FATE_DONE)
			input_unref_n(input, 1);
		else
			hand_over(pipeline, input, index);
		released(pipeline, input, 1);
	}
}

static void part_over(struct pipeline *pipeline, struct input *input, uint32_t index)
{
	if (--input->parts[index] > 0)
		return;
	input->fate[index] |= FATE_OVER;
	pipeline->over++;
	pipeline->moved_ns = 0; /* "just now": the tick reads the clock */
	if (pipeline->def->ordered && !fault_planted("unordered")) {
		advance(pipeline);
		return;
	}
	hand_over(pipeline, input, index);
	released(pipeline, input, 1);
}

void tail_skip(struct pipeline *pipeline, struct input *input, uint32_t index)
{
	if (pipeline->def->ordered) {
		input->fate[index] |= FATE_FED;
		advance(pipeline);
		return;
	}
	input_unref_n(input, 1);
	released(pipeline, input, 1);
}

/* The way nearly every item goes: alone, in no order, its only result written straight away. */
static bool straight(struct pipeline *pipeline, const struct item *item)
{
	struct input *input = item->input;
	struct flush *flush;
	uint64_t before;

	if (pipeline->def->ordered || pipeline->sink != NULL ||
		input->parts[item->index] != 1 ||
		(input->held != NULL && input->held[item->index] != NULL))
		return false;
	flush = gathering(pipeline);
	if (flush == NULL)
		return false;
	before = flush->bytes;
	input->fate[item->index] |= FATE_RESULTS | FATE_OVER;
	if (flush_result(flush, input_item_number(input, item->index), item_text(item),
		    item->len) < 0 ||
		flush_outcome(flush, input, item->index, input->fate[item->index], 1, 0) < 0) {
		pipeline_lost(pipeline);
		return true;
	}
	account(pipeline, before);
	input->parts[item->index] = 0;
	pipeline->over++;
	pipeline->over_released++;
	pipeline->moved_ns = 0;
	released(pipeline, input, 1);
	return true;
}

void tail_result(struct pipeline *pipeline, const struct item *item)
{
	/* What cannot be held is not over: it runs again when the job is built again. */
	if (!pipeline->stopped && !straight(pipeline, item) && hold_result(pipeline, item)) {
		item->input->fate[item->index] |= FATE_RESULTS;
		part_over(pipeline, item->input, item->index);
	}
	slab_unref(item->slab);
}

void tail_filtered(struct pipeline *pipeline, const struct item *item)
{
	if (pipeline->stopped)
		return;
	part_over(pipeline, item->input, item->index);
}

void tail_failed(struct pipeline *pipeline, const struct item *item, unsigned stage,
	const struct verdict *verdict, bool keep)
{
	struct input *input = item->input;
	struct failure_head head = {
		.version = BLOCK_VERSION,
		.kind = (uint8_t)verdict->kind,
		.span_bits = item->span_bits,
		.stage = (uint16_t)stage,
		.attempts = (uint16_t)(item->attempt + 1),
		.item = input_item_number(input, item->index),
		.part = item->part,
		.at_ms = clock_wall_ms(),
		.error_len = (uint32_t)strlen(verdict->text),
		.input_len = item->len,
	};
	struct held *held;

	if (pipeline->stopped)
		return;
	input->fate[item->index] |= FATE_FAILED;
	held = keep ? hold(pipeline, item) : NULL;
	if (keep && held == NULL)
		return;
	if (keep && failure_encode(head, verdict->text, item_text(item), &held->failure) < 0) {
		pipeline_lost(pipeline);
		return;
	}
	part_over(pipeline, input, item->index);
}

/* ---- flushing ---- */

bool tail_has_room(const struct pipeline *pipeline)
{
	const struct flush *flush = pipeline->flush;

	if (pipeline->flush_bytes >= pipeline->tail_bytes)
		return false;
	return flush == NULL ||
	       (flush->outcome_count < TAIL_ITEMS &&
		       (pipeline->sink == NULL || flush->sunk.count < pipeline->sink_items));
}

bool tail_is_crowded(const struct pipeline *pipeline)
{
	uint64_t waiting = pipeline->over_released - pipeline->settled;

	return 2 * pipeline->flush_bytes >= pipeline->tail_bytes ||
	       (pipeline->sink != NULL && 2 * waiting >= pipeline->sink_items);
}

/* Is there nothing on its way that the flush could wait for? */
static bool is_last(const struct pipeline *pipeline)
{
	return pipeline->fed == pipeline->over && list_empty(&pipeline->inbox);
}

/* The job has asked for batches of some size, and to wait for them. */
static bool sink_waits(const struct pipeline *pipeline)
{
	const struct stage_run *sink = pipeline->sink;
	bool ends = pipeline->no_feed || (pipeline->input_over && !pipeline->cold);

	return sink != NULL && sink->def->batch_wait_ms > 0 &&
	       pipeline->flush->sunk.count < sink->batch_max &&
	       2 * pipeline->flush_bytes < pipeline->tail_bytes && !(ends && is_last(pipeline));
}

uint64_t tail_due_ns(const struct pipeline *pipeline)
{
	const struct flush *flush = pipeline->flush;

	if (pipeline->stopped)
		return 0;
	if (sink_waits(pipeline))
		return flush->first_ns + pipeline->sink->def->batch_wait_ms * NS_PER_MS;
	if (flush->bytes >= FLUSH_BYTES)
		return 0;
	if (pipeline->sink != NULL && flush->sunk.count >= pipeline->sink_items)
		return 0;
	if (is_last(pipeline))
		return 0;
	return flush->first_ns + engine_config(pipeline->engine)->flush_ms * NS_PER_MS;
}

struct flush *tail_take(struct pipeline *pipeline, uint64_t now_ns, bool force)
{
	struct flush *flush = pipeline->flush;

	if (flush == NULL || (!force && tail_due_ns(pipeline) > now_ns))
		return NULL;
	flush->stages = mem_alloc(pipeline->count * sizeof(flush->stages[0]));
	if (flush->stages != NULL)
		for (unsigned at = 0; at < pipeline->count; at++)
			flush->stages[at] = stage_run_counts(&pipeline->stages[at]);
	flush_arm(flush);
	append_release(pipeline, flush->last_block); /* the blocks come before their outcomes */
	pipeline->flush = NULL;
	pipeline->flushes++;
	return flush;
}
