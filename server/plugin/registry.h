/*
 * registry: the stages that this server has.
 *
 * Built-in ones stand in a linker section of the program; modules are loaded from folders.
 * A file that cannot be loaded is remembered with the reason and the rest serves. Filled at
 * start, never changed afterwards, so reading needs no lock.
 */
#ifndef LEAT_PLUGIN_REGISTRY_H
#define LEAT_PLUGIN_REGISTRY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "job/definition.h"
#include "plugin/config.h"
#include "stages/stage.h"

struct registry;

/* With the built-in stages. */
int registry_new(struct registry **ret, struct error *err);
void registry_free(struct registry *registry);

/*
 * Load every *.so of a folder, in order of name. Refuses what has no `leat_stage`, a newer
 * ABI, a wrong size, no name, no run, a name that is taken: each is remembered and logged.
 * Fails only when the folder cannot be read.
 */
int registry_load_dir(struct registry *registry, const char *dir, struct error *err);

/* The same; its stages run in processes of their own where a job says nothing, and can. */
int registry_load_isolated_dir(struct registry *registry, const char *dir, struct error *err);

/* Load this one file; ERR_BAD_REQUEST, from the path on, when it is refused. */
int registry_load_file(struct registry *registry, const char *file, const struct stage **ret,
	struct error *err);

/*
 * Read the operator's files DIR/NAME.json (dir NULL: there are none). One whose name is a
 * stage's is that stage's configuration, any other makes a program of the template (program.h).
 * What is wrong is remembered and logged as with modules, and a stage that has no
 * configuration then has its defaults. Call it once, after the modules. Borrowed: hooks, as
 * long as the registry. Fails only when the folder cannot be read, or a default is refused.
 */
int registry_load_config(struct registry *registry, const char *dir,
	const struct config_hooks *hooks, struct error *err);
/* Of the stage, as its `config` table wrote it; NULL where there is none. */
const void *registry_config(const struct registry *registry, const struct stage *stage);

size_t registry_count(const struct registry *registry);
/* In order of name. */
const struct stage *registry_at(const struct registry *registry, size_t index);
const struct stage *registry_find(const struct registry *registry, const char *name);
/* Does it run in a process of its own where the job says nothing? */
bool registry_isolated(const struct registry *registry, const struct stage *stage);
/* The file it came from, a module or a program's; NULL for a built-in one. */
const char *registry_file(const struct registry *registry, const struct stage *stage);

/* [{"file":…,"reason":…}]; NULL without memory. */
json_t *registry_refused(const struct registry *registry);
/* What GET /v1/stages/{name} answers. */
json_t *registry_describe(const struct registry *registry, const struct stage *stage);

/* For definition_parse(). Owner: the registry. */
const struct catalog *registry_catalog(const struct registry *registry);

const char *stage_kind_name(enum stage_kind kind);
const char *stage_threads_name(enum stage_threads threads);

#endif
