/*
 * target: the table that a sink writes to, and the one statement for its rows.
 *
 * Each column of some rows is sent as one array of texts, and the server makes rows of them:
 * one statement and one answer however many rows there are, every type of the database by its
 * own input function, and a table for temporary things is not needed.
 *
 *	INSERT INTO t (a, b, _item) SELECT … FROM unnest($1::text[], $2::text[], $3::text[]) …
 *	ON CONFLICT (_item) DO NOTHING
 */
#ifndef LEAT_POSTGRES_TARGET_H
#define LEAT_POSTGRES_TARGET_H

#include "sql/pg_conn.h"
#include "sql/sink.h"

#define TARGET_STATEMENT "leat_rows"

struct target {
	const char *schema; /* NULL: where the search path finds it */
	bool ready;
	bool plain;                 /* no partitions: an update can be told from an insert */
	struct sql_columns columns; /* of the items: the first parameters, in this order */
	size_t item_at, extra_at;   /* numbers of the parameters for leat's own, 0: none */
	size_t params;
	bool updates; /* the statement says of each row whether it was new */
};

void target_done(struct target *target);
/* Look at the table, or make it; prepare the statement. False: stage_fail() has spoken on the
 * call, and the connection is closed. */
bool target_ready(struct target *target, struct pg_conn *conn, const struct sql_sink *sink,
	const struct sql_items *items, struct sql_row *row);

#endif
