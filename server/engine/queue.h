/*
 * queue: a bounded ring of items.
 *
 * The bound is the caller's to keep: it asks queue_room() first, counts what it has promised
 * to others (`reserved`) and what waits for another attempt (`delayed`), and never pushes
 * more. The ring itself grows by doubling, so that an idle queue costs nothing.
 *
 * Thread: none of its own; the pipeline's lock covers it.
 */
#ifndef LEAT_ENGINE_QUEUE_H
#define LEAT_ENGINE_QUEUE_H

#include "engine/item.h"

struct queue {
	struct item *ring;
	uint32_t capacity, head, count;
	uint32_t reserved; /* promised to activations under way in front of it */
	uint32_t delayed;  /* waiting for their next attempt */
	uint64_t bytes;    /* queued and delayed */
	/* Taken in a batch, but not yet begun: they may come back, in front of what came
	 * meanwhile. So as many again as the bounds say may be about, and no more. */
	uint32_t held;
	uint64_t held_bytes;
	uint64_t max_items, max_bytes;
};

void queue_init(struct queue *queue, uint64_t max_items, uint64_t max_bytes);
/* Memory is tight: from now on no queue takes anything while it has something. Any thread. */
void queue_set_tight(bool now);
bool queue_is_tight(void);
/* Drops what is left. */
void queue_done(struct queue *queue);
/* How many items may still come in; 0 also when the bytes are used up. */
uint64_t queue_room(const struct queue *queue);
/* Do the bytes of this one go in? An empty queue takes any item, however large. */
bool queue_fits(const struct queue *queue, const struct item *item);
/* -1 without memory, nothing pushed. */
int queue_push(struct queue *queue, const struct item *items, uint32_t count);
/* As many of the first `max` as its bytes allow; returns how many (0 also without memory). */
uint32_t queue_push_fitting(struct queue *queue, const struct item *items, uint64_t max);
/* In front of what is there, in the given order. Never fails after a queue_pop() of them. */
int queue_push_front(struct queue *queue, const struct item *items, uint32_t count);
/* How many of the first `max` one call or activation may take: at least one, if there is one,
 * and no more than the bounds say. What fails for the moment comes back behind a full queue;
 * who then took all of it would come back with more each time. */
uint32_t queue_portion(const struct queue *queue, uint64_t max);
/* Takes at most `max`; returns how many. */
uint32_t queue_pop(struct queue *queue, struct item *ret_items, uint32_t max);
/* Of a batch that was taken all but the first may come back; until queue_release() of them. */
void queue_hold(struct queue *queue, const struct item *items, uint32_t count);
void queue_release(struct queue *queue, const struct item *items, uint32_t count);

#endif
