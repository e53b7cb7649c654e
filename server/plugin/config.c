#include "plugin/config.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "job/pointer.h"
#include "plugin/params.h"
#include "plugin/params_row.h"

struct config {
	const struct stage *stage;
	const struct config_hooks *hooks; /* NULL: `configure` was not called */
	struct params_store *store;
	void *memory;
};

bool config_wanted(const struct stage *stage)
{
	return stage->config_of == NULL && stage->config_size > 0;
}

/* The code for a job's parameters takes a stage and looks at its table: one with this table. */
static struct stage with_table_of_config(const struct stage *stage)
{
	return (struct stage){ .name = stage->name,
		.params = stage->config,
		.instance_size = stage->config_size };
}

int config_table_check(const struct stage *stage, struct error *err)
{
	struct stage as_params = with_table_of_config(stage);
	struct error why;

	if (params_table_check(&as_params, &why) == 0)
		return 0;
	if (why.code == ERR_NO_MEMORY)
		return error_no_memory(err);
	return error_set(err, ERR_INTERNAL, "of its configuration: %s", why.text);
}

/*
 * In one line: the log and the list of what was refused have a line for each file. "must be a
 * number, not "hunter2"" would tell everybody who reads it what stood there: cut before that.
 */
static int say_mistakes(const struct mistakes *mistakes, struct error *err)
{
	const struct mistake *first = &mistakes->items[0];
	const char *shown;
	int len;

	if (mistakes->count == 0)
		return error_no_memory(err);
	shown = strstr(first->detail, ", not ");
	len = shown != NULL ? (int)(shown - first->detail) : (int)strlen(first->detail);
	if (mistakes->count == 1)
		return error_set(err, ERR_INTERNAL, "its member %s %.*s", first->pointer, len,
			first->detail);
	return error_set(err, ERR_INTERNAL, "its member %s %.*s (and %u more mistakes)",
		first->pointer, len, first->detail, mistakes->count - 1);
}

/* What is required has no default, and stays zero where there is no file. */
static int fill_defaults(struct config *config, struct error *err)
{
	struct stage as_params = with_table_of_config(config->stage);
	json_auto_t *defaults = json_object();

	for (const struct stage_param *row = params_rows(&as_params);
		defaults != NULL && row->name != NULL; row++)
		if (row->def != NULL &&
			json_object_set_new(defaults, row->name, params_default(row)) < 0)
			return error_no_memory(err);
	if (defaults == NULL)
		return error_no_memory(err);
	return params_fill(&as_params, defaults, config->memory, &config->store, err);
}

static int fill(struct config *config, const json_t *root, struct error *err)
{
	struct stage as_params = with_table_of_config(config->stage);
	struct mistakes mistakes;
	json_t *checked;
	int result;

	mistakes_init(&mistakes);
	checked = params_check(&as_params, root, "", &mistakes);
	result = checked == NULL ? say_mistakes(&mistakes, err)
				 : params_fill(&as_params, checked, config->memory,
					   &config->store, err);
	json_decref(checked);
	mistakes_done(&mistakes);
	return result;
}

int config_new(const struct stage *stage, const json_t *root, const struct config_hooks *hooks,
	struct config **ret, struct error *err)
{
	struct config *config = mem_zalloc(sizeof(*config));

	if (config != NULL)
		config->memory = mem_zalloc(stage->config_size);
	if (config == NULL || config->memory == NULL) {
		config_free(config);
		return error_no_memory(err);
	}
	config->stage = stage;
	if ((root != NULL ? fill(config, root, err) : fill_defaults(config, err)) < 0 ||
		(hooks != NULL && hooks->configure(stage, config->memory, err) < 0)) {
		config_free(config);
		return -1;
	}
	config->hooks = hooks;
	*ret = config;
	return 0;
}

void config_free(struct config *config)
{
	if (config == NULL)
		return;
	if (config->hooks != NULL)
		config->hooks->unconfigure(config->stage, config->memory);
	params_store_free(config->store);
	mem_free(config->memory);
	mem_free(config);
}

const void *config_memory(const struct config *config)
{
	return config == NULL ? NULL : config->memory;
}
