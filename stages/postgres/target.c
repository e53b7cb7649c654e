#include "target.h"

#include <stdint.h>
#include <string.h>

#define NAME_MAX_BYTES 63 /* PostgreSQL cuts longer ones, and then two may be one */

void target_done(struct target *target)
{
	const char *schema = target->schema;

	sql_columns_done(&target->columns);
	*target = (struct target){ .schema = schema };
}

static bool no_memory(struct pg_conn *conn)
{
	stage_fail(conn->ctx, STAGE_TRANSIENT, "no memory");
	pg_conn_close(conn);
	return false;
}

/* ---- looking ---- */

static void put_table(
	const struct target *target, const struct sql_sink *sink, struct stage_text *to)
{
	if (target->schema != NULL) {
		sql_text_name(to, target->schema);
		stage_text_puts(to, ".");
	}
	sql_text_name(to, sink->table);
}

#define LOOK                                                                              \
	"SELECT a.attname, format_type(a.atttypid, -1), coalesce(b.typname, t.typname), " \
	"coalesce(b.typcategory, t.typcategory), c.relkind "                              \
	"FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "                      \
	"JOIN pg_type t ON t.oid = a.atttypid "                                           \
	"LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype "               \
	"WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped "     \
	"AND a.attgenerated = '' AND a.attidentity <> 'a' ORDER BY a.attnum"

static enum sql_type type_of(const char *name, char category)
{
	if (strcmp(name, "json") == 0 || strcmp(name, "jsonb") == 0)
		return SQL_JSON;
	if (strcmp(name, "bytea") == 0)
		return SQL_BYTES;
	return category == 'A' ? SQL_ARRAY : SQL_ANY;
}

static bool take_columns(const PGresult *result, struct target *target, struct sql_columns *ret)
{
	for (int at = 0; at < PQntuples(result); at++) {
		const char *name = PQgetvalue(result, at, 0);
		struct sql_column *column = sql_columns_add(ret, name, strlen(name),
			type_of(PQgetvalue(result, at, 2), *PQgetvalue(result, at, 3)));

		if (column == NULL)
			return false;
		column->cast = strdup(PQgetvalue(result, at, 1));
		if (column->cast == NULL)
			return false;
		target->plain = *PQgetvalue(result, at, 4) == 'r';
	}
	return true;
}

/* The columns that can be written to; none: there is no such table. */
static bool look(struct target *target, struct pg_conn *conn, const struct sql_sink *sink,
	struct sql_columns *ret)
{
	struct stage_text name = { 0 };
	PGresult *result = NULL;
	const char *param;
	bool done = false;

	put_table(target, sink, &name);
	param = stage_text_end(&name);
	if (param == NULL)
		return no_memory(conn);
	result = pg_conn_result(
		conn, PQsendQueryParams(conn->pg, LOOK, 1, NULL, &param, NULL, NULL, 0));
	stage_text_done(&name);
	if (result == NULL)
		return false;
	if (!pg_result_good(result)) {
		pg_result_fail(result, conn->ctx, "the table cannot be looked at");
		pg_conn_close(conn);
	} else {
		done = take_columns(result, target, ret) || no_memory(conn);
	}
	PQclear(result);
	return done;
}

/* ---- making ---- */

static const char *const words[SQL_TYPES] = { "text", "bigint", "double precision", "numeric",
	"text", "boolean", "jsonb", "timestamptz", "date", "bytea", "text" };

static bool names_fit(const struct sql_columns *columns, struct pg_conn *conn)
{
	for (size_t i = 0; i < columns->count; i++)
		if (columns->list[i].len > NAME_MAX_BYTES) {
			stage_fail(conn->ctx, STAGE_PERMANENT,
				"'%.70s…' is too long for a column's name (63 bytes)",
				columns->list[i].name);
			pg_conn_close(conn);
			return false;
		}
	return true;
}

/* Run it. Where another has made the table at the same moment, it is there at the next attempt.
 */
static bool create(struct pg_conn *conn, const char *sql)
{
	static const char *const raced[] = { "23505", "42P07", "42710" };
	PGresult *result;
	bool good;

	if (sql == NULL)
		return no_memory(conn);
	result = pg_conn_result(conn, PQsendQuery(conn->pg, sql));
	if (result == NULL)
		return false;
	good = pg_result_good(result);
	if (!good) {
		const char *state = pg_result_state(result);

		pg_result_fail(result, conn->ctx, "the table cannot be created");
		for (size_t i = 0; i < sizeof(raced) / sizeof(raced[0]); i++)
			if (strcmp(state, raced[i]) == 0)
				stage_fail(conn->ctx, STAGE_TRANSIENT,
					"the table is being created by another");
		pg_conn_close(conn);
	}
	PQclear(result);
	return good;
}

static bool make(struct target *target, struct pg_conn *conn, const struct sql_sink *sink,
	const struct sql_columns *columns)
{
	struct stage_text sql = { 0 };
	bool done;

	stage_text_puts(&sql, "CREATE TABLE IF NOT EXISTS ");
	put_table(target, sink, &sql);
	sql_sink_table_body(sink, columns, words, "jsonb", "text", &sql);
	done = create(conn, stage_text_end(&sql));
	stage_text_done(&sql);
	return done;
}

static bool make_wanted(struct target *target, struct pg_conn *conn,
	const struct sql_sink *sink, const struct sql_items *items, struct sql_row *row)
{
	struct sql_columns wanted = { 0 };
	bool done;

	if (!sink->create) {
		stage_fail(conn->ctx, STAGE_PERMANENT,
			"there is no table '%.80s' (and `create` is false)", sink->table);
		return false;
	}
	done = sql_sink_columns_wanted(sink, items, row, &wanted) &&
	       sql_sink_mark_keys(sink, &wanted, conn->ctx) && names_fit(&wanted, conn) &&
	       make(target, conn, sink, &wanted);
	sql_columns_done(&wanted);
	return done;
}

/* ---- the statement ---- */

/* How the n-th text becomes a value of the column's type, as `c1`. The type stands there
 * without its length: so what is too long is refused by the table instead of being cut. */
static void put_value(struct stage_text *sql, const struct sql_column *column, size_t number)
{
	sql_text_comma(sql, number == 1);
	if (column != NULL && column->type == SQL_BYTES) {
		stage_text_format(sql, "decode(u.c%zu, 'base64') AS c%zu", number, number);
		return;
	}
	stage_text_format(sql, "u.c%zu::", number);
	stage_text_puts(sql, column != NULL ? column->cast : "text");
	stage_text_format(sql, " AS c%zu", number);
}

/* SELECT …: the rows out of the parameters. */
static void put_rows(struct stage_text *sql, const struct target *target,
	const struct sql_column *item, const struct sql_column *extra)
{
	for (size_t n = 1; n <= target->params; n++)
		put_value(sql,
			n <= target->columns.count ? &target->columns.list[n - 1]
			: n == target->item_at     ? item
						   : extra,
			n);
	stage_text_puts(sql, ", u.n FROM unnest(");
	for (size_t n = 1; n <= target->params; n++)
		stage_text_format(sql, "%s$%zu::text[]", n == 1 ? "" : ", ", n);
	stage_text_puts(sql, ") WITH ORDINALITY AS u(");
	for (size_t n = 1; n <= target->params; n++)
		stage_text_format(sql, "c%zu, ", n);
	stage_text_puts(sql, "n)");
}

/* The numbers of the key's columns: s.c1, s.c2 */
static void put_key(struct stage_text *sql, const struct target *target)
{
	bool first = true;

	if (target->item_at != 0) {
		stage_text_format(sql, "s.c%zu", target->item_at);
		first = false;
	}
	for (size_t i = 0; i < target->columns.count; i++)
		if (target->columns.list[i].key) {
			stage_text_format(sql, "%ss.c%zu", first ? "" : ", ", i + 1);
			first = false;
		}
}

static bool has_more_than_key(const struct target *target)
{
	for (size_t i = 0; i < target->columns.count; i++)
		if (!target->columns.list[i].key)
			return true;
	return target->extra_at != 0;
}

static void put_conflict(
	struct stage_text *sql, const struct target *target, const struct sql_sink *sink)
{
	bool first = true;

	stage_text_puts(sql, " ON CONFLICT ");
	sql_sink_key_list(sink, sql);
	if (!target->updates) {
		stage_text_puts(sql, " DO NOTHING");
		return;
	}
	stage_text_puts(sql, " DO UPDATE SET ");
	for (size_t i = 0; i <= target->columns.count; i++) {
		bool own = i == target->columns.count;
		const char *name = own ? sink->extra_column : target->columns.list[i].name;

		if (own ? target->extra_at == 0 : target->columns.list[i].key)
			continue;
		sql_text_comma(sql, first);
		sql_text_name(sql, name);
		stage_text_puts(sql, " = EXCLUDED.");
		sql_text_name(sql, name);
		first = false;
	}
	if (target->plain)
		stage_text_puts(sql, " RETURNING (xmax = 0)");
}

static void put_names(
	struct stage_text *sql, const struct target *target, const struct sql_sink *sink)
{
	for (size_t i = 0; i < target->columns.count; i++) {
		sql_text_comma(sql, i == 0);
		sql_text_name(sql, target->columns.list[i].name);
	}
	if (target->item_at != 0) {
		stage_text_puts(sql, ", ");
		sql_text_name(sql, sink->item_column);
	}
	if (target->extra_at != 0) {
		stage_text_puts(sql, ", ");
		sql_text_name(sql, sink->extra_column);
	}
}

/* An update can touch a row once only: of rows with one key the last one counts. */
static void put_insert(struct stage_text *sql, const struct target *target,
	const struct sql_sink *sink, const struct sql_column *item,
	const struct sql_column *extra)
{
	stage_text_puts(sql, "INSERT INTO ");
	put_table(target, sink, sql);
	stage_text_puts(sql, " (");
	put_names(sql, target, sink);
	stage_text_puts(sql, ") SELECT ");
	if (target->updates) {
		stage_text_puts(sql, "DISTINCT ON (");
		put_key(sql, target);
		stage_text_puts(sql, ") ");
	}
	for (size_t n = 1; n <= target->params; n++)
		stage_text_format(sql, "%ss.c%zu", n == 1 ? "" : ", ", n);
	stage_text_puts(sql, " FROM (SELECT ");
	put_rows(sql, target, item, extra);
	stage_text_puts(sql, ") s ORDER BY ");
	if (target->updates) {
		put_key(sql, target);
		stage_text_puts(sql, ", s.n DESC");
	} else {
		stage_text_puts(sql, "s.n");
	}
	put_conflict(sql, target, sink);
}

static bool prepare(struct pg_conn *conn, struct stage_text *sql)
{
	const char *text = stage_text_end(sql);
	PGresult *result;
	bool good;

	if (text == NULL)
		return no_memory(conn);
	result = pg_conn_result(conn, PQsendPrepare(conn->pg, TARGET_STATEMENT, text, 0, NULL));
	if (result == NULL)
		return false;
	good = pg_result_good(result);
	if (!good) {
		pg_result_fail(result, conn->ctx, "rows cannot be inserted into the table");
		pg_conn_close(conn);
	}
	PQclear(result);
	return good;
}

/* ---- what goes where ---- */

/* NULL after stage_fail(). */
static const struct sql_column *need(const struct sql_columns *there, const char *name,
	const char *what, struct stage_ctx *ctx)
{
	size_t at = sql_columns_find(there, name, strlen(name), 0);

	if (at != SIZE_MAX)
		return &there->list[at];
	stage_fail(ctx, STAGE_PERMANENT, "the table has no column '%.80s'%s", name, what);
	return NULL;
}

static bool add(struct target *target, const struct sql_column *column, const char *from)
{
	struct sql_column *made =
		sql_columns_add(&target->columns, column->name, column->len, column->type);

	if (made == NULL)
		return false;
	made->cast = strdup(column->cast);
	if (from != NULL)
		made->from = strdup(from);
	return made->cast != NULL && (from == NULL || made->from != NULL);
}

static bool is_own(const struct sql_sink *sink, const char *name)
{
	const char *item = sql_sink_item_column(sink), *extra = sql_sink_extra_column(sink);

	return (item != NULL && strcmp(name, item) == 0) ||
	       (extra != NULL && strcmp(name, extra) == 0);
}

/* False: stage_fail() has spoken. */
static bool choose(struct target *target, const struct sql_columns *there,
	const struct sql_sink *sink, struct stage_ctx *ctx)
{
	const struct sql_columns *from = sink->declared.count > 0 ? &sink->declared : there;

	for (size_t i = 0; i < from->count; i++) {
		const char *name = from->list[i].name;
		const struct sql_column *column;

		if (from == there && is_own(sink, name))
			continue;
		column = need(there, name, "", ctx);
		if (column == NULL)
			return false;
		if (!add(target, column, from->list[i].from))
			return stage_fail(ctx, STAGE_TRANSIENT, "no memory"), false;
	}
	if (target->columns.count > 0)
		return true;
	stage_fail(ctx, STAGE_PERMANENT, "the table has no column for members of items");
	return false;
}

static bool build(struct target *target, struct pg_conn *conn, const struct sql_sink *sink,
	const struct sql_columns *there)
{
	const char *item_name = sql_sink_item_column(sink);
	const char *extra_name = sql_sink_extra_column(sink);
	const struct sql_column *item = NULL, *extra = NULL;
	struct stage_text sql = { 0 };
	bool done;

	if ((item_name != NULL &&
		    (item = need(there, item_name,
			     " for the id of items: add it (text, unique), or give item_column "
			     "or key",
			     conn->ctx)) == NULL) ||
		(extra_name != NULL && (extra = need(there, extra_name, " for what is extra",
						conn->ctx)) == NULL) ||
		!choose(target, there, sink, conn->ctx) ||
		!sql_sink_mark_keys(sink, &target->columns, conn->ctx))
		return false;
	target->params = target->columns.count;
	target->item_at = item != NULL ? ++target->params : 0;
	target->extra_at = extra != NULL ? ++target->params : 0;
	target->updates = sink->update && has_more_than_key(target);
	put_insert(&sql, target, sink, item, extra);
	done = prepare(conn, &sql);
	stage_text_done(&sql);
	return done;
}

bool target_ready(struct target *target, struct pg_conn *conn, const struct sql_sink *sink,
	const struct sql_items *items, struct sql_row *row)
{
	struct sql_columns there = { 0 };
	bool done = look(target, conn, sink, &there);

	if (done && there.count == 0)
		done = make_wanted(target, conn, sink, items, row) &&
		       look(target, conn, sink, &there);
	done = done && build(target, conn, sink, &there);
	sql_columns_done(&there);
	target->ready = done;
	if (!done) {
		target_done(target);
		pg_conn_close(conn);
	}
	return done;
}
