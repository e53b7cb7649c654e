/*
 * item: one JSON text on its way through a pipeline.
 *
 * It descends from an input item (input, index), which may have become several *parts*: a
 * stage that emits n items for one divides the part's span of numbers among them. So a part
 * has a number that is the same at every attempt, and parts of one input item sort in the
 * order in which they were emitted, however deep the explosions were nested.
 *
 * It holds one reference of its slab. Plain data: copied from queue to queue.
 */
#ifndef LEAT_ENGINE_ITEM_H
#define LEAT_ENGINE_ITEM_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/slab.h"

struct input;

enum {
	ITEM_FRESH = 1, /* no worker has had it yet: its input item is pending */
};

struct item {
	struct slab *slab;
	struct input *input;
	uint64_t part;
	uint32_t off, len;
	uint32_t index; /* in the input */
	uint16_t attempt;
	uint8_t span_bits; /* the part's span is 2^span_bits; 64 at first */
	uint8_t flags;
};

#define ITEM_SPAN_BITS 64

static inline const char *item_text(const struct item *item)
{
	return item->slab->data + item->off;
}

/* What an item weighs in a queue's bytes. */
static inline uint64_t item_weight(const struct item *item)
{
	return item->len + 1u;
}

/* Drop the references of a run of items; neighbours usually share a slab. */
static inline void items_unref(const struct item *items, size_t count)
{
	for (size_t at = 0; at < count;) {
		struct slab *slab = items[at].slab;
		uint32_t run = 0;

		while (at < count && items[at].slab == slab) {
			run++;
			at++;
		}
		if (slab != NULL)
			slab_unref_n(slab, run);
	}
}

#endif
