/*
 * call_kit: what a call of many items needs, used again by the stage's next ones.
 *
 * Its memory grows to the largest call that it served, so only some of those that nobody uses
 * are kept: what a stage holds follows what it has in hand, not what it once had.
 *
 * Thread: none of its own; the pipeline's lock covers taking and putting back.
 */
#ifndef LEAT_ENGINE_CALL_KIT_H
#define LEAT_ENGINE_CALL_KIT_H

#include "engine/batch.h"

struct call_kit {
	struct call_kit *next;
	struct batch batch;
	struct item *items;
	int32_t *outcomes; /* of each item */
	unsigned capacity;
};

/* With room for so many items; NULL without memory. */
struct call_kit *call_kit_take(struct stage_run *run, unsigned count);
void call_kit_put(struct stage_run *run, struct call_kit *kit);
/* Free those that nobody uses. */
void call_kits_done(struct stage_run *run);

#endif
