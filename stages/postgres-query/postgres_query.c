/*
 * postgres-query: a source of the rows of a SELECT, over a named connection, in one snapshot.
 *
 * The cursor of the server stays open from run to run. After a restart, or when the connection
 * was lost, the query is run again and goes on behind the cursor that was saved.
 */
#include <string.h>

#include "query.h"
#include "stage.h"

struct source {
	const char *connection, *text, *params_json, *key;

	yyjson_doc *params;
	struct pg_conn conn;
	struct pg_query query;
	struct sql_cursor cursor;
	struct stage_text next_key, line;
};

static const struct stage_param postgres_query_params[] = {
	{ "connection", STAGE_STRING, .required = 1,
		.doc = "a connection that the operator has named in stages.d/postgres.json",
		.offset = offsetof(struct source, connection) },
	{ "query", STAGE_STRING, .required = 1, .doc = "one SELECT; each row is an item",
		.offset = offsetof(struct source, text) },
	{ "params", STAGE_JSON, .doc = "values of its parameters $1, $2, …",
		.offset = offsetof(struct source, params_json),
		.schema = "{\"type\":\"array\"}" },
	{ "key", STAGE_STRING,
		.doc = "column of the result that is unique: rows come in its order, and after a "
		       "restart those behind the last one",
		.offset = offsetof(struct source, key) },
	{ 0 },
};

static void source_close(void *instance, struct stage_ctx *ctx)
{
	struct source *source = instance;

	pg_conn_close(&source->conn);
	sql_cursor_done(&source->cursor);
	stage_text_done(&source->next_key);
	stage_text_done(&source->line);
	yyjson_doc_free(source->params);
}

static enum stage_result source_open(void *instance, struct stage_ctx *ctx)
{
	struct source *source = instance;
	bool done = false;

	source->conn.config = stage_config(ctx);
	source->conn.to = pg_config_find(source->conn.config, source->connection, ctx);
	if (source->conn.to != NULL)
		source->params = sql_params_read(source->params_json, false, ctx, &done);
	source->query.text = source->text;
	source->query.key = source->key;
	source->query.params = yyjson_doc_get_root(source->params);
	return done ? STAGE_OK : STAGE_FAILED;
}

/* The query stands where the cursor does. */
static bool ready(struct source *source, struct stage_ctx *ctx)
{
	bool fresh;

	pg_conn_begin(&source->conn, ctx);
	if (source->query.begun && !sql_cursor_holds(&source->cursor, ctx))
		pg_conn_close(&source->conn);
	/* Rows may wait for room for as long as they like: the time is held on this side. */
	if (!pg_conn_open(&source->conn, false, &fresh))
		return false;
	if (!fresh && source->query.begun)
		return true;
	return sql_cursor_load(&source->cursor, ctx) &&
	       pg_query_begin(&source->query, &source->conn, &source->cursor);
}

/* The key must grow, or rows would be passed over after a restart. */
static bool take_key(struct source *source, const PGresult *row, struct stage_ctx *ctx)
{
	struct stage_text last = source->cursor.key;

	if (source->key == NULL)
		return true;
	if (PQgetisnull(row, 0, 1))
		return stage_fail(ctx, STAGE_PERMANENT, "the key '%.80s' is null in a row",
			       source->key),
		       false;
	source->next_key.len = 0;
	sql_text_json(&source->next_key, PQgetvalue(row, 0, 1), (size_t)PQgetlength(row, 0, 1));
	if (stage_text_end(&source->next_key) == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory"), false;
	if (last.len == source->next_key.len &&
		memcmp(last.at, source->next_key.at, last.len) == 0)
		return stage_fail(ctx, STAGE_PERMANENT,
			       "the key '%.80s' is not unique: %.80s stands there twice",
			       source->key, last.at),
		       false;
	source->cursor.key = source->next_key;
	source->next_key = last;
	return true;
}

/* A column of type json keeps its line ends, between values where they are blanks. */
static bool emit_text(
	struct source *source, struct stage_ctx *ctx, const char *text, size_t len)
{
	if (memchr(text, '\n', len) == NULL && memchr(text, '\r', len) == NULL)
		return stage_emit(ctx, text, len) == STAGE_OK;
	stage_text_clear(&source->line, SQL_RUN_BYTES);
	stage_text_put(&source->line, text, len);
	if (stage_text_end(&source->line) == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory"), false;
	for (size_t i = 0; i < len; i++)
		if (source->line.at[i] == '\n' || source->line.at[i] == '\r')
			source->line.at[i] = ' ';
	return stage_emit(ctx, source->line.at, len) == STAGE_OK;
}

static enum stage_result emit_rows(struct source *source, struct stage_ctx *ctx)
{
	size_t room = stage_room(ctx), bytes = 0, made = 0;
	enum pg_query_found found = PG_QUERY_ROW;
	PGresult *row;

	while (made < room && bytes < SQL_RUN_BYTES) {
		size_t len;
		bool good;

		found = pg_query_next(&source->query, &source->conn, &row);
		if (found != PG_QUERY_ROW)
			break;
		len = (size_t)PQgetlength(row, 0, 0);
		good = take_key(source, row, ctx) &&
		       emit_text(source, ctx, PQgetvalue(row, 0, 0), len);
		PQclear(row);
		if (!good)
			return STAGE_FAILED;
		source->cursor.rows++;
		bytes += len;
		made++;
	}
	if (found == PG_QUERY_FAILED)
		return STAGE_FAILED;
	if (made > 0 && sql_cursor_save(&source->cursor, ctx) != STAGE_OK)
		return STAGE_FAILED;
	return found == PG_QUERY_END ? STAGE_END : STAGE_OK;
}

static enum stage_result source_run(void *instance, struct stage_ctx *ctx)
{
	struct source *source = instance;
	enum stage_result result = STAGE_FAILED;

	if (ready(source, ctx))
		result = emit_rows(source, ctx);
	if (result != STAGE_OK) {
		source->query.begun = false;
		pg_conn_close(&source->conn);
	}
	return result;
}

STAGE(.name = "postgres-query", .version = "1.0.0",
	.summary = "Make an item of each row of a SELECT on PostgreSQL", .kind = STAGE_SOURCE,
	.threads = STAGE_BLOCKING, .instance_size = sizeof(struct source),
	.params = postgres_query_params, .open = source_open, .close = source_close,
	.run = source_run, .config_of = "postgres");
