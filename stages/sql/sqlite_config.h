/*
 * sqlite_config: what the operator lets `sqlite` and `sqlite-query` reach
 *(stages.d/sqlite.json).
 *
 *	{"folders": {"out": "/srv/out"}, "max_bytes": 1000000000, "busy_timeout_ms": 10000}
 *
 * A job names one of the folders and a file in it, nothing else. Without a file of the
 * operator's there is no folder.
 */
#ifndef LEAT_SQL_SQLITE_CONFIG_H
#define LEAT_SQL_SQLITE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stage.h"

struct sqlite_folder {
	char *name, *path;
};

struct sqlite_config {
	const char *folders_json;
	int64_t max_bytes, busy_timeout_ms;

	struct sqlite_folder *folders;
	size_t folder_count;
};

extern const struct stage_param sqlite_config_rows[];
enum stage_result sqlite_config_read(void *memory, struct stage_ctx *ctx);
void sqlite_config_done(void *memory, struct stage_ctx *ctx);

/* The whole path of a file, resolved; NULL after stage_fail(). With a mistake in a parameter
 * the message points at it. Owner: the caller. */
char *sqlite_config_path(const struct sqlite_config *config, const char *folder,
	const char *file, struct stage_ctx *ctx);
/* The same checks of the names, without looking at the disk. */
bool sqlite_config_allows(const struct sqlite_config *config, const char *folder,
	const char *file, struct stage_ctx *ctx);

#endif
