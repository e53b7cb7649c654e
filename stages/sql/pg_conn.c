#include "sql/pg_conn.h"

#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sql/text.h"

#define SLICE_MS 50 /* between two looks at stage_cancelled() */
#define GRACE_MS 5000

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void pg_conn_begin(struct pg_conn *conn, struct stage_ctx *ctx)
{
	conn->ctx = ctx;
}

void pg_conn_close(struct pg_conn *conn)
{
	PQfinish(conn->pg);
	conn->pg = NULL;
}

/* ---- waiting ---- */

/* Until the socket is ready; false after stage_fail(), with the connection closed. */
static bool wait_for(struct pg_conn *conn, short events, int64_t until_ms, const char *what)
{
	struct pollfd fd = { .fd = PQsocket(conn->pg), .events = events };

	while (fd.fd >= 0) {
		int64_t left = until_ms - now_ms();

		if (stage_cancelled(conn->ctx)) {
			stage_fail(conn->ctx, STAGE_TRANSIENT, "cancelled");
			break;
		}
		if (left <= 0) {
			stage_fail(conn->ctx, STAGE_TRANSIENT,
				"'%.80s' did not answer in time%s", conn->to->name, what);
			break;
		}
		if (poll(&fd, 1, (int)(left < SLICE_MS ? left : SLICE_MS)) > 0)
			return true;
	}
	if (fd.fd < 0)
		stage_fail(conn->ctx, STAGE_TRANSIENT, "the connection to '%.80s' was lost",
			conn->to->name);
	pg_conn_close(conn);
	return false;
}

static void lost(struct pg_conn *conn)
{
	stage_fail(conn->ctx, STAGE_TRANSIENT, "the connection to '%.80s' was lost",
		conn->to->name);
	pg_conn_close(conn);
}

PGresult *pg_conn_next(struct pg_conn *conn)
{
	int64_t until_ms = now_ms() + conn->timeout_ms;

	for (;;) {
		int unsent = PQflush(conn->pg);

		if (unsent < 0 || (unsent == 0 && !PQisBusy(conn->pg)))
			break; /* what the server said before the end is still to be read */
		if (!wait_for(conn, POLLIN | (unsent ? POLLOUT : 0), until_ms, ""))
			return NULL;
		if (!PQconsumeInput(conn->pg))
			break;
	}
	return PQgetResult(conn->pg);
}

/* A result that says that the server is gone. */
static bool is_lost(const struct pg_conn *conn, const PGresult *result)
{
	return PQstatus(conn->pg) == CONNECTION_BAD && *pg_result_state(result) == '\0';
}

PGresult *pg_conn_result(struct pg_conn *conn, int sent)
{
	PGresult *first, *more;

	if (!sent) {
		lost(conn);
		return NULL;
	}
	first = pg_conn_next(conn);
	if (conn->pg == NULL)
		return NULL;
	if (first == NULL || is_lost(conn, first)) {
		PQclear(first);
		lost(conn);
		return NULL;
	}
	while ((more = pg_conn_next(conn)) != NULL) {
		/* Of several statements the one that failed, else the last one. */
		if (pg_result_good(first)) {
			PQclear(first);
			first = more;
		} else {
			PQclear(more);
		}
		if (PQstatus(conn->pg) == CONNECTION_BAD)
			break;
	}
	if (conn->pg == NULL) {
		PQclear(first);
		return NULL;
	}
	return first;
}

/* ---- results ---- */

bool pg_result_good(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

const char *pg_result_state(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return state != NULL ? state : "";
}

/* By class, or the whole code. https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
bool pg_state_is_transient(const char *state)
{
	static const char *const transient[] = {
		"08",    /* connection */
		"40",    /* serialization failure, deadlock */
		"53",    /* disk full, out of memory, too many connections */
		"57",    /* cancelled, shut down, starting up */
		"58",    /* system error */
		"55P03", /* lock not available */
		"25P03", /* idle in a transaction for too long */
		"25P04", /* the transaction took too long */
	};

	if (*state == '\0')
		return true;
	for (size_t i = 0; i < sizeof(transient) / sizeof(transient[0]); i++)
		if (strncmp(state, transient[i], strlen(transient[i])) == 0)
			return true;
	return false;
}

enum stage_result pg_result_fail(
	const PGresult *result, struct stage_ctx *ctx, const char *what)
{
	const char *state = pg_result_state(result);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	bool keyed = strcmp(state, "23505") == 0 || strcmp(state, "23503") == 0;

	/* Other details repeat the whole row. */
	return stage_fail(ctx, pg_state_is_transient(state) ? STAGE_TRANSIENT : STAGE_PERMANENT,
		"%s%s%s%s%s (%s)", what, *what != '\0' ? ": " : "",
		text != NULL ? text : "the server gave no reason",
		keyed && detail != NULL ? ": " : "", keyed && detail != NULL ? detail : "",
		state);
}

bool pg_conn_do(struct pg_conn *conn, const char *sql, const char *what)
{
	PGresult *result;
	bool good;

	if (sql == NULL) {
		stage_fail(conn->ctx, STAGE_TRANSIENT, "no memory");
		pg_conn_close(conn);
		return false;
	}
	result = pg_conn_result(conn, PQsendQuery(conn->pg, sql));
	if (result == NULL)
		return false;
	good = pg_result_good(result);
	if (!good) {
		pg_result_fail(result, conn->ctx, what);
		pg_conn_close(conn);
	}
	PQclear(result);
	return good;
}

/* ---- connecting ---- */

static void no_notice(void *memory, const char *text)
{
}

/* `FATAL:  28P01: text`, as the server says it when errors are verbose: where the state is. */
static const char *find_state(const char *text)
{
	for (const char *at = strchr(text, ':'); at != NULL; at = strchr(at + 1, ':')) {
		size_t len = 0;

		if (at[1] != ' ' || at[2] != ' ')
			continue;
		while (isupper((unsigned char)at[3 + len]) ||
			isdigit((unsigned char)at[3 + len]))
			len++;
		if (len == 5 && at[8] == ':')
			return at + 3;
	}
	return NULL;
}

/* One line, without what stands in quotes there: users, databases, hosts, paths. */
static void disclose(const char *text, char *to, size_t size)
{
	const char *failed = strstr(text, "failed: ");
	size_t len = 0;
	bool quoted = false;

	if (failed != NULL)
		text = failed + 8;
	for (; *text != '\0' && *text != '\n' && len + 5 < size; text++) {
		if (*text == '"') {
			quoted = !quoted;
			memcpy(to + len, "…", 3);
			len += quoted ? 3 : 0;
		} else if (!quoted) {
			to[len++] = *text;
		}
	}
	to[len] = '\0';
}

static void refuse(struct pg_conn *conn)
{
	const char *text = PQerrorMessage(conn->pg), *state = find_state(text);
	const char *password = conn->to->password;
	char code[6] = "", shown[200];
	bool permanent;

	disclose(state != NULL ? state + 7 : text, shown, sizeof(shown));
	if (password != NULL && *password != '\0' && strstr(shown, password) != NULL)
		*shown = '\0';
	if (state != NULL)
		memcpy(code, state, 5);
	permanent = state != NULL && !pg_state_is_transient(code);
	stage_fail(conn->ctx, permanent ? STAGE_PERMANENT : STAGE_TRANSIENT,
		"cannot connect to '%.80s': %s%s%s%s", conn->to->name, shown,
		*code != '\0' ? " (" : "", code, *code != '\0' ? ")" : "");
	pg_conn_close(conn);
}

static bool connect_to(struct pg_conn *conn)
{
	int64_t until_ms = now_ms() + conn->config->connect_timeout_ms;
	/* Before the dsn what it may change, behind it what it may not. */
	const char *const keys[] = { "fallback_application_name", "keepalives_idle",
		"tcp_user_timeout", "dbname", "client_encoding", "password", NULL };
	const char *const values[] = { "leat", "30", "60000", conn->to->dsn, "UTF8",
		conn->to->password, NULL };
	PostgresPollingStatusType step = PGRES_POLLING_WRITING;

	conn->pg = PQconnectStartParams(keys, values, 1);
	if (conn->pg == NULL) {
		stage_fail(conn->ctx, STAGE_TRANSIENT, "no memory");
		return false;
	}
	PQsetErrorVerbosity(conn->pg, PQERRORS_VERBOSE);
	PQsetNoticeProcessor(conn->pg, no_notice, NULL);
	while (PQstatus(conn->pg) != CONNECTION_BAD && step != PGRES_POLLING_OK &&
		step != PGRES_POLLING_FAILED) {
		if (!wait_for(conn, step == PGRES_POLLING_READING ? POLLIN : POLLOUT, until_ms,
			    " (connecting)"))
			return false;
		step = PQconnectPoll(conn->pg);
	}
	if (step == PGRES_POLLING_OK && PQsetnonblocking(conn->pg, 1) == 0)
		return true;
	refuse(conn);
	return false;
}

/* One way of writing dates and numbers, whatever the role's settings; and a server that sees
 * when its client is gone, and keeps what it has committed. */
static bool set_up(struct pg_conn *conn, bool server_timeout)
{
	struct stage_text sql = { 0 };
	bool done;

	stage_text_puts(&sql,
		"SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; "
		"SET extra_float_digits = 3; SET bytea_output = 'hex'; "
		"SET standard_conforming_strings = on; "
		"SET idle_in_transaction_session_timeout = 0; ");
	stage_text_format(&sql, "SET statement_timeout = %lld; ",
		server_timeout ? (long long)conn->config->statement_timeout_ms : 0);
	stage_text_puts(&sql, "SELECT set_config(name, '1s', false) FROM pg_settings "
			      "WHERE name = 'client_connection_check_interval'; "
			      "SELECT set_config(name, 'on', false) FROM pg_settings "
			      "WHERE name = 'synchronous_commit' AND setting = 'off'");
	done = pg_conn_do(conn, stage_text_end(&sql), "the session cannot be set up");
	stage_text_done(&sql);
	return done;
}

bool pg_conn_open(struct pg_conn *conn, bool server_timeout, bool *ret_fresh)
{
	if (conn->pg != NULL && PQstatus(conn->pg) != CONNECTION_BAD) {
		*ret_fresh = false;
		return true;
	}
	pg_conn_close(conn);
	/* Where the server holds the time, too, it has the first word. */
	conn->timeout_ms = conn->config->statement_timeout_ms + (server_timeout ? GRACE_MS : 0);
	*ret_fresh = true;
	return connect_to(conn) && set_up(conn, server_timeout);
}
