#include "query.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FETCH_ROWS 1000
#define FETCH_SQL  "FETCH FORWARD 1000 FROM leat"
#define BYTEA_OID  17
#define CANNOT     "the query cannot be run"

static bool no_memory(struct pg_conn *conn)
{
	stage_fail(conn->ctx, STAGE_TRANSIENT, "no memory");
	pg_conn_close(conn);
	return false;
}

/* `why` and the name that it is about. */
static bool refuse(struct pg_conn *conn, const char *why, const char *name)
{
	stage_fail(conn->ctx, STAGE_PERMANENT, "%s '%.80s'", why, name);
	pg_conn_close(conn);
	return false;
}

/* ---- what the query is ---- */

/* The result of what was sent, if it is a good one. NULL: stage_fail() has spoken. */
static PGresult *good(struct pg_conn *conn, int sent, const char *what)
{
	PGresult *result = pg_conn_result(conn, sent);

	if (result == NULL || pg_result_good(result))
		return result;
	pg_result_fail(result, conn->ctx, what);
	PQclear(result);
	pg_conn_close(conn);
	return NULL;
}

/* Its columns and parameters. */
static PGresult *describe(const struct pg_query *query, struct pg_conn *conn)
{
	PGresult *result =
		good(conn, PQsendPrepare(conn->pg, "", query->text, 0, NULL), CANNOT);

	if (result == NULL)
		return NULL;
	PQclear(result);
	return good(conn, PQsendDescribePrepared(conn->pg, ""), CANNOT);
}

static bool check(const struct pg_query *query, struct pg_conn *conn, const PGresult *about)
{
	size_t given = yyjson_arr_size(query->params);

	if (PQnfields(about) == 0) {
		stage_fail(conn->ctx, STAGE_PERMANENT, CANNOT ": it must be one SELECT");
		pg_conn_close(conn);
		return false;
	}
	for (int at = 0; at < PQnfields(about); at++)
		for (int before = 0; before < at; before++)
			if (strcmp(PQfname(about, at), PQfname(about, before)) == 0)
				return refuse(conn, "two columns of the query have the name",
					PQfname(about, at));
	if ((size_t)PQnparams(about) != given) {
		stage_fail(conn->ctx, STAGE_PERMANENT,
			"the query has %d parameters, `params` has %zu values",
			PQnparams(about), given);
		pg_conn_close(conn);
		return false;
	}
	if (query->key == NULL)
		return true;
	for (int at = 0; at < PQnfields(about); at++)
		if (strcmp(PQfname(about, at), query->key) == 0)
			return true;
	return refuse(conn, "the query has no column for the key", query->key);
}

static bool has_bytes(const PGresult *about)
{
	for (int at = 0; at < PQnfields(about); at++)
		if (PQftype(about, at) == BYTEA_OID)
			return true;
	return false;
}

/* ---- the cursor's statement ---- */

/* The job's text; a line end closes a comment that it may end in. */
static void put_text(const struct pg_query *query, struct stage_text *sql)
{
	size_t len = strlen(query->text);

	while (len > 0 &&
		(query->text[len - 1] == ';' || (unsigned char)query->text[len - 1] <= ' '))
		len--;
	stage_text_puts(sql, "(\n");
	stage_text_put(sql, query->text, len);
	stage_text_puts(sql, "\n)");
}

/* Bytes in base64, where there are such columns. */
static void put_from(
	const struct pg_query *query, const PGresult *about, struct stage_text *sql)
{
	if (!has_bytes(about)) {
		put_text(query, sql);
		return;
	}
	stage_text_puts(sql, "(SELECT ");
	for (int at = 0; at < PQnfields(about); at++) {
		bool bytes = PQftype(about, at) == BYTEA_OID;

		stage_text_puts(sql, at == 0 ? "" : ", ");
		stage_text_puts(sql, bytes ? "translate(encode(i." : "i.");
		sql_text_name(sql, PQfname(about, at));
		stage_text_puts(sql, bytes ? ", 'base64'), E'\\n', '') AS " : " AS ");
		sql_text_name(sql, PQfname(about, at));
	}
	stage_text_puts(sql, " FROM ");
	put_text(query, sql);
	stage_text_puts(sql, " i)");
}

static void put_key(const struct pg_query *query, struct stage_text *sql)
{
	stage_text_puts(sql, "q.");
	sql_text_name(sql, query->key);
}

static void put_cursor(const struct pg_query *query, const PGresult *about,
	const struct sql_cursor *cursor, struct stage_text *sql)
{
	stage_text_puts(sql, "DECLARE leat NO SCROLL CURSOR FOR SELECT row_to_json(q)::text");
	if (query->key != NULL) {
		stage_text_puts(sql, ", ");
		put_key(query, sql);
		stage_text_puts(sql, "::text");
	}
	stage_text_puts(sql, " FROM ");
	put_from(query, about, sql);
	stage_text_puts(sql, " q");
	if (query->key == NULL) {
		stage_text_format(sql, " OFFSET %" PRIu64, cursor->rows);
		return;
	}
	if (cursor->key.len > 0) {
		stage_text_puts(sql, " WHERE ");
		put_key(query, sql);
		stage_text_format(sql, " > $%d", PQnparams(about) + 1);
	}
	stage_text_puts(sql, " ORDER BY ");
	put_key(query, sql);
}

/* ---- parameters ---- */

struct values {
	Oid *types;
	const char **texts;
	char **owned;
	int count;
};

static void values_done(struct values *values)
{
	for (int i = 0; values->owned != NULL && i < values->count; i++)
		free(values->owned[i]);
	free(values->owned);
	free(values->texts);
	free(values->types);
}

/* As text, strings as they are and all else as JSON. False without memory. */
static bool add_value(struct values *values, Oid type, yyjson_val *value)
{
	struct stage_text scratch = { 0 };
	const char *text;
	size_t len;
	int at = values->count++;

	values->types[at] = type;
	if (value == NULL || yyjson_is_null(value))
		return true;
	text = sql_value_text(value, false, &scratch, &len);
	if (text != NULL)
		values->owned[at] = strndup(text, len);
	values->texts[at] = values->owned[at];
	stage_text_done(&scratch);
	return values->texts[at] != NULL;
}

/* The key's text of the cursor, as the type of its column. */
static bool add_key(struct values *values, const struct pg_query *query, const PGresult *about,
	const struct sql_cursor *cursor)
{
	yyjson_doc *doc =
		yyjson_read(cursor->key.at, cursor->key.len, YYJSON_READ_NUMBER_AS_RAW);
	Oid type = 0;
	bool done;

	for (int at = 0; at < PQnfields(about); at++)
		if (strcmp(PQfname(about, at), query->key) == 0)
			type = PQftype(about, at);
	done = doc != NULL && add_value(values, type, yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
	return done;
}

static bool fill(struct values *values, const struct pg_query *query, const PGresult *about,
	const struct sql_cursor *cursor)
{
	size_t room = (size_t)PQnparams(about) + 1;

	values->types = calloc(room, sizeof(values->types[0]));
	values->texts = calloc(room, sizeof(values->texts[0]));
	values->owned = calloc(room, sizeof(values->owned[0]));
	if (values->types == NULL || values->texts == NULL || values->owned == NULL)
		return false;
	for (int at = 0; at < PQnparams(about); at++)
		if (!add_value(values, PQparamtype(about, at),
			    yyjson_arr_get(query->params, (size_t)at)))
			return false;
	return query->key == NULL || cursor->key.len == 0 ||
	       add_key(values, query, about, cursor);
}

static bool declare(const struct pg_query *query, struct pg_conn *conn, const PGresult *about,
	const struct sql_cursor *cursor)
{
	struct values values = { 0 };
	struct stage_text sql = { 0 };
	PGresult *result = NULL;

	put_cursor(query, about, cursor, &sql);
	if (stage_text_end(&sql) == NULL || !fill(&values, query, about, cursor))
		no_memory(conn);
	else
		result = good(conn,
			PQsendQueryParams(conn->pg, sql.at, values.count, values.types,
				values.texts, NULL, NULL, 0),
			CANNOT);
	values_done(&values);
	stage_text_done(&sql);
	PQclear(result);
	return result != NULL;
}

bool pg_query_begin(
	struct pg_query *query, struct pg_conn *conn, const struct sql_cursor *cursor)
{
	PGresult *about;
	bool done;

	query->begun = query->fetching = query->ended = false;
	if (!pg_conn_do(conn, "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
		    CANNOT))
		return false;
	about = describe(query, conn);
	if (about == NULL)
		return false;
	done = check(query, conn, about) && declare(query, conn, about, cursor);
	PQclear(about);
	query->begun = done;
	return done;
}

/* ---- rows ---- */

/* False: stage_fail() has spoken. */
static bool fetch(struct pg_query *query, struct pg_conn *conn)
{
	if (!PQsendQuery(conn->pg, FETCH_SQL) || !PQsetSingleRowMode(conn->pg)) {
		stage_fail(conn->ctx, STAGE_TRANSIENT, "the connection to '%.80s' was lost",
			conn->to->name);
		pg_conn_close(conn);
		return false;
	}
	query->fetching = true;
	query->fetched = 0;
	return true;
}

static enum pg_query_found failed(struct pg_conn *conn, PGresult *result)
{
	if (result != NULL)
		pg_result_fail(result, conn->ctx, "the query failed");
	else if (conn->pg != NULL)
		stage_fail(conn->ctx, STAGE_TRANSIENT, "the connection to '%.80s' was lost",
			conn->to->name);
	PQclear(result);
	pg_conn_close(conn);
	return PG_QUERY_FAILED;
}

enum pg_query_found pg_query_next(
	struct pg_query *query, struct pg_conn *conn, PGresult **ret_row)
{
	while (!query->ended) {
		PGresult *result;

		if (!query->fetching && !fetch(query, conn))
			return PG_QUERY_FAILED;
		result = pg_conn_next(conn);
		if (conn->pg == NULL)
			return PG_QUERY_FAILED;
		if (result == NULL) { /* behind the last one of this FETCH */
			query->fetching = false;
			query->ended = query->fetched < FETCH_ROWS;
		} else if (PQresultStatus(result) == PGRES_SINGLE_TUPLE) {
			query->fetched++;
			*ret_row = result;
			return PG_QUERY_ROW;
		} else if (pg_result_good(result)) {
			PQclear(result);
		} else {
			return failed(conn, result);
		}
	}
	return PG_QUERY_END;
}
