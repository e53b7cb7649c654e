#include "sql/sqlite_db.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define VALUE_MAX (256 << 20) /* one text or blob of a query */
#define STEP_OPS  2000        /* instructions between two looks at the clock */
#define NS_PER_MS 1000000u
#define BUSY_MS   20

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- what ends early ---- */

/* Another program holds the lock; SQLite tells nobody when it is let go, so ask again soon. */
static int busy(void *memory, int tries)
{
	struct sqlite_db *db = memory;

	if (stage_cancelled(db->ctx) || (int64_t)tries * BUSY_MS >= db->busy_timeout_ms)
		return 0;
	usleep(BUSY_MS * 1000);
	return 1;
}

static int progress(void *memory)
{
	struct sqlite_db *db = memory;

	if (db->until_ns != 0 && now_ns() > db->until_ns)
		db->out_of_time = true;
	return db->out_of_time || stage_cancelled(db->ctx);
}

void sqlite_db_begin(struct sqlite_db *db, struct stage_ctx *ctx, int64_t timeout_ms)
{
	db->ctx = ctx;
	db->out_of_time = false;
	db->until_ns = timeout_ms > 0 ? now_ns() + (uint64_t)timeout_ms * NS_PER_MS : 0;
}

/* ---- what a query may do ---- */

static int authorize(void *memory, int action, const char *first, const char *second,
	const char *database, const char *trigger)
{
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		return strcasecmp(second, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
	default:
		return SQLITE_DENY;
	}
}

static void restrict_to_reading(struct sqlite_db *db)
{
	sqlite3_set_authorizer(db->handle, authorize, db);
	sqlite3_limit(db->handle, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(db->handle, SQLITE_LIMIT_LENGTH, VALUE_MAX);
	sqlite3_limit(db->handle, SQLITE_LIMIT_WORKER_THREADS, 0);
}

/* ---- open and close ---- */

void sqlite_db_close(struct sqlite_db *db)
{
	sqlite3_close_v2(db->handle);
	db->handle = NULL;
}

static bool limit_size(struct sqlite_db *db, int64_t max_bytes)
{
	sqlite3_stmt *stmt;
	int64_t page = 4096;
	char sql[64];

	if (max_bytes == 0)
		return true;
	stmt = sqlite_db_prepare(db, "PRAGMA page_size", "the database cannot be read");
	if (stmt == NULL)
		return false;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		page = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_snprintf(sizeof(sql), sql, "PRAGMA max_page_count=%lld",
		(sqlite3_int64)(max_bytes / page > 0 ? max_bytes / page : 1));
	return sqlite_db_do(db, sql, "the database cannot be limited");
}

static bool set_up(struct sqlite_db *db, const struct sqlite_config *config, bool read_only)
{
	sqlite3_extended_result_codes(db->handle, 1);
	sqlite3_busy_handler(db->handle, busy, db);
	sqlite3_progress_handler(db->handle, STEP_OPS, progress, db);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	/* A name that is no column is a mistake, not a text. */
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	if (read_only) {
		restrict_to_reading(db);
		return true;
	}
	return limit_size(db, config->max_bytes);
}

bool sqlite_db_open(struct sqlite_db *db, const struct sqlite_config *config,
	const char *folder, const char *file, bool read_only, struct stage_ctx *ctx)
{
	int flags =
		SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
		(read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	char *path = sqlite_config_path(config, folder, file, ctx);
	int code;

	if (path == NULL)
		return false;
	sqlite_db_begin(db, ctx, 0);
	db->busy_timeout_ms = config->busy_timeout_ms;
	code = sqlite3_open_v2(path, &db->handle, flags, NULL);
	free(path);
	if (code != SQLITE_OK) {
		sqlite_db_fail(db, ctx, "the database cannot be opened");
	} else if (set_up(db, config, read_only)) {
		return true;
	}
	sqlite_db_close(db);
	return false;
}

/* ---- statements ---- */

/* SQLITE_SCHEMA is not among them: SQLite itself has tried again by then, and it says so of a
 * statement that is wrong before it has read the schema. */
bool sqlite_db_is_permanent(int code)
{
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_NOMEM:
	case SQLITE_INTERRUPT:
	case SQLITE_IOERR:
	case SQLITE_FULL:
	case SQLITE_PROTOCOL:
		return false;
	default:
		return true;
	}
}

enum stage_result sqlite_db_fail(struct sqlite_db *db, struct stage_ctx *ctx, const char *what)
{
	int code = sqlite3_extended_errcode(db->handle);
	const char *more = "";

	if (db->out_of_time)
		return stage_fail(
			ctx, STAGE_PERMANENT, "%s: it took longer than timeout_ms", what);
	if ((code & 0xff) == SQLITE_BUSY)
		return stage_fail(ctx, STAGE_TRANSIENT,
			"%s: another program has locked the database", what);
	if (((code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_IOERR) &&
		sqlite3_system_errno(db->handle) != 0)
		more = strerror(sqlite3_system_errno(db->handle));
	return stage_fail(ctx, sqlite_db_is_permanent(code) ? STAGE_PERMANENT : STAGE_TRANSIENT,
		"%s: %s%s%s", what, sqlite3_errmsg(db->handle), *more != '\0' ? ": " : "",
		more);
}

bool sqlite_db_do(struct sqlite_db *db, const char *sql, const char *what)
{
	if (sql == NULL) {
		stage_fail(db->ctx, STAGE_TRANSIENT, "no memory");
		return false;
	}
	if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK)
		return true;
	sqlite_db_fail(db, db->ctx, what);
	return false;
}

sqlite3_stmt *sqlite_db_prepare(struct sqlite_db *db, const char *sql, const char *what)
{
	sqlite3_stmt *stmt = NULL;

	if (sql == NULL) {
		stage_fail(db->ctx, STAGE_TRANSIENT, "no memory");
		return NULL;
	}
	if (sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL) != SQLITE_OK)
		sqlite_db_fail(db, db->ctx, what);
	return stmt;
}
