/*
 * fixture: a pipeline without threads, of one stage that nobody runs: what stands in front of
 * its queue and behind it can be tried by hand.
 */
#ifndef LEAT_TEST_ENGINE_FIXTURE_H
#define LEAT_TEST_ENGINE_FIXTURE_H

#include "engine/builder.h"
#include "engine/flush.h"

struct fixture {
	struct stage stage;
	struct stage_def def;
	struct definition definition;
	struct pipeline pipeline;
	struct stage_run runs[2];
};

void fixture_init(struct fixture *fixture, bool ordered);
/* Frees what is left in it; every slab must then be free. */
void fixture_done(struct fixture *fixture);

/* A block of the given texts. */
struct input *block_of(const char *const *texts, uint32_t count);
/* The same, handed to the pipeline and fed: its items are taken off the queue into `items`. */
struct input *feed(
	struct fixture *fixture, const char *const *texts, uint32_t count, struct item *items);
/* The lines gathered in the flush, each with its item: "0:a 1:b". */
const char *gathered(const struct fixture *fixture);

#endif
