/*
 * registry_parts: what the files that make up registry.h share. For them alone.
 */
#ifndef LEAT_PLUGIN_REGISTRY_PARTS_H
#define LEAT_PLUGIN_REGISTRY_PARTS_H

#include "plugin/module.h"
#include "plugin/registry.h"

struct registry {
	struct catalog catalog;
	struct entry {
		const struct stage *stage;
		struct module *module; /* NULL: built in */
	} * entries;                   /* in order of name */
	size_t count;
	struct refused {
		char *file, *reason;
	} * refused;
	size_t refused_count;
};

/* -1 without memory. The registry owns the module then. */
int registry_insert(
	struct registry *registry, const struct stage *stage, struct module *module);

#endif
