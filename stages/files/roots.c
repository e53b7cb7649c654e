#include "roots.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const struct stage_param files_config_params[] = {
	{ "roots", STAGE_JSON, .def = "{}",
		.doc = "folders that jobs may read files of: {\"name\":\"/path\"}; none without it",
		.offset = offsetof(struct files_config, roots),
		.schema =
			"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}" },
	{ "line_max", STAGE_INT, .def = "1048576", .min = 1024, .max = 16777216,
		.doc = "bytes of a line, or a row of CSV; a longer one is a bad line",
		.offset = offsetof(struct files_config, line_max) },
	{ "files_max", STAGE_INT, .def = "100000", .min = 1, .max = 10000000,
		.doc = "files that a job may name with its pattern",
		.offset = offsetof(struct files_config, files_max) },
	{ 0 },
};

static bool is_path(yyjson_val *value)
{
	const char *path = yyjson_get_str(value);

	return path != NULL && path[0] == '/' && strlen(path) == yyjson_get_len(value);
}

enum stage_result files_configure(void *memory, struct stage_ctx *ctx)
{
	struct files_config *config = memory;
	yyjson_val *root, *name, *path;
	yyjson_obj_iter iter;

	config->doc = yyjson_read(config->roots, strlen(config->roots), YYJSON_READ_NOFLAG);
	if (config->doc == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "out of memory");
	root = yyjson_doc_get_root(config->doc);
	if (!yyjson_is_obj(root))
		return stage_fail(ctx, STAGE_PERMANENT,
			"/roots: must be an object: a name and a folder each");
	yyjson_obj_iter_init(root, &iter);
	while ((name = yyjson_obj_iter_next(&iter)) != NULL) {
		path = yyjson_obj_iter_get_val(name);
		if (!is_path(path))
			return stage_fail(ctx, STAGE_PERMANENT,
				"/roots/%.60s: must be the path of a folder, from / on",
				yyjson_get_str(name));
	}
	return STAGE_OK;
}

void files_unconfigure(void *memory, struct stage_ctx *ctx)
{
	struct files_config *config = memory;

	yyjson_doc_free(config->doc);
}

/* "a, b, c" of those there are. */
static const char *names(yyjson_val *root, char *to, size_t size)
{
	yyjson_obj_iter iter;
	yyjson_val *name;
	size_t len = 0;

	to[0] = '\0';
	yyjson_obj_iter_init(root, &iter);
	while ((name = yyjson_obj_iter_next(&iter)) != NULL && len + 70 < size)
		len += (size_t)snprintf(to + len, size - len, "%s%.60s", len == 0 ? "" : ", ",
			yyjson_get_str(name));
	return to;
}

const char *roots_find(
	const struct files_config *config, const char *name, struct stage_ctx *ctx)
{
	yyjson_val *root = config == NULL ? NULL : yyjson_doc_get_root(config->doc);
	const char *path = yyjson_get_str(yyjson_obj_get(root, name));
	char text[200];

	if (path != NULL)
		return path;
	if (yyjson_obj_size(root) == 0)
		stage_fail(ctx, STAGE_PERMANENT,
			"/root: no folder is open to jobs on this server: its operator names them in "
			"files.json in the folder stages-d, as {\"roots\":{\"data\":\"/srv/data\"}}");
	else
		stage_fail(ctx, STAGE_PERMANENT,
			"/root: there is no '%.60s'; open to jobs are: %s", name,
			names(root, text, sizeof(text)));
	return NULL;
}
