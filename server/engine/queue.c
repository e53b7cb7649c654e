#include "engine/queue.h"

#include <stdatomic.h>

#include "base/mem.h"

void queue_init(struct queue *queue, uint64_t max_items, uint64_t max_bytes)
{
	*queue = (struct queue){ .max_items = max_items, .max_bytes = max_bytes };
}

void queue_done(struct queue *queue)
{
	struct item item;

	while (queue_pop(queue, &item, 1) == 1)
		slab_unref(item.slab);
	mem_free(queue->ring);
	queue->ring = NULL;
	queue->capacity = 0;
}

/* Of the process, as memory is. */
static atomic_bool tight;

void queue_set_tight(bool now)
{
	atomic_store_explicit(&tight, now, memory_order_relaxed);
}

bool queue_is_tight(void)
{
	return atomic_load_explicit(&tight, memory_order_relaxed);
}

uint64_t queue_room(const struct queue *queue)
{
	uint64_t used = (uint64_t)queue->count + queue->reserved + queue->delayed;
	uint64_t most = 2 * queue->max_items, all = used + queue->held;

	if (used > 0 && queue_is_tight())
		return 0;
	if (used >= queue->max_items || queue->bytes >= queue->max_bytes || all >= most)
		return 0;
	if (queue->held_bytes > 0 && queue->bytes + queue->held_bytes >= 2 * queue->max_bytes)
		return 0;
	return MIN(queue->max_items - used, most - all);
}

static uint64_t weight_of(const struct item *items, uint32_t count)
{
	uint64_t bytes = 0;

	for (uint32_t at = 0; at < count; at++)
		bytes += item_weight(&items[at]);
	return bytes;
}

void queue_hold(struct queue *queue, const struct item *items, uint32_t count)
{
	queue->held += count - 1;
	queue->held_bytes += weight_of(items + 1, count - 1);
}

void queue_release(struct queue *queue, const struct item *items, uint32_t count)
{
	queue->held -= count - 1;
	queue->held_bytes -= weight_of(items + 1, count - 1);
}

bool queue_fits(const struct queue *queue, const struct item *item)
{
	return queue->bytes == 0 || queue->bytes + item_weight(item) <= queue->max_bytes;
}

static int grow(struct queue *queue, uint32_t need)
{
	uint32_t capacity = MAX(queue->capacity, 16u);
	struct item *ring;

	if (queue->capacity >= need)
		return 0;
	while (capacity < need)
		capacity *= 2;
	ring = mem_alloc(capacity * sizeof(*ring));
	if (ring == NULL)
		return -1;
	for (uint32_t at = 0; at < queue->count; at++)
		ring[at] = queue->ring[(queue->head + at) & (queue->capacity - 1)];
	mem_free(queue->ring);
	queue->ring = ring;
	queue->capacity = capacity;
	queue->head = 0;
	return 0;
}

int queue_push(struct queue *queue, const struct item *items, uint32_t count)
{
	if (grow(queue, queue->count + count) < 0)
		return -1;
	for (uint32_t at = 0; at < count; at++) {
		queue->ring[(queue->head + queue->count + at) & (queue->capacity - 1)] =
			items[at];
		queue->bytes += item_weight(&items[at]);
	}
	queue->count += count;
	return 0;
}

int queue_push_front(struct queue *queue, const struct item *items, uint32_t count)
{
	if (grow(queue, queue->count + count) < 0)
		return -1;
	queue->head = (queue->head - count) & (queue->capacity - 1);
	for (uint32_t at = 0; at < count; at++) {
		queue->ring[(queue->head + at) & (queue->capacity - 1)] = items[at];
		queue->bytes += item_weight(&items[at]);
	}
	queue->count += count;
	return 0;
}

uint32_t queue_portion(const struct queue *queue, uint64_t max)
{
	uint64_t bytes = 0;
	uint32_t n = 0;

	max = MIN(MIN(max, queue->max_items), (uint64_t)queue->count);
	if (queue->bytes <= queue->max_bytes)
		return (uint32_t)max;
	for (; n < max; n++) {
		bytes += item_weight(&queue->ring[(queue->head + n) & (queue->capacity - 1)]);
		if (n > 0 && bytes > queue->max_bytes)
			break;
	}
	return n;
}

uint32_t queue_pop(struct queue *queue, struct item *ret_items, uint32_t max)
{
	uint32_t count = MIN(queue->count, max);

	for (uint32_t at = 0; at < count; at++) {
		ret_items[at] = queue->ring[(queue->head + at) & (queue->capacity - 1)];
		queue->bytes -= item_weight(&ret_items[at]);
	}
	queue->head = (queue->head + count) & (queue->capacity ? queue->capacity - 1 : 0);
	queue->count -= count;
	return count;
}

uint32_t queue_push_fitting(struct queue *queue, const struct item *items, uint64_t max)
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
