/*
 * model: what a plan must come to, computed item by item and without threads.
 *
 * It shares nothing with the engine: a part of an item is a recursive call, the numbers of
 * parts are worked out anew, texts are built with jansson. One after the other every line
 * goes in; what must come out stands in `results` and `failures` in the order of the items.
 */
#ifndef LEAT_TEST_MODEL_H
#define LEAT_TEST_MODEL_H

#include "job/record.h"
#include "plan.h"

struct model_result {
	uint64_t item;
	char *text;
};

struct model_failure {
	uint64_t item, part;
	unsigned span_bits, stage, attempts;
	unsigned kind; /* enum failure_kind */
	bool had_results;
	char *input;
};

struct model {
	const struct plan *plan;
	bool healed; /* the probes are */
	struct model_result *results;
	struct model_failure *failures; /* kept ones */
	size_t result_count, failure_count;
	uint64_t succeeded, filtered, failed;
	struct stage_counts counts[PLAN_STAGES];
	uint64_t sink_count, sink_sum;
	/* of the item at hand */
	uint64_t item;
	bool left_result, has_failed;
};

void model_init(struct model *model, const struct plan *plan);
void model_done(struct model *model);
void model_item(struct model *model, uint64_t number, const char *text);
/* All kept failures run again, with healed probes. */
void model_retry(struct model *model);

#endif
