/*
 * rig: an engine in the test's own process: loop, registry, ledger, and a clock to be late by.
 *
 * The ledger outlives the engine, so that one can be closed in the middle of its work and
 * another opened on what it has left.
 */
#ifndef LEAT_TEST_RIG_H
#define LEAT_TEST_RIG_H

#include <uv.h>

#include "engine/engine.h"
#include "rng.h"

struct rig {
	uv_loop_t loop;
	uv_timer_t pulse; /* the loop turns at least every few milliseconds */
	struct registry *registry;
	struct ledger *ledger;
	struct engine *engine;
	struct engine_config config;
};

/* `wrap` may replace the ledger of memory by one that stands in front of it; NULL. */
void rig_init(struct rig *rig, struct ledger *(*wrap)(struct ledger *memory));
/* Random bounds of the engine. */
void rig_configure(struct rig *rig, struct rng *rng);
/* -1 when memory was short. */
int rig_open(struct rig *rig);
void rig_close(struct rig *rig);
/* Everything is given back: dies when a slab, an instance or a worker is left. */
void rig_done(struct rig *rig);
void rig_turn(struct rig *rig, bool wait);

/* Print and end the program: what cannot be must not be cleaned up after. */
void rig_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* What is printed before: the seed, the plan. */
extern void (*rig_last_words)(void *arg);
extern void *rig_last_words_arg;

#define MUST(condition, ...)                                                           \
	do {                                                                           \
		if (!(condition))                                                      \
			rig_die("%s:%d: not (%s): %s", __FILE__, __LINE__, #condition, \
				rig_text(" " __VA_ARGS__));                            \
	} while (0)
const char *rig_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
