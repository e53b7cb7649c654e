/*
 * module: one stage from a shared object.
 *
 * It is loaded with all its symbols bound at once and none of them shared, so that one
 * module cannot break another. A module of an older stage.h has smaller structs: they are
 * copied into ours, and what they lack is zero, which always means "as before".
 */
#ifndef LEAT_PLUGIN_MODULE_H
#define LEAT_PLUGIN_MODULE_H

#include "base/error.h"
#include "stages/stage.h"

struct module;

/* Why it was refused is in `err`, as a text for the stage's author. */
int module_open(const char *file, struct module **ret, struct error *err);
/* NULL is fine. The stage is gone then. */
void module_free(struct module *module);

const struct stage *module_stage(const struct module *module);
/* NULL for NULL. */
const char *module_file(const struct module *module);

#endif
