#include "engine/expiry.h"

#include "base/mem.h"

static void swap(struct expiry *a, struct expiry *b)
{
	struct expiry c = *a;

	*a = *b;
	*b = c;
}

void expiry_add(struct expiry_heap *heap, const struct id *id, uint64_t at_ms, uint64_t stamp)
{
	size_t at = heap->count;

	if (at == heap->capacity) {
		size_t capacity = at * 2 + 64;
		struct expiry *items = mem_realloc(heap->items, capacity * sizeof(*items));

		if (items == NULL)
			return;
		heap->items = items;
		heap->capacity = capacity;
	}
	heap->items[at] = (struct expiry){ at_ms, stamp, *id };
	heap->count++;
	for (; at > 0 && heap->items[(at - 1) / 2].at_ms > heap->items[at].at_ms;
		at = (at - 1) / 2)
		swap(&heap->items[at], &heap->items[(at - 1) / 2]);
}

struct expiry expiry_pop(struct expiry_heap *heap)
{
	struct expiry *items = heap->items, top = items[0];
	size_t at = 0, child, count = --heap->count;

	items[0] = items[count];
	while ((child = 2 * at + 1) < count) {
		if (child + 1 < count && items[child + 1].at_ms < items[child].at_ms)
			child++;
		if (items[at].at_ms <= items[child].at_ms)
			break;
		swap(&items[at], &items[child]);
		at = child;
	}
	return top;
}

void expiry_done(struct expiry_heap *heap)
{
	mem_free(heap->items);
	*heap = (struct expiry_heap){ 0 };
}
