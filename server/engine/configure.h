/*
 * configure: a stage's own check of what the operator says of it.
 *
 * The registry reads the files (plugin/config.h); the stage's callbacks want a ctx, and that is
 * the engine's to make.
 */
#ifndef LEAT_ENGINE_CONFIGURE_H
#define LEAT_ENGINE_CONFIGURE_H

#include "plugin/registry.h"

extern const struct config_hooks configure_hooks;

/* Tell every stage that the loop ends (stage.h). Thread: loop. */
void configure_loop_end(const struct registry *registry);

#endif
