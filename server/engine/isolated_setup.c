#include "engine/isolated_setup.h"

#include <string.h>

#include "base/json_parse.h"
#include "base/json_text.h"
#include "base/mem.h"

#define OF_JOB    "timeout_ms"
#define OF_SERVER "isolated-timeout"

char *isolated_setup_write(const struct isolated_setup *setup)
{
	json_auto_t *root = json_pack("{s:I, s:s, s:s*, s:s, s:s, s:O, s:I, s:I, s:b, s:b}",
		"parent", (json_int_t)setup->parent, "use", setup->use, "file", setup->file,
		"job", setup->job, "name", setup->name, "params", setup->params, "output_max",
		(json_int_t)setup->output_max, "memory_bytes", (json_int_t)setup->memory_bytes,
		"own_timeout", strcmp(setup->timeout_name, OF_JOB) == 0, "first", setup->first);

	return root == NULL ? NULL
			    : json_text(root, JSON_COMPACT | json_text_reals(setup->params));
}

static int take(struct isolated_setup *ret, const json_t *root)
{
	const char *use, *file = NULL, *job, *name;
	json_int_t parent, output_max, memory_bytes;
	int own_timeout, first;

	if (json_unpack((json_t *)(uintptr_t)root,
		    "{s:I, s:s, s?s, s:s, s:s, s:O, s:I, s:I, s:b, s:b}", "parent", &parent,
		    "use", &use, "file", &file, "job", &job, "name", &name, "params",
		    &ret->params, "output_max", &output_max, "memory_bytes", &memory_bytes,
		    "own_timeout", &own_timeout, "first", &first) < 0)
		return -1;
	ret->parent = (pid_t)parent;
	ret->use = mem_strdup(use);
	ret->file = file == NULL ? NULL : mem_strdup(file);
	ret->job = mem_strdup(job);
	ret->name = mem_strdup(name);
	ret->output_max = (uint64_t)output_max;
	ret->memory_bytes = (uint64_t)memory_bytes;
	ret->timeout_name = own_timeout ? OF_JOB : OF_SERVER;
	ret->first = first;
	return ret->use == NULL || ret->job == NULL || ret->name == NULL ||
			       (file != NULL && ret->file == NULL)
		       ? -1
		       : 0;
}

int isolated_setup_read(
	struct isolated_setup *ret, const char *text, size_t len, struct error *err)
{
	json_auto_t *root = json_parse(text, len, JSON_ALLOW_NUL, err);

	*ret = (struct isolated_setup){ 0 };
	if (root == NULL)
		return -1;
	return take(ret, root) < 0
		       ? error_set(err, ERR_INTERNAL, "the server's order cannot be read")
		       : 0;
}
