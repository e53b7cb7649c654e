#include "query.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "stage_number.h"
#include "stage_write.h"
#include "stage_yyjson.h"

#define CANNOT "the query cannot be run"

void sqlite_query_done(struct sqlite_query *query)
{
	sqlite3_finalize(query->stmt);
	query->stmt = NULL;
	stage_text_done(&query->names);
	free(query->ends);
	free(query->json);
	query->ends = NULL;
	query->json = NULL;
}

/* ---- preparing ---- */

/* The job's own text: one SELECT and nothing behind it. Returns it, NULL after stage_fail(). */
static sqlite3_stmt *check(const struct sqlite_query *query, struct sqlite_db *db)
{
	sqlite3_stmt *stmt = NULL, *more = NULL;
	const char *tail = "";
	int code = sqlite3_prepare_v2(db->handle, query->text, -1, &stmt, &tail);

	if (code == SQLITE_OK && *tail != '\0')
		code = sqlite3_prepare_v2(db->handle, tail, -1, &more, NULL);
	if (code != SQLITE_OK) {
		sqlite_db_fail(db, db->ctx, CANNOT);
	} else if (stmt != NULL && more == NULL && sqlite3_column_count(stmt) > 0 &&
		   sqlite3_stmt_readonly(stmt) && !sqlite3_stmt_isexplain(stmt)) {
		return stmt;
	} else {
		stage_fail(db->ctx, STAGE_PERMANENT, CANNOT ": it must be one SELECT");
	}
	sqlite3_finalize(stmt);
	sqlite3_finalize(more);
	return NULL;
}

/* The statement to run instead of the job's own `stmt`, which is finalized if there is one. A
 * line end closes a comment that the text may end in; a semicolon there has to go. */
static sqlite3_stmt *wrap(
	const struct sqlite_query *query, struct sqlite_db *db, sqlite3_stmt *stmt, bool behind)
{
	struct stage_text sql = { 0 };
	const char *text = sqlite3_sql(stmt);
	size_t len = strlen(text);
	sqlite3_stmt *wrapped;

	while (len > 0 && (text[len - 1] == ';' || (unsigned char)text[len - 1] <= ' '))
		len--;
	stage_text_puts(&sql, "SELECT * FROM (\n");
	stage_text_put(&sql, text, len);
	stage_text_puts(&sql, "\n)");
	if (behind) {
		stage_text_puts(&sql, " WHERE ");
		sql_text_name(&sql, query->key);
		stage_text_format(
			&sql, " COLLATE BINARY > ?%d", sqlite3_bind_parameter_count(stmt) + 1);
	}
	stage_text_puts(&sql, " ORDER BY ");
	sql_text_name(&sql, query->key);
	stage_text_puts(&sql, " COLLATE BINARY");
	sqlite3_finalize(stmt);
	wrapped = sqlite_db_prepare(db, stage_text_end(&sql), CANNOT);
	stage_text_done(&sql);
	return wrapped;
}

/* ---- parameters ---- */

static int bind_number(sqlite3_stmt *stmt, int at, const char *text)
{
	struct stage_number number = stage_number_parse(text);

	if (number.whole && number.magnitude <= INT64_MAX)
		return sqlite3_bind_int64(stmt, at,
			number.negative ? -(sqlite3_int64)number.magnitude
					: (sqlite3_int64)number.magnitude);
	return sqlite3_bind_double(stmt, at, number.real);
}

static int bind(sqlite3_stmt *stmt, int at, yyjson_val *value)
{
	char *text;
	size_t len;

	if (value == NULL || yyjson_is_null(value))
		return sqlite3_bind_null(stmt, at);
	if (yyjson_is_bool(value))
		return sqlite3_bind_int(stmt, at, yyjson_get_bool(value));
	if (yyjson_is_raw(value))
		return bind_number(stmt, at, yyjson_get_raw(value));
	if (yyjson_is_str(value))
		return sqlite3_bind_text(stmt, at, yyjson_get_str(value),
			(int)yyjson_get_len(value), SQLITE_STATIC);
	text = yyjson_val_write(value, YYJSON_WRITE_NOFLAG, &len);
	return text == NULL ? SQLITE_NOMEM : sqlite3_bind_text(stmt, at, text, (int)len, free);
}

/* Of the n-th parameter: by its name (without its first character), or its number. */
static yyjson_val *value_of(yyjson_val *params, sqlite3_stmt *stmt, int at)
{
	const char *name = sqlite3_bind_parameter_name(stmt, at);

	if (yyjson_is_obj(params))
		return name == NULL ? NULL : yyjson_obj_get(params, name + 1);
	return yyjson_arr_get(params, (size_t)at - 1);
}

static bool bind_all(const struct sqlite_query *query, struct sqlite_db *db, int count)
{
	size_t given = yyjson_is_obj(query->params) ? yyjson_obj_size(query->params)
						    : yyjson_arr_size(query->params);

	if (given != (size_t)count) {
		stage_fail(db->ctx, STAGE_PERMANENT,
			"the query has %d parameters, `params` has %zu values", count, given);
		return false;
	}
	for (int at = 1; at <= count; at++) {
		yyjson_val *value = value_of(query->params, query->stmt, at);

		if (value == NULL) {
			stage_fail(db->ctx, STAGE_PERMANENT, "`params` has no value for %s",
				sqlite3_bind_parameter_name(query->stmt, at) != NULL
					? sqlite3_bind_parameter_name(query->stmt, at)
					: "a parameter that has no name");
			return false;
		}
		if (bind(query->stmt, at, value) != SQLITE_OK) {
			sqlite_db_fail(db, db->ctx, "a parameter cannot be bound");
			return false;
		}
	}
	return true;
}

static bool bind_cursor(const struct sqlite_query *query, struct sqlite_db *db, int at,
	const struct sql_cursor *cursor)
{
	yyjson_doc *doc =
		yyjson_read(cursor->key.at, cursor->key.len, YYJSON_READ_NUMBER_AS_RAW);
	int code = doc == NULL ? SQLITE_NOMEM : bind(query->stmt, at, yyjson_doc_get_root(doc));

	/* A text is bound as it stands: keep it while the statement lives. */
	if (code == SQLITE_OK && yyjson_is_str(yyjson_doc_get_root(doc)))
		code = sqlite3_bind_text(query->stmt, at,
			yyjson_get_str(yyjson_doc_get_root(doc)),
			(int)yyjson_get_len(yyjson_doc_get_root(doc)), SQLITE_TRANSIENT);
	yyjson_doc_free(doc);
	if (code == SQLITE_OK)
		return true;
	stage_fail(db->ctx, STAGE_TRANSIENT, "no memory");
	return false;
}

/* ---- columns ---- */

static bool same_name(const struct sqlite_query *query, int at, const char *name)
{
	return strcmp(sqlite3_column_name(query->stmt, at), name) == 0;
}

/* False: stage_fail() has spoken. */
static bool learn_column(struct sqlite_query *query, struct sqlite_db *db, int at,
	const struct sql_columns *json)
{
	const char *name = sqlite3_column_name(query->stmt, at);

	if (name == NULL) {
		stage_fail(db->ctx, STAGE_TRANSIENT, "no memory");
		return false;
	}
	for (int before = 0; before < at; before++)
		if (same_name(query, before, name)) {
			stage_fail(db->ctx, STAGE_PERMANENT,
				"two columns of the query have the name '%.80s'", name);
			return false;
		}
	if (query->key != NULL && strcmp(name, query->key) == 0)
		query->key_at = at;
	query->json[at] = sql_columns_find(json, name, strlen(name), 0) != SIZE_MAX;
	stage_text_puts(&query->names, at == 0 ? "{" : ",");
	sql_text_json(&query->names, name, strlen(name));
	stage_text_puts(&query->names, ":");
	query->ends[at] = query->names.len;
	return true;
}

static bool learn_columns(
	struct sqlite_query *query, struct sqlite_db *db, const struct sql_columns *json)
{
	query->columns = sqlite3_column_count(query->stmt);
	query->key_at = -1;
	query->names.len = 0;
	free(query->ends);
	free(query->json);
	query->ends = calloc((size_t)query->columns, sizeof(query->ends[0]));
	query->json = calloc((size_t)query->columns, sizeof(query->json[0]));
	for (int at = 0; query->ends != NULL && query->json != NULL && at < query->columns;
		at++)
		if (!learn_column(query, db, at, json))
			return false;
	if (query->ends == NULL || query->json == NULL || query->names.no_memory)
		return stage_fail(db->ctx, STAGE_TRANSIENT, "no memory"), false;
	if (query->key != NULL && query->key_at < 0)
		return stage_fail(db->ctx, STAGE_PERMANENT,
			       "the query has no column for the key '%.80s'", query->key),
		       false;
	return true;
}

/* Without a key: as many rows as were emitted are passed over. */
static bool skip(struct sqlite_query *query, struct sqlite_db *db, uint64_t rows)
{
	int code = SQLITE_ROW;

	for (; rows > 0 && code == SQLITE_ROW; rows--)
		code = sqlite3_step(query->stmt);
	if (code == SQLITE_ROW || code == SQLITE_DONE)
		return true;
	sqlite_db_fail(db, db->ctx, "the query failed");
	return false;
}

bool sqlite_query_begin(struct sqlite_query *query, struct sqlite_db *db,
	const struct sql_columns *json, const struct sql_cursor *cursor)
{
	bool behind = query->key != NULL && cursor->key.len > 0;
	int count;

	sqlite3_finalize(query->stmt);
	query->stmt = check(query, db);
	if (query->stmt == NULL || !learn_columns(query, db, json))
		return false;
	count = sqlite3_bind_parameter_count(query->stmt);
	if (query->key != NULL)
		query->stmt = wrap(query, db, query->stmt, behind);
	if (query->stmt == NULL || !bind_all(query, db, count))
		return false;
	if (behind)
		return bind_cursor(query, db, count + 1, cursor);
	return query->key != NULL || skip(query, db, cursor->rows);
}

/* ---- a row ---- */

static void put_real(struct stage_text *to, double value)
{
	char *at = stage_text_room(to, STAGE_REAL_MAX);

	if (at != NULL)
		stage_text_took(to, (size_t)(stage_put_real(at, value) - at));
}

static void put_bytes(struct stage_text *to, const unsigned char *bytes, size_t len)
{
	char *at = stage_text_room(to, SQL_BASE64_MAX(len) + 2), *begin = at;

	if (at == NULL)
		return;
	*at++ = '"';
	at = sql_base64_put(at, bytes, len);
	*at++ = '"';
	stage_text_took(to, (size_t)(at - begin));
}

/* What is no JSON after all is a text like others. */
static bool put_json(struct stage_text *to, const char *text, size_t len)
{
	yyjson_doc *doc = yyjson_read(text, len, YYJSON_READ_NUMBER_AS_RAW);
	char *line = yyjson_write(doc, YYJSON_WRITE_NOFLAG, &len);
	bool done = line != NULL;

	if (done)
		stage_text_put(to, line, len);
	free(line);
	yyjson_doc_free(doc);
	return done;
}

static void put_value(const struct sqlite_query *query, int at, struct stage_text *to)
{
	sqlite3_stmt *stmt = query->stmt;
	const char *text;
	size_t len;

	switch (sqlite3_column_type(stmt, at)) {
	case SQLITE_INTEGER:
		stage_text_format(to, "%lld", (long long)sqlite3_column_int64(stmt, at));
		return;
	case SQLITE_FLOAT:
		put_real(to, sqlite3_column_double(stmt, at));
		return;
	case SQLITE_NULL:
		stage_text_puts(to, "null");
		return;
	case SQLITE_BLOB:
		text = sqlite3_column_blob(stmt, at);
		len = (size_t)sqlite3_column_bytes(stmt, at);
		put_bytes(to, (const unsigned char *)text, len);
		return;
	}
	text = (const char *)sqlite3_column_text(stmt, at);
	len = (size_t)sqlite3_column_bytes(stmt, at);
	to->no_memory |= text == NULL;
	if (text != NULL && (!query->json[at] || !put_json(to, text, len)))
		sql_text_json(to, text, len);
}

void sqlite_query_row(const struct sqlite_query *query, struct stage_text *to)
{
	size_t begin = 0;

	for (int at = 0; at < query->columns; at++) {
		stage_text_put(to, query->names.at + begin, query->ends[at] - begin);
		begin = query->ends[at];
		put_value(query, at, to);
	}
	stage_text_put(to, "}", 1);
}

bool sqlite_query_key(
	const struct sqlite_query *query, struct stage_text *to, struct stage_ctx *ctx)
{
	int type = sqlite3_column_type(query->stmt, query->key_at);
	char number[32];

	to->len = 0;
	if (type == SQLITE_NULL || type == SQLITE_BLOB) {
		stage_fail(ctx, STAGE_PERMANENT, "the key '%.80s' is %s in a row", query->key,
			type == SQLITE_NULL ? "null" : "a blob");
		return false;
	}
	if (type == SQLITE_FLOAT) {
		snprintf(number, sizeof(number), "%.17g",
			sqlite3_column_double(query->stmt, query->key_at));
		stage_text_puts(to, number);
	} else if (type == SQLITE_INTEGER) {
		stage_text_format(to, "%lld",
			(long long)sqlite3_column_int64(query->stmt, query->key_at));
	} else {
		const char *text =
			(const char *)sqlite3_column_text(query->stmt, query->key_at);

		to->no_memory |= text == NULL;
		if (text != NULL)
			sql_text_json(to, text,
				(size_t)sqlite3_column_bytes(query->stmt, query->key_at));
	}
	if (stage_text_end(to) == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory"), false;
	return true;
}
