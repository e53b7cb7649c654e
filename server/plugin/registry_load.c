/* Folders of modules: what loads is registered, what does not is remembered with the reason. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "plugin/registry_parts.h"

static int is_module(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 3 &&
	       strcmp(entry->d_name + len - 3, ".so") == 0;
}

static int remember_refused(struct registry *registry, const char *file, const char *reason)
{
	struct refused *list =
		mem_realloc(registry->refused, (registry->refused_count + 1) * sizeof(list[0]));
	struct refused *row;

	if (list == NULL)
		return -1;
	registry->refused = list;
	row = &list[registry->refused_count];
	*row = (struct refused){ mem_strdup(file), mem_strdup(reason) };
	registry->refused_count++;
	return row->file != NULL && row->reason != NULL ? 0 : -1;
}

int registry_refuse(
	struct registry *registry, const char *file, const struct error *why, struct error *err)
{
	if (why->code == ERR_NO_MEMORY)
		return error_no_memory(err);
	log_warn("stage_refused", "file=%s err=\"%s\"", file, why->text);
	return remember_refused(registry, file, why->text) < 0 ? error_no_memory(err) : 0;
}

/* Built-in or from another file: the first of a name stays. */
static int check_name(
	const struct registry *registry, const struct stage *stage, struct error *err)
{
	const struct stage *other = registry_find(registry, stage->name);
	const char *file = other != NULL ? registry_file(registry, other) : NULL;

	if (other == NULL)
		other = registry_template(registry, stage->name);
	if (other == NULL)
		return 0;
	return error_set(err, ERR_INTERNAL, "there is a stage '%s' already, %s%s", stage->name,
		file != NULL ? "from " : "built in", file != NULL ? file : "");
}

static int insert_file(struct registry *registry, const char *file, const struct stage **ret,
	struct error *err)
{
	struct module *module;

	if (module_open(file, &module, err) < 0)
		return -1;
	if (check_name(registry, module_stage(module), err) < 0) {
		module_free(module);
		return -1;
	}
	if (registry_insert(registry, module_stage(module), module) < 0) {
		module_free(module);
		return error_no_memory(err);
	}
	log_info("stage_loaded", "stage=%s file=%s", module_stage(module)->name, file);
	if (registry->isolating && stage_not_isolated(module_stage(module)) != NULL)
		log_warn("stage_not_isolated", "stage=%s file=%s err=\"%s\"",
			module_stage(module)->name, file,
			stage_not_isolated(module_stage(module)));
	*ret = module_stage(module);
	return 0;
}

/* Where dlopen() looks for a name without a slash is not where a person means. */
int registry_load_file(struct registry *registry, const char *file, const struct stage **ret,
	struct error *err)
{
	struct error why = { 0 };
	char path[4096];

	if (snprintf(path, sizeof(path), "%s%s", strchr(file, '/') == NULL ? "./" : "", file) >=
		(int)sizeof(path))
		return error_set(err, ERR_BAD_REQUEST, "the path of the stage is too long");
	if (insert_file(registry, path, ret, &why) == 0)
		return 0;
	if (why.code == ERR_NO_MEMORY)
		return error_no_memory(err);
	return error_set(err, ERR_BAD_REQUEST, "%s: %s", file, why.text);
}

static int load_file(struct registry *registry, const char *file, struct error *err)
{
	const struct stage *stage;
	struct error why = { 0 };

	return insert_file(registry, file, &stage, &why) == 0
		       ? 0
		       : registry_refuse(registry, file, &why, err);
}

/* A path with a slash: dlopen() would search the system's folders for a bare name. */
static int load_entry(
	struct registry *registry, const char *dir, const char *name, struct error *err)
{
	char file[4096];

	if (snprintf(file, sizeof(file), "%s/%s", dir, name) >= (int)sizeof(file))
		return error_set(
			err, ERR_BAD_REQUEST, "the path of the stage '%s' is too long", name);
	return load_file(registry, file, err);
}

int registry_load_dir(struct registry *registry, const char *dir, struct error *err)
{
	struct dirent **list;
	int count = scandir(dir, &list, is_module, alphasort), result = 0;

	if (count < 0)
		return error_set(err, ERR_BAD_REQUEST,
			"cannot read the folder of stages '%s': %s", dir, strerror(errno));
	for (int i = 0; i < count; i++) {
		if (result == 0)
			result = load_entry(registry, dir, list[i]->d_name, err);
		free(list[i]);
	}
	free(list);
	return result;
}

int registry_load_isolated_dir(struct registry *registry, const char *dir, struct error *err)
{
	int result;

	registry->isolating = true;
	result = registry_load_dir(registry, dir, err);
	registry->isolating = false;
	return result;
}
