/*
 * query: the SELECT of a job, made ready to go on from a cursor.
 *
 * With a key column it is wrapped: only what lies behind the last key, in the key's order. The
 * job's text is prepared by itself first: so it must be one whole SELECT, and what is wrapped
 * cannot be more than that.
 */
#ifndef LEAT_SQLITE_QUERY_H
#define LEAT_SQLITE_QUERY_H

#include "sql/columns.h"
#include "sql/cursor.h"
#include "sql/sqlite_db.h"

struct sqlite_query {
	const char *text, *key; /* key: NULL: none */
	yyjson_val *params;     /* NULL: none */

	sqlite3_stmt *stmt;      /* NULL: not begun */
	int columns, key_at;     /* key_at: -1: none */
	struct stage_text names; /* `"name":` of each, and where they begin */
	size_t *ends;
	bool *json; /* its text is JSON */
};

void sqlite_query_done(struct sqlite_query *query);
/* Begin behind the cursor. False: stage_fail() has spoken. */
bool sqlite_query_begin(struct sqlite_query *query, struct sqlite_db *db,
	const struct sql_columns *json, const struct sql_cursor *cursor);
/* The row that the statement stands on, as a JSON object. */
void sqlite_query_row(const struct sqlite_query *query, struct stage_text *to);
/* The row's key, as JSON. False: it cannot be one (stage_fail() has spoken). */
bool sqlite_query_key(
	const struct sqlite_query *query, struct stage_text *to, struct stage_ctx *ctx);

#endif
