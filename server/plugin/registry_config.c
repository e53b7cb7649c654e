/* The folder of the operator's files: configurations of stages, and programs. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "job/text.h"
#include "plugin/registry_parts.h"

#define SUFFIX ".json"

/* What a file says beside its configuration, where it makes a program (program.h). */
static const char *const program_members[] = { "template", "params", "description", "version" };

#define TEMPLATE_DEFAULT "exec"

struct loading {
	struct registry *registry;
	const struct config_hooks *hooks;
};

static int is_json(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name), suffix = strlen(SUFFIX);

	return entry->d_name[0] != '.' && len > suffix &&
	       strcmp(entry->d_name + len - suffix, SUFFIX) == 0;
}

static struct entry *find_entry(struct registry *registry, const char *name)
{
	for (size_t at = 0; at < registry->count; at++)
		if (strcmp(registry->entries[at].stage->name, name) == 0)
			return &registry->entries[at];
	return NULL;
}

static int configure(const struct loading *loading, struct entry *entry, const json_t *root,
	const char *file, struct error *err)
{
	const struct stage *stage = entry->stage;

	if (stage->config_of != NULL)
		return error_set(err, ERR_INTERNAL,
			"the stage '%s' shares the configuration of '%s': write it there",
			stage->name, stage->config_of);
	if (!config_wanted(stage))
		return error_set(err, ERR_INTERNAL, "the stage '%s' takes no configuration",
			stage->name);
	if (entry->config != NULL)
		return error_set(err, ERR_INTERNAL,
			"the stage '%s' is made by a file of that name already", stage->name);
	if (config_new(stage, root, loading->hooks, &entry->config, err) < 0)
		return -1;
	log_info("stage_configured", "stage=%s file=%s", stage->name, file);
	return 0;
}

static json_t *config_part(const json_t *root)
{
	json_t *part = json_copy((json_t *)root);

	for (size_t at = 0; part != NULL && at < ARRAY_SIZE(program_members); at++)
		json_object_del(part, program_members[at]);
	return part;
}

/* The entry is whole or there is none. */
static int insert_program(
	const struct loading *loading, struct entry *entry, const char *file, struct error *err)
{
	entry->stage = program_stage(entry->program);
	entry->file = mem_strdup(file);
	if (entry->file == NULL || registry_insert_entry(loading->registry, entry) < 0)
		return error_no_memory(err);
	log_info("stage_loaded", "stage=%s file=%s", entry->stage->name, file);
	return 0;
}

static const struct stage *find_template(
	const struct registry *registry, const json_t *root, struct error *err)
{
	const json_t *given = json_object_get(root, "template");
	const char *name = given != NULL ? json_string_value(given) : TEMPLATE_DEFAULT;
	const struct stage *template = name != NULL ? registry_template(registry, name) : NULL;

	if (template == NULL)
		error_set(err, ERR_INTERNAL,
			"no stage has the name of the file, and for a program its member "
			"/template must be the name of a template, not '%.64s'",
			name != NULL ? name : "?");
	return template;
}

static int add_program(const struct loading *loading, const char *name, const json_t *root,
	const char *file, struct error *err)
{
	const struct stage *template = find_template(loading->registry, root, err);
	struct entry entry = { 0 };
	json_auto_t *part = config_part(root);

	if (template == NULL)
		return -1;
	if (!text_is_name(name, strlen(name)))
		return error_set(err, ERR_INTERNAL,
			"a stage's name has 1 to %d letters, digits, '_' or '-'",
			TEXT_NAME_MAX);
	if (part == NULL)
		return error_no_memory(err);
	if (program_new(template, name, root, &entry.program, err) < 0 ||
		config_new(program_stage(entry.program), part, loading->hooks, &entry.config,
			err) < 0 ||
		insert_program(loading, &entry, file, err) < 0) {
		registry_drop_entry(&entry);
		return -1;
	}
	return 0;
}

static int take_file(
	const struct loading *loading, const char *name, const char *file, struct error *err)
{
	struct entry *entry = find_entry(loading->registry, name);
	json_auto_t *root = config_read_file(file, err);

	if (root == NULL)
		return -1;
	return entry != NULL ? configure(loading, entry, root, file, err)
			     : add_program(loading, name, root, file, err);
}

static int load_one(
	const struct loading *loading, const char *dir, const char *base, struct error *err)
{
	char file[4096], name[256];
	struct error why = { 0 };

	snprintf(name, sizeof(name), "%.*s", (int)(strlen(base) - strlen(SUFFIX)), base);
	if (snprintf(file, sizeof(file), "%s/%s", dir, base) >= (int)sizeof(file))
		return error_set(err, ERR_BAD_REQUEST, "the path of '%s' is too long", base);
	if (take_file(loading, name, file, &why) == 0)
		return 0;
	return registry_refuse(loading->registry, file, &why, err);
}

static int load_files(const struct loading *loading, const char *dir, struct error *err)
{
	struct dirent **list;
	int count = scandir(dir, &list, is_json, alphasort), result = 0;

	if (count < 0)
		return error_set(err, ERR_BAD_REQUEST,
			"cannot read the folder of configurations '%s' (stages-d): %s", dir,
			strerror(errno));
	for (int at = 0; at < count; at++) {
		if (result == 0)
			result = load_one(loading, dir, list[at]->d_name, err);
		free(list[at]);
	}
	free(list);
	return result;
}

/* A stage that does not even like its defaults has them all the same, and is named. */
static int set_defaults(const struct loading *loading, struct entry *entry, struct error *err)
{
	const struct stage *stage = entry->stage;
	struct error why = { 0 };
	char file[TEXT_NAME_MAX + 32];

	if (config_new(stage, NULL, loading->hooks, &entry->config, &why) == 0)
		return 0;
	snprintf(file, sizeof(file), "%s%s (not there)", stage->name, SUFFIX);
	if (registry_refuse(loading->registry, file, &why, err) < 0)
		return -1;
	return config_new(stage, NULL, NULL, &entry->config, err);
}

int registry_load_config(struct registry *registry, const char *dir,
	const struct config_hooks *hooks, struct error *err)
{
	struct loading loading = { registry, hooks };

	if (dir != NULL && load_files(&loading, dir, err) < 0)
		return -1;
	for (size_t at = 0; at < registry->count; at++) {
		struct entry *entry = &registry->entries[at];

		if (config_wanted(entry->stage) && entry->config == NULL &&
			set_defaults(&loading, entry, err) < 0)
			return -1;
	}
	return 0;
}

const void *registry_config(const struct registry *registry, const struct stage *stage)
{
	const char *name = stage->config_of != NULL ? stage->config_of : stage->name;
	struct entry *entry = find_entry((struct registry *)registry, name);

	return entry == NULL ? NULL : config_memory(entry->config);
}
