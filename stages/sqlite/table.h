/*
 * table: the table that a sink writes to: looked at, made where there is none, and the two
 * statements for its rows. Everything happens inside the transaction of the rows, so a table
 * is there with its first rows or not at all.
 */
#ifndef LEAT_SQLITE_TABLE_H
#define LEAT_SQLITE_TABLE_H

#include "sql/sink.h"
#include "sql/sqlite_db.h"

struct sqlite_table {
	struct sql_columns columns; /* of the items, in the order of the parameters ?1, ?2, … */
	size_t item_at, extra_at;   /* the numbers of leat's own ones, 0: none */
	sqlite3_stmt *insert;       /* NULL: not ready */
	sqlite3_stmt *update;       /* NULL: nothing to update */
};

void sqlite_table_done(struct sqlite_table *table);
/* False: stage_fail() has spoken on the call. */
bool sqlite_table_ready(struct sqlite_table *table, struct sqlite_db *db,
	const struct sql_sink *sink, const struct sql_items *items, struct sql_row *row);

#endif
