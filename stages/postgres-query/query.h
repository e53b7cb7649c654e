/*
 * query: the SELECT of a job as a cursor of the server, in one read-only snapshot.
 *
 * The job's text is prepared by itself first: so it is one whole statement, and its columns
 * and parameters are known. Then it is wrapped, so that the server makes JSON of its rows and,
 * with a key, gives only those behind the last one, in the key's order:
 *
 *	DECLARE leat CURSOR FOR SELECT row_to_json(q), q.key::text FROM (…) q
 *	WHERE q.key > $n ORDER BY q.key
 *
 * Of a FETCH the rows are taken one by one, and what nobody has room for stays on the server's
 * side of the socket: memory holds one row, however long the rows are.
 */
#ifndef LEAT_POSTGRES_QUERY_H
#define LEAT_POSTGRES_QUERY_H

#include <yyjson.h>

#include "sql/cursor.h"
#include "sql/pg_conn.h"
#include "sql/row.h"

struct pg_query {
	const char *text, *key; /* key: NULL: none */
	yyjson_val *params;     /* an array; NULL: none */

	bool begun, fetching, ended;
	int fetched; /* of the FETCH under way */
};

/* What pg_query_next() has found. */
enum pg_query_found { PG_QUERY_ROW, PG_QUERY_END, PG_QUERY_FAILED };

/* Begin behind the cursor. False: stage_fail() has spoken, and the connection is closed. */
bool pg_query_begin(
	struct pg_query *query, struct pg_conn *conn, const struct sql_cursor *cursor);
/* The next row: its JSON, and its key's text if there is a key. Owner of the row: the caller.
 */
enum pg_query_found pg_query_next(
	struct pg_query *query, struct pg_conn *conn, PGresult **ret_row);

#endif
