#include "plugin/registry.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/text.h"
#include "plugin/module.h"
#include "plugin/params.h"
#include "plugin/registry_parts.h"

/* The linker's names for both ends of the section; absent in a program without stages. */
extern const struct stage *const __start_leat_stages[] __attribute__((weak));
extern const struct stage *const __stop_leat_stages[] __attribute__((weak));

/* ---- the catalog that definitions are checked against ---- */

static const struct registry *of_catalog(const struct catalog *catalog)
{
	return CONTAINER_OF(catalog, struct registry, catalog);
}

static const struct stage *catalog_find(const struct catalog *catalog, const char *name)
{
	return registry_find(of_catalog(catalog), name);
}

static const char *catalog_nearest(const struct catalog *catalog, const char *name)
{
	const struct registry *registry = of_catalog(catalog);
	struct nearest nearest;

	nearest_init(&nearest, name);
	for (size_t i = 0; i < registry->count; i++)
		nearest_offer(&nearest, registry->entries[i].stage->name);
	return nearest_best(&nearest);
}

static json_t *catalog_check_params(const struct catalog *catalog, const struct stage *stage,
	const json_t *params, const char *pointer, struct mistakes *mistakes)
{
	return params_check(stage, params, pointer, mistakes);
}

static bool catalog_isolated(const struct catalog *catalog, const struct stage *stage)
{
	return registry_isolated(of_catalog(catalog), stage);
}

const struct catalog *registry_catalog(const struct registry *registry)
{
	return &registry->catalog;
}

/* ---- filling it ---- */

/* Make room for one more entry; the grown array stays when what follows fails. */
static int reserve_entry(struct registry *registry)
{
	struct entry *entries =
		mem_realloc(registry->entries, (registry->count + 1) * sizeof(entries[0]));

	if (entries == NULL)
		return -1;
	registry->entries = entries;
	return 0;
}

int registry_insert_entry(struct registry *registry, const struct entry *entry)
{
	size_t at = registry->count;

	if (reserve_entry(registry) < 0)
		return -1;
	while (at > 0 && strcmp(registry->entries[at - 1].stage->name, entry->stage->name) > 0)
		at--;
	memmove(&registry->entries[at + 1], &registry->entries[at],
		(registry->count - at) * sizeof(registry->entries[0]));
	registry->entries[at] = *entry;
	registry->count++;
	return 0;
}

static int insert_template(struct registry *registry, const struct entry *entry)
{
	struct entry *templates = mem_realloc(
		registry->templates, (registry->template_count + 1) * sizeof(templates[0]));

	if (templates == NULL)
		return -1;
	registry->templates = templates;
	templates[registry->template_count++] = *entry;
	return 0;
}

int registry_insert(struct registry *registry, const struct stage *stage, struct module *module)
{
	struct entry entry = {
		.stage = stage, .module = module, .isolated = registry->isolating
	};

	return (stage->flags & STAGE_TEMPLATE) != 0 ? insert_template(registry, &entry)
						    : registry_insert_entry(registry, &entry);
}

const struct stage *registry_template(const struct registry *registry, const char *name)
{
	for (size_t i = 0; i < registry->template_count; i++)
		if (strcmp(registry->templates[i].stage->name, name) == 0)
			return registry->templates[i].stage;
	return NULL;
}

void registry_drop_entry(struct entry *entry)
{
	config_free(entry->config);
	program_free(entry->program);
	module_free(entry->module);
	mem_free(entry->file);
}

static int insert_builtins(struct registry *registry, struct error *err)
{
	for (const struct stage *const *at = __start_leat_stages; at != __stop_leat_stages;
		at++)
		if (registry_insert(registry, *at, NULL) < 0)
			return error_no_memory(err);
	return 0;
}

int registry_new(struct registry **ret, struct error *err)
{
	struct registry *registry = mem_zalloc(sizeof(*registry));

	if (registry == NULL)
		return error_no_memory(err);
	registry->catalog = (struct catalog){ catalog_find, catalog_nearest,
		catalog_check_params, catalog_isolated };
	if (insert_builtins(registry, err) < 0) {
		registry_free(registry);
		return -1;
	}
	*ret = registry;
	return 0;
}

void registry_free(struct registry *registry)
{
	if (registry == NULL)
		return;
	for (size_t i = 0; i < registry->count; i++)
		registry_drop_entry(&registry->entries[i]);
	for (size_t i = 0; i < registry->template_count; i++)
		registry_drop_entry(&registry->templates[i]);
	for (size_t i = 0; i < registry->refused_count; i++) {
		mem_free(registry->refused[i].file);
		mem_free(registry->refused[i].reason);
	}
	mem_free(registry->entries);
	mem_free(registry->templates);
	mem_free(registry->refused);
	mem_free(registry);
}

/* ---- asking it ---- */

size_t registry_count(const struct registry *registry)
{
	return registry->count;
}

const struct stage *registry_at(const struct registry *registry, size_t index)
{
	return registry->entries[index].stage;
}

const struct stage *registry_find(const struct registry *registry, const char *name)
{
	size_t low = 0, high = registry->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(name, registry->entries[middle].stage->name);

		if (order == 0)
			return registry->entries[middle].stage;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const char *registry_file(const struct registry *registry, const struct stage *stage)
{
	for (size_t i = 0; i < registry->count; i++)
		if (registry->entries[i].stage == stage)
			return registry->entries[i].file != NULL
				       ? registry->entries[i].file
				       : module_file(registry->entries[i].module);
	return NULL;
}

bool registry_isolated(const struct registry *registry, const struct stage *stage)
{
	for (size_t i = 0; i < registry->count; i++)
		if (registry->entries[i].stage == stage)
			return registry->entries[i].isolated &&
			       stage_not_isolated(stage) == NULL;
	return false;
}

json_t *registry_refused(const struct registry *registry)
{
	json_t *list = json_array();

	for (size_t i = 0; list != NULL && i < registry->refused_count; i++) {
		const struct refused *refused = &registry->refused[i];

		if (json_array_append_new(list, json_pack("{s:s, s:s}", "file", refused->file,
							"reason", refused->reason)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

const char *stage_kind_name(enum stage_kind kind)
{
	static const char *const names[] = {
		[STAGE_MAP] = "map", [STAGE_SOURCE] = "source", [STAGE_SINK] = "sink"
	};

	return names[kind];
}

const char *stage_threads_name(enum stage_threads threads)
{
	static const char *const names[] = {
		[STAGE_SERIAL] = "serial",
		[STAGE_PARALLEL] = "parallel",
		[STAGE_BLOCKING] = "blocking",
		[STAGE_ASYNC] = "async",
	};

	return names[threads];
}

json_t *registry_describe(const struct registry *registry, const struct stage *stage)
{
	const char *file = registry_file(registry, stage);
	const char *base = file != NULL ? strrchr(file, '/') : NULL;

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:i, s:s?, s:s, s:o}", "name",
		stage->name, "kind", stage_kind_name(stage->kind), "version",
		stage->version != NULL ? stage->version : "", "summary",
		stage->summary != NULL ? stage->summary : "", "threads",
		stage_threads_name(stage->threads), "batches", stage->run_batch != NULL, "abi",
		(int)stage->abi, "module", base != NULL ? base + 1 : file, "isolation",
		registry_isolated(registry, stage) ? "process" : "none", "params",
		params_schema(stage));
}
