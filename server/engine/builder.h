/*
 * builder: an input block being filled.
 *
 * The texts are written where they will stay: into a slab that is stored, worked on and freed
 * as it is. Thread: one.
 */
#ifndef LEAT_ENGINE_BUILDER_H
#define LEAT_ENGINE_BUILDER_H

#include "engine/input.h"

struct builder {
	struct slab *slab; /* NULL: empty */
	uint32_t used, count;
	uint32_t offsets[BLOCK_ITEMS_MAX + 1];
};

/* Does another text of `len` bytes go in? A text larger than a block has one of its own. */
bool builder_fits(const struct builder *builder, size_t len);
/* It must fit. -1 without memory. `hint`: bytes expected in all, 0: a whole block. */
int builder_add(struct builder *builder, const char *text, size_t len, size_t hint);
/* Make room for `len` more bytes also where the block is full. */
int builder_grow(struct builder *builder, size_t len);
/* The same for an item that runs again from a stage in the middle. */
int builder_add_retry(struct builder *builder, struct retry_head head, const char *text);
/* Close it: the input owns the slab now, the builder is empty. Number and first item are set
 * by append_submit(). NULL without memory, nothing changed. */
struct input *builder_finish(struct builder *builder, enum block_kind kind);
void builder_done(struct builder *builder);

#endif
