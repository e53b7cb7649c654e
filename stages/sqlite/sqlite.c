/*
 * sqlite: a sink that keeps items as rows of a table in one file.
 *
 * One transaction a call, on disk when it returns. The rows are told by their key, so that
 * what comes again after a crash changes nothing. While a job runs the file is in WAL mode
 * (readers and the writer do not wait for each other); at its end all is in the one file.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sql/sink.h"
#include "sql/sqlite_db.h"
#include "stage.h"
#include "stage_number.h"
#include "table.h"

struct sqlite_sink {
	const char *folder, *file;
	struct sql_sink sql;

	struct sqlite_db db;
	bool was_wal; /* before us, so it stays */
	struct sqlite_table table;
	struct sql_row row;
	struct stage_text scratch;
};

static const struct stage_param sqlite_params[] = {
	{ "folder", STAGE_STRING, .required = 1,
		.doc = "a folder that the operator has named in stages.d/sqlite.json",
		.offset = offsetof(struct sqlite_sink, folder) },
	{ "file", STAGE_STRING, .required = 1, .doc = "the database's file in it",
		.offset = offsetof(struct sqlite_sink, file) },
	SQL_SINK_PARAMS(sqlite_sink, sql),
	{ 0 },
};

/* ---- open, close ---- */

static enum stage_result sqlite_open(void *instance, struct stage_ctx *ctx)
{
	struct sqlite_sink *sink = instance;

	if (sqlite_config_allows(stage_config(ctx), sink->folder, sink->file, ctx) &&
		sql_sink_open(&sink->sql, ctx))
		return STAGE_OK;
	sql_sink_done(&sink->sql);
	return STAGE_FAILED;
}

static void disconnect(struct sqlite_sink *sink)
{
	sqlite_table_done(&sink->table);
	sqlite_db_close(&sink->db);
}

/* Nothing beside the file stays behind. Where others have it open they see to it. */
static void finish(struct sqlite_sink *sink)
{
	sqlite_table_done(&sink->table);
	if (sink->db.handle == NULL)
		return;
	sqlite3_busy_timeout(sink->db.handle, 0);
	if (!sink->was_wal)
		sqlite3_exec(sink->db.handle, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
	sqlite_db_close(&sink->db);
}

static void sqlite_close(void *instance, struct stage_ctx *ctx)
{
	struct sqlite_sink *sink = instance;

	sqlite_db_begin(&sink->db, ctx, 0);
	finish(sink);
	sql_sink_done(&sink->sql);
	sql_row_done(&sink->row);
	stage_text_done(&sink->scratch);
}

static bool is_wal(struct sqlite_db *db, bool *ret)
{
	sqlite3_stmt *stmt =
		sqlite_db_prepare(db, "PRAGMA journal_mode", "the database cannot be read");
	int code;

	if (stmt == NULL)
		return false;
	code = sqlite3_step(stmt);
	*ret = code == SQLITE_ROW &&
	       strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") == 0;
	sqlite3_finalize(stmt);
	if (code != SQLITE_ROW)
		sqlite_db_fail(db, db->ctx, "the database cannot be read");
	return code == SQLITE_ROW;
}

/* WAL where the file system has it; with a full sync a commit that returns is on disk. */
static bool connected(struct sqlite_sink *sink, struct stage_ctx *ctx)
{
	if (sink->db.handle != NULL)
		return true;
	if (!sqlite_db_open(&sink->db, stage_config(ctx), sink->folder, sink->file, false, ctx))
		return false;
	if (is_wal(&sink->db, &sink->was_wal) &&
		sqlite_db_do(
			&sink->db, "PRAGMA journal_mode=WAL", "the database cannot be used") &&
		sqlite_db_do(
			&sink->db, "PRAGMA synchronous=FULL", "the database cannot be used"))
		return true;
	disconnect(sink);
	return false;
}

/* ---- one row ---- */

static int bind_number(sqlite3_stmt *stmt, int at, enum sql_type type, yyjson_val *value)
{
	struct stage_slice text = { yyjson_get_raw(value), yyjson_get_len(value) };
	struct stage_number number;

	if (type == SQL_TEXT || type == SQL_NUMERIC || type == SQL_TIMESTAMP ||
		type == SQL_DATE || !stage_slice_number(text, &number))
		return sqlite3_bind_text(stmt, at, text.at, (int)text.len, SQLITE_STATIC);
	if (number.whole && !number.negative && number.magnitude <= INT64_MAX)
		return sqlite3_bind_int64(stmt, at, (sqlite3_int64)number.magnitude);
	if (number.whole && number.negative && number.magnitude <= (uint64_t)INT64_MAX + 1)
		return sqlite3_bind_int64(stmt, at, (sqlite3_int64)-number.magnitude);
	if (number.whole || isinf(number.real)) /* as it was written, rather than less exact */
		return sqlite3_bind_text(stmt, at, text.at, (int)text.len, SQLITE_STATIC);
	return sqlite3_bind_double(stmt, at, number.real);
}

static int bind_bytes(struct sqlite_sink *sink, sqlite3_stmt *stmt, int at, yyjson_val *value)
{
	size_t len = yyjson_get_len(value);
	char *room;

	sink->scratch.len = 0;
	room = stage_text_room(&sink->scratch, len);
	if (room == NULL)
		return SQLITE_NOMEM;
	len = sql_base64_read((unsigned char *)room, yyjson_get_str(value), len);
	if (len == (size_t)-1)
		return SQLITE_MISMATCH;
	return sqlite3_bind_blob(stmt, at, room, (int)len, SQLITE_TRANSIENT);
}

static int bind_text(
	struct sqlite_sink *sink, sqlite3_stmt *stmt, int at, bool json, yyjson_val *value)
{
	size_t len;
	const char *text = sql_value_text(value, json, &sink->scratch, &len);

	if (text == NULL)
		return SQLITE_NOMEM;
	return sqlite3_bind_text64(stmt, at, text, len,
		text == sink->scratch.at ? SQLITE_TRANSIENT : SQLITE_STATIC, SQLITE_UTF8);
}

static int bind_value(struct sqlite_sink *sink, sqlite3_stmt *stmt, size_t column)
{
	enum sql_type type = sink->table.columns.list[column].type;
	yyjson_val *value = sink->row.values[column];
	int at = (int)column + 1;

	if (value == NULL || yyjson_is_null(value))
		return sqlite3_bind_null(stmt, at);
	if (type == SQL_JSON)
		return bind_text(sink, stmt, at, true, value);
	if (yyjson_is_raw(value))
		return bind_number(stmt, at, type, value);
	if (yyjson_is_bool(value) && type != SQL_TEXT)
		return sqlite3_bind_int(stmt, at, yyjson_get_bool(value));
	if (yyjson_is_str(value) && type == SQL_BYTES)
		return bind_bytes(sink, stmt, at, value);
	return bind_text(sink, stmt, at, false, value);
}

static int bind_item(struct sqlite_sink *sink, sqlite3_stmt *stmt, struct stage_ctx *item)
{
	if (sink->table.item_at == 0)
		return SQLITE_OK;
	return sqlite3_bind_text(
		stmt, (int)sink->table.item_at, stage_item_id(item), -1, SQLITE_TRANSIENT);
}

static int bind_extra(struct sqlite_sink *sink, sqlite3_stmt *stmt)
{
	const struct stage_text *extra = &sink->row.extra;
	int at = (int)sink->table.extra_at;

	if (at == 0)
		return SQLITE_OK;
	if (extra->len == 0)
		return sqlite3_bind_null(stmt, at);
	return sqlite3_bind_text64(stmt, at, extra->at, extra->len, SQLITE_STATIC, SQLITE_UTF8);
}

/* What became of one row. */
enum fate { WRITTEN, REPEATED, REFUSED, BROKEN };

/* No item is to blame: the call comes again. */
static enum fate no_memory(struct stage_ctx *call)
{
	stage_fail(call, STAGE_TRANSIENT, "no memory");
	return BROKEN;
}

/* SQLITE_OK, SQLITE_NOMEM, or the item's failure has been said. */
static int bind_row(struct sqlite_sink *sink, sqlite3_stmt *stmt, struct stage_ctx *item)
{
	const char *name = "_item";
	int code = bind_item(sink, stmt, item);

	if (code == SQLITE_OK) {
		name = "extra";
		code = bind_extra(sink, stmt);
	}
	for (size_t i = 0; code == SQLITE_OK && i < sink->table.columns.count; i++) {
		name = sink->table.columns.list[i].name;
		code = bind_value(sink, stmt, i);
	}
	if (code != SQLITE_OK && code != SQLITE_NOMEM)
		stage_fail(item, STAGE_PERMANENT, "column '%.80s': %s", name,
			code == SQLITE_MISMATCH ? "the value is no base64"
						: sqlite3_errstr(code));
	return code;
}

/* A constraint, a type or a trigger has refused the row, and nothing but the row? */
static bool is_refusal(struct sqlite_sink *sink, int code)
{
	code &= 0xff;
	return (code == SQLITE_CONSTRAINT || code == SQLITE_MISMATCH ||
		       code == SQLITE_TOOBIG) &&
	       !sqlite3_get_autocommit(sink->db.handle);
}

/* WRITTEN when the statement has changed a row, REPEATED when it has not. */
static enum fate run(struct sqlite_sink *sink, sqlite3_stmt *stmt, struct stage_ctx *item,
	struct stage_ctx *call)
{
	enum fate fate = BROKEN;
	int code;

	code = bind_row(sink, stmt, item);
	if (code != SQLITE_OK)
		return code == SQLITE_NOMEM ? no_memory(call) : REFUSED;
	code = sqlite3_step(stmt);
	if (code == SQLITE_DONE) {
		fate = sqlite3_changes(sink->db.handle) > 0 ? WRITTEN : REPEATED;
	} else if (is_refusal(sink, code)) {
		stage_fail(item, STAGE_PERMANENT, "%s", sqlite3_errmsg(sink->db.handle));
		fate = REFUSED;
	} else {
		sqlite_db_fail(&sink->db, call, "the row cannot be written");
	}
	sqlite3_reset(stmt);
	return fate;
}

static enum fate write_row(
	struct sqlite_sink *sink, struct stage_ctx *item, struct stage_ctx *call)
{
	enum fate fate, updated;

	if (!sql_row_read(&sink->row, &sink->table.columns, sink->sql.extra, item))
		return sink->row.no_memory ? no_memory(call) : REFUSED;
	fate = run(sink, sink->table.insert, item, call);
	if (fate != REPEATED || sink->table.update == NULL)
		return fate;
	updated = run(sink, sink->table.update, item, call);
	return updated == WRITTEN ? REPEATED : updated;
}

/* ---- one call ---- */

static bool write_rows(
	struct sqlite_sink *sink, const struct sql_items *items, struct sql_counts *counts)
{
	for (size_t i = 0; i < items->count; i++) {
		switch (write_row(sink, sql_item(items, i), items->ctx)) {
		case WRITTEN:
			counts->written++;
			break;
		case REPEATED:
			counts->repeated++;
			break;
		case REFUSED:
			counts->refused++;
			break;
		case BROKEN:
			return false;
		}
	}
	return true;
}

/* Nothing of it is there. The statements go too: the table may never have been made. */
static void roll_back(struct sqlite_sink *sink)
{
	int code = sqlite3_errcode(sink->db.handle);

	sqlite_table_done(&sink->table);
	if (!sqlite3_get_autocommit(sink->db.handle))
		sqlite3_exec(sink->db.handle, "ROLLBACK", NULL, NULL, NULL);
	/* On a full disk what is in the -wal file, and in the database already, takes room that
	 * the next attempt needs. */
	if (code == SQLITE_FULL || code == SQLITE_IOERR)
		sqlite3_wal_checkpoint_v2(
			sink->db.handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

/* Without memory a ROLLBACK may have left the last one open, and a BEGIN have begun. */
static bool begin(struct sqlite_sink *sink)
{
	static const char what[] = "the database cannot be written";

	return (sqlite3_get_autocommit(sink->db.handle) ||
		       sqlite_db_do(&sink->db, "ROLLBACK", what)) &&
	       sqlite_db_do(&sink->db, "BEGIN IMMEDIATE", what);
}

/* One transaction. False: stage_fail() has spoken on the call, and nothing was written. */
static bool write_items(struct sqlite_sink *sink, const struct sql_items *items)
{
	struct sql_counts counts = sink->sql.counts;
	bool done;

	if (!connected(sink, items->ctx))
		return false;
	if (!begin(sink))
		return false;
	done = (sink->table.insert != NULL || sqlite_table_ready(&sink->table, &sink->db,
						      &sink->sql, items, &sink->row)) &&
	       write_rows(sink, items, &counts) &&
	       sqlite_db_do(&sink->db, "COMMIT", "the rows cannot be kept");
	sql_sink_count(&sink->sql, items, &counts, done);
	if (!done)
		roll_back(sink);
	return done;
}

static enum stage_result sqlite_run(void *instance, struct stage_ctx *ctx)
{
	struct sqlite_sink *sink = instance;
	struct sql_items items = { .ctx = ctx, .count = 1 };
	uint64_t refused = sink->sql.counts.refused;

	sqlite_db_begin(&sink->db, ctx, 0);
	if (!write_items(sink, &items) || sink->sql.counts.refused > refused)
		return STAGE_FAILED;
	return STAGE_OK;
}

static enum stage_result sqlite_run_batch(void *instance, struct stage_ctx *ctx)
{
	struct sqlite_sink *sink = instance;
	struct sql_items items = sql_items_of_batch(ctx);

	sqlite_db_begin(&sink->db, ctx, 0);
	return write_items(sink, &items) ? STAGE_OK : STAGE_FAILED;
}

static enum stage_result sqlite_checkpoint(void *instance, struct stage_ctx *ctx)
{
	return sql_sink_checkpoint(&((struct sqlite_sink *)instance)->sql, ctx);
}

static enum stage_result sqlite_report(void *instance, struct stage_ctx *ctx)
{
	struct sqlite_sink *sink = instance;

	sqlite_db_begin(&sink->db, ctx, 0);
	finish(sink);
	return sql_sink_report(&sink->sql, ctx);
}

STAGE(.name = "sqlite", .version = "1.0.0",
	.summary = "Keep items as rows of a table in an SQLite file", .kind = STAGE_SINK,
	.threads = STAGE_BLOCKING, .instance_size = sizeof(struct sqlite_sink),
	.params = sqlite_params, .open = sqlite_open, .close = sqlite_close, .run = sqlite_run,
	.run_batch = sqlite_run_batch, .batch_items = SQL_BATCH_ITEMS,
	.checkpoint = sqlite_checkpoint, .report = sqlite_report,
	.config_size = sizeof(struct sqlite_config), .config = sqlite_config_rows,
	.configure = sqlite_config_read, .unconfigure = sqlite_config_done);
