/*
 * registry_parts: what the files that make up registry.h share. For them alone.
 */
#ifndef LEAT_PLUGIN_REGISTRY_PARTS_H
#define LEAT_PLUGIN_REGISTRY_PARTS_H

#include "plugin/config.h"
#include "plugin/module.h"
#include "plugin/program.h"
#include "plugin/registry.h"

struct entry {
	const struct stage *stage;
	struct module *module;   /* NULL: built in, or a program */
	struct program *program; /* NULL: it is none */
	char *file;              /* that made the program */
	struct config *config;   /* NULL: none, or not read yet */
	bool isolated;           /* of a folder whose stages run in processes of their own */
};

struct registry {
	struct catalog catalog;
	struct entry *entries; /* in order of name */
	size_t count;
	struct entry *templates; /* no stages: registry_config.c makes stages of them */
	size_t template_count;
	struct refused {
		char *file, *reason;
	} * refused;
	size_t refused_count;
	bool isolating; /* the folder being loaded is one of those */
};

/* -1 without memory. The registry owns what the entry holds then. */
int registry_insert_entry(struct registry *registry, const struct entry *entry);
/* The same for a stage that is no program; a template is kept aside. */
int registry_insert(
	struct registry *registry, const struct stage *stage, struct module *module);
/* NULL when there is none of that name. */
const struct stage *registry_template(const struct registry *registry, const char *name);
/* What it holds. */
void registry_drop_entry(struct entry *entry);
/* Log and remember; -1 without memory. */
int registry_refuse(struct registry *registry, const char *file, const struct error *why,
	struct error *err);

#endif
