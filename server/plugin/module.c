#include "plugin/module.h"

#include <dlfcn.h>
#include <stddef.h>

#include "base/mem.h"
#include "job/text.h"
#include "plugin/config.h"
#include "plugin/params.h"

struct module {
	char *file;
	void *handle;
	struct stage stage;                  /* the module's descriptor, in our size */
	struct stage_param *params, *config; /* its tables, in our size */
};

/* The first stage.h ended with this member: what is smaller never was a descriptor. */
#define STAGE_SIZE_MIN (offsetof(struct stage, report) + sizeof(((struct stage *)0)->report))
#define PARAM_SIZE_MIN \
	(offsetof(struct stage_param, schema) + sizeof(((struct stage_param *)0)->schema))

/* Nothing behind the first three members may be read before this has passed. */
static int check_head(const struct stage *stage, struct error *err)
{
	if (stage->abi == 0 || stage->size < STAGE_SIZE_MIN ||
		stage->param_size < PARAM_SIZE_MIN)
		return error_set(err, ERR_INTERNAL,
			"its descriptor is not one that STAGE() makes (abi %u, size %u)",
			stage->abi, stage->size);
	if (stage->abi > STAGE_ABI)
		return error_set(err, ERR_INTERNAL,
			"it was built for stage ABI %u, this leat knows %d: use a newer leat, or "
			"build the stage with this one's stage.h",
			stage->abi, STAGE_ABI);
	if (stage->size > sizeof(struct stage) ||
		stage->param_size > sizeof(struct stage_param))
		return error_set(err, ERR_INTERNAL,
			"it was built with a newer stage.h (descriptor of %u bytes, this leat "
			"knows %zu): use a newer leat, or build the stage with this one's stage.h",
			stage->size, sizeof(struct stage));
	return 0;
}

static int check_body(const struct stage *stage, struct error *err)
{
	if (stage->name == NULL || !text_is_name(stage->name, strnlen(stage->name, 100)))
		return error_set(err, ERR_INTERNAL,
			"it has no name of 1 to %d letters, digits, '_' or '-'", TEXT_NAME_MAX);
	if (stage->run == NULL)
		return error_set(err, ERR_INTERNAL, "it has no run function");
	if ((unsigned)stage->kind > STAGE_SINK || (unsigned)stage->threads > STAGE_ASYNC)
		return error_set(err, ERR_INTERNAL, "its kind or its threads is none we know");
	if (stage->kind != STAGE_MAP && stage->threads == STAGE_ASYNC)
		return error_set(err, ERR_INTERNAL,
			"a source or a sink cannot be async; make it blocking, then it may wait");
	if (params_table_check(stage, err) < 0)
		return -1;
	return config_table_check(stage, err);
}

/* Rows of the module's size into rows of ours; NULL is an empty table. */
static int copy_rows(const struct module *module, const struct stage_param *rows,
	struct stage_param **ret, struct error *err)
{
	const char *row = (const char *)rows;
	size_t size = module->stage.param_size, count = 0;

	if (row == NULL)
		return 0;
	while (((const struct stage_param *)(row + count * size))->name != NULL)
		count++;
	*ret = mem_zalloc((count + 1) * sizeof(**ret));
	if (*ret == NULL)
		return error_no_memory(err);
	for (size_t i = 0; i < count; i++)
		memcpy(&(*ret)[i], row + i * size, size);
	return 0;
}

static int copy_tables(struct module *module, struct error *err)
{
	struct stage *stage = &module->stage;

	if (copy_rows(module, stage->params, &module->params, err) < 0 ||
		copy_rows(module, stage->config, &module->config, err) < 0)
		return -1;
	stage->params = module->params;
	stage->config = module->config;
	return 0;
}

static int load(struct module *module, const char *file, struct error *err)
{
	const struct stage *stage;

	module->file = mem_strdup(file);
	if (module->file == NULL)
		return error_no_memory(err);
	module->handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (module->handle == NULL)
		return error_set(err, ERR_INTERNAL, "it cannot be loaded: %s", dlerror());
	stage = dlsym(module->handle, "leat_stage");
	if (stage == NULL)
		return error_set(err, ERR_INTERNAL,
			"it has no leat_stage: a stage's file ends with STAGE(…) of stage.h");
	if (check_head(stage, err) < 0)
		return -1;
	memcpy(&module->stage, stage, stage->size);
	if (copy_tables(module, err) < 0)
		return -1;
	return check_body(&module->stage, err);
}

int module_open(const char *file, struct module **ret, struct error *err)
{
	struct module *module = mem_zalloc(sizeof(*module));

	if (module == NULL)
		return error_no_memory(err);
	if (load(module, file, err) < 0) {
		module_free(module);
		return -1;
	}
	*ret = module;
	return 0;
}

void module_free(struct module *module)
{
	if (module == NULL)
		return;
	if (module->handle != NULL)
		dlclose(module->handle);
	mem_free(module->params);
	mem_free(module->config);
	mem_free(module->file);
	mem_free(module);
}

const struct stage *module_stage(const struct module *module)
{
	return &module->stage;
}

const char *module_file(const struct module *module)
{
	return module != NULL ? module->file : NULL;
}
