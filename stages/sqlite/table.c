#include "table.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

void sqlite_table_done(struct sqlite_table *table)
{
	sqlite3_finalize(table->insert);
	sqlite3_finalize(table->update);
	sql_columns_done(&table->columns);
	*table = (struct sqlite_table){ 0 };
}

/* ---- looking ---- */

/* What the word in a table's definition says of how values are written. */
static enum sql_type type_of(const char *word)
{
	if (strcasestr(word, "json") != NULL)
		return SQL_JSON;
	if (strcasecmp(word, "blob") == 0)
		return SQL_BYTES;
	if (strcasestr(word, "char") != NULL || strcasestr(word, "text") != NULL ||
		strcasestr(word, "clob") != NULL)
		return SQL_TEXT;
	return SQL_ANY;
}

/* The columns that can be written to; none: there is no such table. */
static bool look(struct sqlite_db *db, const char *table, struct sql_columns *ret)
{
	sqlite3_stmt *stmt = sqlite_db_prepare(db,
		"SELECT name, type FROM pragma_table_xinfo(?1) WHERE hidden = 0",
		"the table cannot be looked at");
	bool done = true;
	int code;

	if (stmt == NULL)
		return false;
	sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
	while (done && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);
		const char *type = (const char *)sqlite3_column_text(stmt, 1);

		done = name != NULL && type != NULL &&
		       sql_columns_add(ret, name, strlen(name), type_of(type)) != NULL;
	}
	if (!done)
		stage_fail(db->ctx, STAGE_TRANSIENT, "no memory");
	else if (code != SQLITE_DONE)
		sqlite_db_fail(db, db->ctx, "the table cannot be looked at");
	sqlite3_finalize(stmt);
	return done && code == SQLITE_DONE;
}

/* ---- making ---- */

/* What each type is in a STRICT table: so a value of another type is refused, not bent. */
static const char *const words[SQL_TYPES] = { "ANY", "INTEGER", "REAL", "TEXT", "TEXT",
	"INTEGER", "TEXT", "TEXT", "TEXT", "BLOB", "ANY" };

static bool make(
	struct sqlite_db *db, const struct sql_sink *sink, const struct sql_columns *columns)
{
	struct stage_text sql = { 0 };
	bool done;

	stage_text_puts(&sql, "CREATE TABLE ");
	sql_text_name(&sql, sink->table);
	sql_sink_table_body(sink, columns, words, "TEXT", "TEXT", &sql);
	stage_text_puts(&sql, " STRICT");
	done = sqlite_db_do(db, stage_text_end(&sql), "the table cannot be created");
	stage_text_done(&sql);
	return done;
}

static bool make_wanted(struct sqlite_db *db, const struct sql_sink *sink,
	const struct sql_items *items, struct sql_row *row)
{
	struct sql_columns wanted = { 0 };
	bool done;

	if (!sink->create) {
		stage_fail(items->ctx, STAGE_PERMANENT,
			"there is no table '%.80s' (and `create` is false)", sink->table);
		return false;
	}
	done = sql_sink_columns_wanted(sink, items, row, &wanted) &&
	       sql_sink_mark_keys(sink, &wanted, items->ctx) && make(db, sink, &wanted);
	sql_columns_done(&wanted);
	return done;
}

/* ---- statements ---- */

/* One of the table's columns that the items do not see. */
static void put_own(struct stage_text *sql, const char *name)
{
	stage_text_puts(sql, ", ");
	sql_text_name(sql, name);
}

static bool prepare_insert(
	struct sqlite_table *table, struct sqlite_db *db, const struct sql_sink *sink)
{
	struct stage_text sql = { 0 };
	size_t count = table->columns.count;

	stage_text_puts(&sql, "INSERT INTO ");
	sql_text_name(&sql, sink->table);
	stage_text_puts(&sql, " (");
	for (size_t i = 0; i < count; i++) {
		sql_text_comma(&sql, i == 0);
		sql_text_name(&sql, table->columns.list[i].name);
	}
	if (sql_sink_item_column(sink) != NULL) {
		table->item_at = ++count;
		put_own(&sql, sql_sink_item_column(sink));
	}
	if (sql_sink_extra_column(sink) != NULL) {
		table->extra_at = ++count;
		put_own(&sql, sql_sink_extra_column(sink));
	}
	stage_text_puts(&sql, ") VALUES (");
	for (size_t i = 1; i <= count; i++)
		stage_text_format(&sql, "%s?%zu", i == 1 ? "" : ", ", i);
	stage_text_puts(&sql, ") ON CONFLICT ");
	sql_sink_key_list(sink, &sql);
	stage_text_puts(&sql, " DO NOTHING");
	table->insert = sqlite_db_prepare(
		db, stage_text_end(&sql), "rows cannot be inserted into the table");
	stage_text_done(&sql);
	return table->insert != NULL;
}

/* Puts `"name" = ?number`. */
static void put_equal(struct stage_text *sql, const char *name, size_t number)
{
	sql_text_name(sql, name);
	stage_text_format(sql, " = ?%zu", number);
}

/* Run after the insert has found the key there, with the same parameters. */
static bool prepare_update(
	struct sqlite_table *table, struct sqlite_db *db, const struct sql_sink *sink)
{
	const struct sql_column *list = table->columns.list;
	struct stage_text sql = { 0 };
	size_t set = 0, keys = 0;

	stage_text_puts(&sql, "UPDATE ");
	sql_text_name(&sql, sink->table);
	stage_text_puts(&sql, " SET ");
	for (size_t i = 0; i < table->columns.count; i++)
		if (!list[i].key) {
			sql_text_comma(&sql, set++ == 0);
			put_equal(&sql, list[i].name, i + 1);
		}
	if (table->extra_at != 0) {
		sql_text_comma(&sql, set++ == 0);
		put_equal(&sql, sink->extra_column, table->extra_at);
	}
	stage_text_puts(&sql, " WHERE ");
	if (table->item_at != 0)
		put_equal(&sql, sink->item_column, table->item_at);
	for (size_t i = 0; i < table->columns.count; i++)
		if (list[i].key) {
			stage_text_puts(&sql, keys++ == 0 ? "" : " AND ");
			put_equal(&sql, list[i].name, i + 1);
		}
	if (set > 0)
		table->update = sqlite_db_prepare(
			db, stage_text_end(&sql), "rows of the table cannot be updated");
	stage_text_done(&sql);
	return set == 0 || table->update != NULL;
}

/* ---- what goes where ---- */

static bool has(const struct sql_columns *there, const char *name, const char *what,
	struct stage_ctx *ctx)
{
	if (name == NULL || sql_columns_find(there, name, strlen(name), 0) != SIZE_MAX)
		return true;
	stage_fail(ctx, STAGE_PERMANENT, "the table has no column '%.80s'%s", name, what);
	return false;
}

/* Declared columns as the table has them. */
static bool match(const struct sql_columns *declared, const struct sql_columns *there,
	struct sql_columns *ret, struct stage_ctx *ctx)
{
	for (size_t i = 0; i < declared->count; i++) {
		const struct sql_column *column = &declared->list[i];
		size_t at = sql_columns_find(there, column->name, column->len, i);
		struct sql_column *made;

		if (!has(there, column->name, "", ctx))
			return false;
		assert(at < there->count && there->list != NULL);
		made = sql_columns_add(ret, column->name, column->len,
			column->type != SQL_ANY ? column->type : there->list[at].type);
		if (made != NULL && column->from != NULL)
			made->from = strdup(column->from);
		if (made == NULL || (column->from != NULL && made->from == NULL)) {
			stage_fail(ctx, STAGE_TRANSIENT, "no memory");
			return false;
		}
	}
	return true;
}

/* Takes `there`. */
static bool choose(struct sqlite_table *table, struct sql_columns *there,
	const struct sql_sink *sink, struct stage_ctx *ctx)
{
	if (!has(there, sql_sink_item_column(sink),
		    " for the id of items: add it (TEXT, unique), or give item_column or key",
		    ctx) ||
		!has(there, sql_sink_extra_column(sink), " for what is extra", ctx))
		return false;
	if (sink->declared.count > 0)
		return match(&sink->declared, there, &table->columns, ctx);
	table->columns = *there;
	*there = (struct sql_columns){ 0 };
	if (sql_sink_item_column(sink) != NULL)
		sql_columns_drop(&table->columns, sql_sink_item_column(sink));
	if (sql_sink_extra_column(sink) != NULL)
		sql_columns_drop(&table->columns, sql_sink_extra_column(sink));
	if (table->columns.count > 0)
		return true;
	stage_fail(ctx, STAGE_PERMANENT, "the table has no column for members of items");
	return false;
}

bool sqlite_table_ready(struct sqlite_table *table, struct sqlite_db *db,
	const struct sql_sink *sink, const struct sql_items *items, struct sql_row *row)
{
	struct sql_columns there = { 0 };
	bool done = look(db, sink->table, &there);

	if (done && there.count == 0)
		done = make_wanted(db, sink, items, row) && look(db, sink->table, &there);
	done = done && choose(table, &there, sink, items->ctx) &&
	       sql_sink_mark_keys(sink, &table->columns, items->ctx) &&
	       prepare_insert(table, db, sink) &&
	       (!sink->update || prepare_update(table, db, sink));
	sql_columns_done(&there);
	if (!done)
		sqlite_table_done(table);
	return done;
}
