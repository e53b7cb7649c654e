/*
 * input: one block of input items while it is in memory.
 *
 * It knows, for each of its items, how many parts are still under way and what became of the
 * others, and, for the commit thread, which items are done on disk.
 *
 *	made by an upload, a source or a read of the ledger
 *	 ─► inbox (fed item by item into the first queue) ─► in flight ─► every item committed
 *─► freed
 *
 * Owner: references, one for each item that has no committed outcome and one for the maker.
 * Thread: `parts`, `fate`, `held`, `fed` belong to the pipeline's lock; `done`, `next`,
 * `stored`, `refused` to the commit thread once it was submitted; the rest never changes.
 */
#ifndef LEAT_ENGINE_INPUT_H
#define LEAT_ENGINE_INPUT_H

#include <stdatomic.h>

#include "base/error.h"
#include "base/id.h"
#include "base/list.h"
#include "engine/item.h"
#include "ledger/block.h"

/* A result or failure that waits until its input item is over, or until its turn comes. */
struct held {
	struct held *next;
	uint64_t part;
	struct slab *slab; /* a result's text; NULL for a failure */
	uint32_t off, len;
	struct buf failure; /* a failure's record */
};

/* A failed part that runs again. */
struct retry {
	struct retry_head head;
	uint32_t offset; /* of its text in the slab */
};

enum {
	FATE_RESULTS = 1, /* left a result, or reached the sink */
	FATE_FAILED = 2,
	FATE_OVER = 4, /* no part is under way */
	FATE_DONE = 8, /* was done before it came into memory */
	FATE_FED = 16,
};

struct input {
	_Atomic uint32_t refs;
	struct list link;  /* pipeline: inbox */
	struct list order; /* pipeline: order of release, when the job is ordered */
	uint64_t number, first_item;
	uint32_t count; /* of items */
	enum block_kind kind;
	struct slab *slab; /* head and texts as they are stored, sealed */
	uint32_t size;     /* of that */
	uint32_t *offsets; /* lines: of the texts; count + 1 of them: a text ends before its NUL
			    */
	/* BLOCK_RETRIES: the failed parts; those of item i are groups[i]..groups[i + 1] */
	struct retry *retries;
	uint32_t *groups;

	bool placed;        /* it was handed to the pipeline */
	uint64_t placed_ns; /* when */
	uint32_t fed, fed_parts, released;
	uint32_t *parts;
	uint8_t *fate;
	struct held **held; /* NULL until one is needed */

	struct id job;
	struct list touched;  /* commit thread: in this transaction */
	uint8_t *done, *next; /* bitmaps: committed, and in the open transaction */
	uint32_t done_count, next_count;
	bool stored, stored_next, refused;
};

/* Takes the slab (head and texts, `size` bytes) and builds the index. NULL without memory;
 * the slab is then still the caller's. `offsets` may be NULL: the texts are then scanned. */
struct input *input_new(struct slab *slab, uint32_t size, const struct block_head *head,
	const uint32_t *offsets, bool *ret_damaged);
/* From the ledger's bytes: checked, with its bitmap. ERR_STORE when damaged. */
int input_decode(const void *bytes, size_t len, const uint8_t *bitmap, size_t bitmap_len,
	struct input **ret, struct error *err);
void input_ref_n(struct input *input, uint32_t n);
void input_unref_n(struct input *input, uint32_t n);

static inline uint64_t input_item_number(const struct input *input, uint32_t index)
{
	return input->retries == NULL ? input->first_item + index
				      : input->retries[input->groups[index]].head.item;
}

static inline size_t bitmap_size(uint32_t count)
{
	return (count + 7) / 8;
}

#endif
