/*
 * pg_conn: a connection to PostgreSQL that never waits longer than somebody wants it to.
 *
 * Every wait ends by the server's answer, the end of the time for it, or stage_cancelled().
 * Whatever ends otherwise than by an answer closes the connection; the server, which looks
 * once a second whether its client is there, then gives up the statement, and with it the
 * transaction.
 *
 *	call begins ─► pg_conn_begin(ctx) ─► pg_conn_open ─► pg_conn_send… ─► pg_conn_next …
 *
 * Failures go to the ctx of the call. What may be different at the next attempt is transient: a
 * lost connection, a server that starts or stops, a full disk, a deadlock, a timeout.
 */
#ifndef LEAT_SQL_PG_CONN_H
#define LEAT_SQL_PG_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "sql/pg_config.h"
#include "stage.h"

struct pg_conn {
	const struct pg_config *config;
	const struct pg_connection *to;
	struct stage_ctx *ctx; /* of the call under way */
	int64_t timeout_ms;    /* for one answer */
	PGconn *pg;            /* NULL: closed */
};

/* A call begins. */
void pg_conn_begin(struct pg_conn *conn, struct stage_ctx *ctx);
/* Connect unless it is. Fresh: *ret_fresh, so what the session knew is gone. False:
 * stage_fail() has spoken. `server_timeout`: the server, too, ends statements by time. */
bool pg_conn_open(struct pg_conn *conn, bool server_timeout, bool *ret_fresh);
void pg_conn_close(struct pg_conn *conn);

/* The next result of what was sent. NULL: no more; or lost, and conn->pg is NULL then, after
 * stage_fail(). Owner: the caller. */
PGresult *pg_conn_next(struct pg_conn *conn);
/* The only result of what was sent: `sent` is what PQsend…() has returned. NULL: lost, after
 * stage_fail(). Owner: the caller. */
PGresult *pg_conn_result(struct pg_conn *conn, int sent);
/* Run SQL without parameters; false: stage_fail() has spoken, the connection is closed. */
bool pg_conn_do(struct pg_conn *conn, const char *sql, const char *what);

/* Did the server do it? */
bool pg_result_good(const PGresult *result);
/* The SQLSTATE, "" where there is none. */
const char *pg_result_state(const PGresult *result);
bool pg_state_is_transient(const char *state);
/* stage_fail() on ctx with the server's reason. */
enum stage_result pg_result_fail(
	const PGresult *result, struct stage_ctx *ctx, const char *what);

#endif
