#include "sql/sqlite_config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#define FILE_MAX 200

const struct stage_param sqlite_config_rows[] = {
	{ "folders", STAGE_JSON, .def = "{}",
		.doc = "folders whose databases jobs may use: name to path",
		.offset = offsetof(struct sqlite_config, folders_json),
		.schema =
			"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}" },
	{ "max_bytes", STAGE_INT, .def = "0", .min = 0, .max = 1e15,
		.doc = "how large a database may become; 0: as large as the disk",
		.offset = offsetof(struct sqlite_config, max_bytes) },
	{ "busy_timeout_ms", STAGE_INT, .def = "10000", .min = 0, .max = 600000,
		.doc = "how long to wait for a lock that another program holds",
		.offset = offsetof(struct sqlite_config, busy_timeout_ms) },
	{ 0 },
};

void sqlite_config_done(void *memory, struct stage_ctx *ctx)
{
	struct sqlite_config *config = memory;

	for (size_t i = 0; config->folders != NULL && i < config->folder_count; i++) {
		free(config->folders[i].name);
		free(config->folders[i].path);
	}
	free(config->folders);
	config->folders = NULL;
	config->folder_count = 0;
}

static enum stage_result add_folder(
	struct sqlite_config *config, yyjson_val *name, yyjson_val *path, struct stage_ctx *ctx)
{
	struct sqlite_folder *folder = &config->folders[config->folder_count];

	if (!yyjson_is_str(path) || *yyjson_get_str(path) != '/' ||
		strlen(yyjson_get_str(path)) != yyjson_get_len(path))
		return stage_fail(ctx, STAGE_PERMANENT,
			"/folders/%.80s: must be an absolute path", yyjson_get_str(name));
	config->folder_count++;
	folder->name = strdup(yyjson_get_str(name));
	folder->path = strdup(yyjson_get_str(path));
	if (folder->name == NULL || folder->path == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	return STAGE_OK;
}

enum stage_result sqlite_config_read(void *memory, struct stage_ctx *ctx)
{
	struct sqlite_config *config = memory;
	const char *json = config->folders_json;
	yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
	yyjson_val *root = yyjson_doc_get_root(doc), *name;
	yyjson_obj_iter iter = yyjson_obj_iter_with(root);
	enum stage_result result = STAGE_OK;

	if (doc != NULL && !yyjson_is_obj(root))
		result = stage_fail(
			ctx, STAGE_PERMANENT, "/folders: must be an object, name to path");
	if (result == STAGE_OK)
		config->folders = calloc(yyjson_obj_size(root) + 1, sizeof(config->folders[0]));
	if (result == STAGE_OK && (doc == NULL || config->folders == NULL))
		result = stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	while (result == STAGE_OK && (name = yyjson_obj_iter_next(&iter)) != NULL)
		result = add_folder(config, name, yyjson_obj_iter_get_val(name), ctx);
	yyjson_doc_free(doc);
	if (result != STAGE_OK)
		sqlite_config_done(config, ctx);
	return result;
}

/* ---- what a job names ---- */

static const struct sqlite_folder *find(const struct sqlite_config *config, const char *name)
{
	for (size_t i = 0; config != NULL && i < config->folder_count; i++)
		if (strcmp(config->folders[i].name, name) == 0)
			return &config->folders[i];
	return NULL;
}

static bool ends_in(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* A plain name, and none of the files that SQLite keeps beside a database. */
static const char *file_mistake(const char *file)
{
	static const char *const taken[] = { "-journal", "-wal", "-shm" };

	if (*file == '\0' || *file == '.' || strlen(file) > FILE_MAX)
		return "must be a file's name of up to 200 bytes that does not begin with a dot";
	for (const char *at = file; *at != '\0'; at++)
		if (*at == '/' || (unsigned char)*at < ' ' || *at == 127)
			return "must be a file's name, without a folder";
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (ends_in(file, taken[i]))
			return "is a name that SQLite keeps for itself";
	return NULL;
}

bool sqlite_config_allows(const struct sqlite_config *config, const char *folder,
	const char *file, struct stage_ctx *ctx)
{
	const char *mistake = file_mistake(file);

	if (find(config, folder) == NULL) {
		stage_fail(ctx, STAGE_PERMANENT,
			"/folder: there is no folder '%.80s'; the operator names them in "
			"stages.d/sqlite.json",
			folder);
		return false;
	}
	if (mistake != NULL)
		stage_fail(ctx, STAGE_PERMANENT, "/file: %s", mistake);
	return mistake == NULL;
}

/* Resolved, because SQLite is told to follow no link: so links above the folder are the
 * operator's, and there is none at the file. */
char *sqlite_config_path(const struct sqlite_config *config, const char *folder,
	const char *file, struct stage_ctx *ctx)
{
	char resolved[PATH_MAX], *path;

	if (!sqlite_config_allows(config, folder, file, ctx))
		return NULL;
	if (realpath(find(config, folder)->path, resolved) == NULL) {
		stage_fail(ctx, errno == ENOMEM ? STAGE_TRANSIENT : STAGE_PERMANENT,
			"the folder '%.80s' cannot be opened: %s", folder, strerror(errno));
		return NULL;
	}
	if (asprintf(&path, "%s/%s", resolved, file) < 0) {
		stage_fail(ctx, STAGE_TRANSIENT, "no memory");
		return NULL;
	}
	return path;
}
