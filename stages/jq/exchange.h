/*
 * exchange: items to a helper and what it makes of them back, in step with what it takes.
 *
 * Who kills a helper is known because an item is only blamed that was alone with a new one;
 * where several were under way when it died, they are sent again one by one. (The limit of
 * time is an item's own whoever came before it.) Helpers only tell of whole items, so nothing
 * stands twice.
 *
 * Thread: the stage's.
 */
#ifndef LEAT_JQ_EXCHANGE_H
#define LEAT_JQ_EXCHANGE_H

#include "child.h"
#include "stage.h"

struct jq_exchange {
	struct jq_pool *pool;
	struct stage_ctx *ctx; /* of the call */
	struct stage_ctx *(*item)(struct stage_ctx *ctx, size_t index);
	size_t count;
	/* ---- its own ---- */
	size_t answered; /* items that are over */
	size_t sent;     /* items that were sent whole */
	size_t offset;   /* sent of the next one, head included */
	bool emitting;   /* something of items[answered] was emitted */
	bool failed;     /* items[answered], or a single item */
};

/* When it returns every item is over; `failed` says of a single one how. */
void jq_exchange(struct jq_exchange *exchange);

#endif
