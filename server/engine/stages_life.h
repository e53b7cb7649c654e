/*
 * stages_life: opening and closing the instances of a pipeline's stages.
 *
 * Stage code never runs on the loop, so both are tasks of the compute threads; a pipeline
 * whose stages have nothing to open is ready at once.
 */
#ifndef LEAT_ENGINE_STAGES_LIFE_H
#define LEAT_ENGINE_STAGES_LIFE_H

#include "engine/pipeline.h"

/* Make the instances and run every `open`. Thread: compute, or any where nothing has one.
 * ERR_DEFINITION, its text begins with a JSON pointer into the definition. */
int stages_life_open(
	struct pipeline *pipeline, const void *state, size_t state_len, struct error *err);
/* Does any stage have code to run at open? */
bool stages_life_has_open(const struct pipeline *pipeline);
/* Close all stages off the loop, then free the pipeline. Thread: any. */
void stages_life_end(struct pipeline *pipeline);

#endif
