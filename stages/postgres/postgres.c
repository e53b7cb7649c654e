/*
 * postgres: a sink that keeps items as rows of a table in PostgreSQL.
 *
 * One transaction a call; the rows are told by their key, so that what comes again after a
 * crash, or after a commit whose answer was lost, changes nothing.
 *
 * All rows of a call go in one statement. Where the server refuses it for what is in a row,
 * the transaction begins again in parts under savepoints, which are halved until the row is
 * found: that item fails with the server's words, the others are written.
 */
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "sql/pg_conn.h"
#include "sql/sink.h"
#include "stage.h"
#include "target.h"

struct postgres_sink {
	const char *connection, *schema;
	struct sql_sink sql;

	struct pg_conn conn;
	struct target target;
	struct rows rows;
};

static const struct stage_param postgres_params[] = {
	{ "connection", STAGE_STRING, .required = 1,
		.doc = "a connection that the operator has named in stages.d/postgres.json",
		.offset = offsetof(struct postgres_sink, connection) },
	{ "schema", STAGE_STRING, .doc = "the schema of the table; without: by the search path",
		.offset = offsetof(struct postgres_sink, schema) },
	SQL_SINK_PARAMS(postgres_sink, sql),
	{ 0 },
};

/* ---- open, close ---- */

static enum stage_result postgres_open(void *instance, struct stage_ctx *ctx)
{
	struct postgres_sink *sink = instance;

	sink->conn.config = stage_config(ctx);
	sink->conn.to = pg_config_find(sink->conn.config, sink->connection, ctx);
	sink->target.schema = sink->schema;
	if (sink->conn.to != NULL && sql_sink_open(&sink->sql, ctx))
		return STAGE_OK;
	sql_sink_done(&sink->sql);
	return STAGE_FAILED;
}

static void postgres_close(void *instance, struct stage_ctx *ctx)
{
	struct postgres_sink *sink = instance;

	pg_conn_close(&sink->conn);
	target_done(&sink->target);
	rows_done(&sink->rows);
	sql_sink_done(&sink->sql);
}

/* ---- one statement ---- */

/* A call under way. */
struct work {
	struct postgres_sink *sink;
	const struct sql_items *items;
	struct sql_counts counts;
	bool *refused; /* one an item */
	bool parts;    /* under savepoints */
};

/* What became of a statement. */
enum outcome { WRITTEN, REFUSED, BROKEN };

static bool no_memory(struct work *work)
{
	stage_fail(work->items->ctx, STAGE_TRANSIENT, "no memory");
	pg_conn_close(&work->sink->conn);
	return false;
}

/* Rows of the items from `at` on, up to `count` of them or as many as are enough at once. Sets
 * *ret_last behind the last one. */
static bool gather(struct work *work, size_t at, size_t count, size_t *ret_last)
{
	struct postgres_sink *sink = work->sink;
	size_t end = at + count;

	if (!rows_begin(&sink->rows, &sink->target))
		return no_memory(work);
	for (; at < end && sink->rows.bytes < ROWS_BYTES; at++) {
		struct stage_ctx *item = sql_item(work->items, at);

		if (work->refused[at] ||
			rows_add(&sink->rows, &sink->target, sink->sql.extra, item))
			continue;
		if (sink->rows.row.no_memory)
			return no_memory(work);
		work->refused[at] = true;
		work->counts.refused++;
	}
	*ret_last = at;
	return rows_end(&sink->rows, &sink->target) || no_memory(work);
}

/* How many of the rows were new. */
static size_t count_new(const struct target *target, const PGresult *result)
{
	size_t count = 0;

	if (!target->updates || !target->plain)
		return strtoull(PQcmdTuples((PGresult *)(uintptr_t)result), NULL, 10);
	for (int at = 0; at < PQntuples(result); at++)
		count += *PQgetvalue(result, at, 0) == 't';
	return count;
}

/* Does what is in a row make the server refuse it, or what the table or the session is? */
static bool is_about_row(const char *state)
{
	static const char *const others[] = { "0A", "25", "26", "28", "3D", "3F", "42", "F0",
		"XX" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strncmp(state, others[i], 2) == 0)
			return false;
	return !pg_state_is_transient(state);
}

/* The column whose value the server quotes: its words for what is no number, no date name the
 * value only. NULL: cannot be told. */
static const char *column_meant(const struct postgres_sink *sink, const PGresult *result)
{
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *quoted = text != NULL ? strstr(text, ": \"") : NULL, *found = NULL;
	struct stage_text scratch = { 0 };

	for (size_t i = 0; quoted != NULL && i < sink->target.columns.count; i++) {
		size_t len;
		const char *value = sink->rows.row.values[i] == NULL
					    ? NULL
					    : sql_value_text(sink->rows.row.values[i], false,
						      &scratch, &len);

		if (value == NULL || len == 0 || strncmp(quoted + 3, value, len) != 0 ||
			quoted[3 + len] != '"')
			continue;
		if (found != NULL) {
			found = NULL;
			break;
		}
		found = sink->target.columns.list[i].name;
	}
	stage_text_done(&scratch);
	return found;
}

/* The only row of the statement is refused. */
static void refuse(struct work *work, size_t at, const PGresult *result)
{
	const char *column = column_meant(work->sink, result);
	char what[120] = "";

	if (column != NULL)
		snprintf(what, sizeof(what), "column '%.80s'", column);
	pg_result_fail(result, sql_item(work->items, at), what);
	work->refused[at] = true;
	work->counts.refused++;
}

/* Send the rows. REFUSED: ret_result says why; the transaction is to be rolled back. */
static enum outcome send_rows(struct work *work, PGresult **ret_result)
{
	struct postgres_sink *sink = work->sink;
	struct pg_conn *conn = &sink->conn;
	PGresult *result = pg_conn_result(
		conn, PQsendQueryPrepared(conn->pg, TARGET_STATEMENT, (int)sink->target.params,
			      sink->rows.params, NULL, NULL, 0));
	size_t fresh;

	if (result == NULL)
		return BROKEN;
	if (!pg_result_good(result)) {
		if (is_about_row(pg_result_state(result))) {
			*ret_result = result;
			return REFUSED;
		}
		pg_result_fail(result, work->items->ctx, "the rows cannot be written");
		PQclear(result);
		pg_conn_close(conn);
		return BROKEN;
	}
	fresh = count_new(&sink->target, result);
	PQclear(result);
	work->counts.written += fresh;
	work->counts.repeated += sink->rows.count - fresh;
	return WRITTEN;
}

/* ---- one call ---- */

/* The number of the only item from `at` on that is not refused yet. */
static size_t only_one(const struct work *work, size_t at)
{
	while (work->refused[at])
		at++;
	return at;
}

/* The whole of the items in parts, halved where something is refused. Where a part is known to
 * hold such a row (up to `bad`), parts do not grow again before it is found. */
static bool write_parts(struct work *work)
{
	struct pg_conn *conn = &work->sink->conn;
	size_t count = work->items->count, size = (count + 1) / 2, bad = 0, end;

	for (size_t at = 0; at < count;) {
		size_t left = (at < bad ? bad : count) - at;
		PGresult *why = NULL;

		if (!gather(work, at, size < left ? size : left, &end) ||
			!pg_conn_do(conn, "SAVEPOINT leat", "the rows cannot be written"))
			return false;
		switch (work->sink->rows.count == 0 ? WRITTEN : send_rows(work, &why)) {
		case BROKEN:
			return false;
		case WRITTEN:
			size = end < bad ? (bad - end + 1) / 2 : size * 2;
			at = end;
			break;
		case REFUSED:
			if (work->sink->rows.count == 1) {
				refuse(work, only_one(work, at), why);
				bad = 0;
				at = end;
			} else {
				bad = end;
				size = (end - at + 1) / 2;
			}
			PQclear(why);
			if (!pg_conn_do(conn, "ROLLBACK TO SAVEPOINT leat",
				    "the rows cannot be written"))
				return false;
			continue;
		}
		if (!pg_conn_do(conn, "RELEASE SAVEPOINT leat", "the rows cannot be written"))
			return false;
	}
	return true;
}

/* All in a few statements, as long as nothing is refused. */
static enum outcome write_all(struct work *work)
{
	enum outcome outcome = WRITTEN;
	PGresult *why = NULL;

	for (size_t at = 0; at < work->items->count && outcome == WRITTEN;) {
		if (!gather(work, at, work->items->count - at, &at))
			return BROKEN;
		if (work->sink->rows.count > 0)
			outcome = send_rows(work, &why);
	}
	PQclear(why);
	return outcome;
}

/* Constraints that wait for the end of the transaction would refuse all of it. */
#define BEGIN "BEGIN; SET CONSTRAINTS ALL IMMEDIATE"

static bool write_transaction(struct work *work)
{
	struct pg_conn *conn = &work->sink->conn;
	enum outcome outcome;

	if (!pg_conn_do(conn, BEGIN, "the rows cannot be written"))
		return false;
	outcome = write_all(work);
	if (outcome == REFUSED) {
		/* What gather() has refused stays refused and counted. */
		work->counts.written = work->sink->sql.counts.written;
		work->counts.repeated = work->sink->sql.counts.repeated;
		outcome = pg_conn_do(conn, "ROLLBACK; " BEGIN, "the rows cannot be written") &&
					  write_parts(work)
				  ? WRITTEN
				  : BROKEN;
	}
	return outcome == WRITTEN && pg_conn_do(conn, "COMMIT", "the rows cannot be kept");
}

static bool connected(struct postgres_sink *sink, const struct sql_items *items)
{
	bool fresh;

	if (!pg_conn_open(&sink->conn, true, &fresh))
		return false;
	if (fresh)
		target_done(&sink->target);
	return sink->target.ready ||
	       target_ready(&sink->target, &sink->conn, &sink->sql, items, &sink->rows.row);
}

/* False: stage_fail() has spoken on the call. */
static bool write_items(struct postgres_sink *sink, const struct sql_items *items)
{
	struct work work = { .sink = sink, .items = items, .counts = sink->sql.counts };
	bool done;

	pg_conn_begin(&sink->conn, items->ctx);
	if (!connected(sink, items))
		return false;
	work.refused = calloc(items->count, sizeof(work.refused[0]));
	done = work.refused != NULL ? write_transaction(&work) : no_memory(&work);
	free(work.refused);
	sql_sink_count(&sink->sql, items, &work.counts, done);
	return done;
}

static enum stage_result postgres_run(void *instance, struct stage_ctx *ctx)
{
	struct postgres_sink *sink = instance;
	struct sql_items items = { .ctx = ctx, .count = 1 };
	uint64_t refused = sink->sql.counts.refused;

	if (!write_items(sink, &items) || sink->sql.counts.refused > refused)
		return STAGE_FAILED;
	return STAGE_OK;
}

static enum stage_result postgres_run_batch(void *instance, struct stage_ctx *ctx)
{
	struct sql_items items = sql_items_of_batch(ctx);

	return write_items(instance, &items) ? STAGE_OK : STAGE_FAILED;
}

static enum stage_result postgres_checkpoint(void *instance, struct stage_ctx *ctx)
{
	return sql_sink_checkpoint(&((struct postgres_sink *)instance)->sql, ctx);
}

static enum stage_result postgres_report(void *instance, struct stage_ctx *ctx)
{
	struct postgres_sink *sink = instance;

	pg_conn_close(&sink->conn);
	return sql_sink_report(&sink->sql, ctx);
}

STAGE(.name = "postgres", .version = "1.0.0",
	.summary = "Keep items as rows of a table in PostgreSQL", .kind = STAGE_SINK,
	.threads = STAGE_BLOCKING, .instance_size = sizeof(struct postgres_sink),
	.params = postgres_params, .open = postgres_open, .close = postgres_close,
	.run = postgres_run, .run_batch = postgres_run_batch, .batch_items = SQL_BATCH_ITEMS,
	.checkpoint = postgres_checkpoint, .report = postgres_report,
	.config_size = sizeof(struct pg_config), .config = pg_config_rows,
	.configure = pg_config_read, .unconfigure = pg_config_done);
