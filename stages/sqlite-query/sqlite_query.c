/*
 * sqlite-query: a source of the rows of a SELECT on one SQLite file, which is opened read-only.
 *
 * The statement stays open from run to run, so a job reads one snapshot; after a restart it is
 * run again and goes on behind the cursor.
 */
#include <string.h>

#include "query.h"
#include "stage.h"

struct source {
	const char *folder, *file, *text, *params_json, *key, *json_names;
	int64_t timeout_ms;

	struct sql_columns json;
	yyjson_doc *params;
	struct sqlite_db db;
	struct sqlite_query query;
	struct sql_cursor cursor;
	struct stage_text row, next_key;
};

static const struct stage_param sqlite_query_params[] = {
	{ "folder", STAGE_STRING, .required = 1,
		.doc = "a folder that the operator has named in stages.d/sqlite.json",
		.offset = offsetof(struct source, folder) },
	{ "file", STAGE_STRING, .required = 1, .doc = "the database's file in it",
		.offset = offsetof(struct source, file) },
	{ "query", STAGE_STRING, .required = 1, .doc = "one SELECT; each row is an item",
		.offset = offsetof(struct source, text) },
	{ "params", STAGE_JSON,
		.doc = "values of its parameters: an array, or an object where they have names",
		.offset = offsetof(struct source, params_json),
		.schema = "{\"oneOf\":[{\"type\":\"array\"},{\"type\":\"object\"}]}" },
	{ "key", STAGE_STRING,
		.doc = "column of the result that is unique: rows come in its order, and after a "
		       "restart those behind the last one",
		.offset = offsetof(struct source, key) },
	{ "json", STAGE_JSON, .doc = "column or columns whose text is JSON",
		.offset = offsetof(struct source, json_names),
		.schema = "{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"array\","
			  "\"items\":{\"type\":\"string\"},\"minItems\":1,\"maxItems\":32}]}" },
	{ "timeout_ms", STAGE_INT, .def = "300000", .min = 1, .max = 86400000,
		.doc = "how long it may take until the next rows are there",
		.offset = offsetof(struct source, timeout_ms) },
	{ 0 },
};

static void source_close(void *instance, struct stage_ctx *ctx)
{
	struct source *source = instance;

	sqlite_db_begin(&source->db, ctx, 0);
	sqlite_query_done(&source->query);
	sqlite_db_close(&source->db);
	sql_columns_done(&source->json);
	sql_cursor_done(&source->cursor);
	stage_text_done(&source->row);
	stage_text_done(&source->next_key);
	yyjson_doc_free(source->params);
}

static enum stage_result source_open(void *instance, struct stage_ctx *ctx)
{
	struct source *source = instance;
	bool done =
		sqlite_config_allows(stage_config(ctx), source->folder, source->file, ctx) &&
		(source->json_names == NULL ||
			sql_names_read(&source->json, source->json_names, "json", ctx));

	if (done)
		source->params = sql_params_read(source->params_json, true, ctx, &done);
	source->query.text = source->text;
	source->query.key = source->key;
	source->query.params = yyjson_doc_get_root(source->params);
	if (done)
		return STAGE_OK;
	source_close(instance, ctx);
	return STAGE_FAILED;
}

/* The query stands where the cursor does. */
static bool ready(struct source *source, struct stage_ctx *ctx)
{
	if (source->db.handle == NULL && !sqlite_db_open(&source->db, stage_config(ctx),
						 source->folder, source->file, true, ctx))
		return false;
	sqlite_db_begin(&source->db, ctx, source->timeout_ms);
	if (source->query.stmt != NULL && sql_cursor_holds(&source->cursor, ctx))
		return true;
	return sql_cursor_load(&source->cursor, ctx) &&
	       sqlite_query_begin(&source->query, &source->db, &source->json, &source->cursor);
}

/* The key must grow, or rows would be passed over after a restart. */
static bool take_key(struct source *source, struct stage_ctx *ctx)
{
	struct stage_text last = source->cursor.key;

	if (source->key == NULL)
		return true;
	if (!sqlite_query_key(&source->query, &source->next_key, ctx))
		return false;
	if (last.len == source->next_key.len &&
		memcmp(last.at, source->next_key.at, last.len) == 0) {
		stage_fail(ctx, STAGE_PERMANENT,
			"the key '%.80s' is not unique: %.80s stands there twice", source->key,
			last.at);
		return false;
	}
	source->cursor.key = source->next_key;
	source->next_key = last;
	return true;
}

static bool emit_row(struct source *source, struct stage_ctx *ctx)
{
	if (!take_key(source, ctx))
		return false;
	stage_text_clear(&source->row, SQL_RUN_BYTES);
	sqlite_query_row(&source->query, &source->row);
	if (stage_text_end(&source->row) == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory"), false;
	source->cursor.rows++;
	return stage_emit(ctx, source->row.at, source->row.len) == STAGE_OK;
}

static enum stage_result emit_rows(struct source *source, struct stage_ctx *ctx)
{
	size_t room = stage_room(ctx), bytes = 0, made = 0;
	int code = SQLITE_ROW;

	for (; made < room && bytes < SQL_RUN_BYTES; made++, bytes += source->row.len) {
		code = sqlite3_step(source->query.stmt);
		if (code != SQLITE_ROW)
			break;
		if (!emit_row(source, ctx))
			return STAGE_FAILED;
	}
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return sqlite_db_fail(&source->db, ctx, "the query failed");
	if (made == 0)
		return STAGE_END;
	if (code == SQLITE_DONE)
		sqlite3_reset(source->query.stmt); /* nobody has to wait for its snapshot */
	return sql_cursor_save(&source->cursor, ctx) == STAGE_OK && code == SQLITE_DONE
		       ? STAGE_END
		       : STAGE_OK;
}

static enum stage_result source_run(void *instance, struct stage_ctx *ctx)
{
	struct source *source = instance;
	enum stage_result result = STAGE_FAILED;

	sqlite_db_begin(&source->db, ctx, source->timeout_ms);
	if (ready(source, ctx))
		result = emit_rows(source, ctx);
	if (result == STAGE_FAILED) {
		sqlite_query_done(&source->query);
		sqlite_db_close(&source->db);
	}
	return result;
}

STAGE(.name = "sqlite-query", .version = "1.0.0",
	.summary = "Make an item of each row of a SELECT on an SQLite file",
	.kind = STAGE_SOURCE, .threads = STAGE_BLOCKING, .instance_size = sizeof(struct source),
	.params = sqlite_query_params, .open = source_open, .close = source_close,
	.run = source_run, .config_of = "sqlite");
