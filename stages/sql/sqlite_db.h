/*
 * sqlite_db: one open database file, and what may be done with it.
 *
 * Everything that can take long ends early: waiting for another program's lock when the time
 * for that is over, a query when its time is over, and both when nobody wants the items any
 * more. Errors become failures: what lies in the row or the schema is permanent, what lies in
 * the disk, in locks and in memory is transient.
 */
#ifndef LEAT_SQL_SQLITE_DB_H
#define LEAT_SQL_SQLITE_DB_H

#include <sqlite3.h>

#include "sql/sqlite_config.h"
#include "stage.h"

struct sqlite_db {
	sqlite3 *handle;       /* NULL: closed */
	struct stage_ctx *ctx; /* of the call under way */
	int64_t busy_timeout_ms;
	uint64_t until_ns; /* when the call under way is out of time; 0: never */
	bool out_of_time;
};

/* Read only: nothing but SELECT, and none of it can leave the file. False: stage_fail() has
 * spoken. `ret_created`: there was no such file; NULL when read only. */
bool sqlite_db_open(struct sqlite_db *db, const struct sqlite_config *config,
	const char *folder, const char *file, bool read_only, struct stage_ctx *ctx);
void sqlite_db_close(struct sqlite_db *db);
/* A call begins: its ctx, and how long it may take in all (0: without end). */
void sqlite_db_begin(struct sqlite_db *db, struct stage_ctx *ctx, int64_t timeout_ms);

/* Is it the row, or the schema, that is wrong? Else the same may succeed later. */
bool sqlite_db_is_permanent(int code);
/* stage_fail() with SQLite's reason, on `ctx`. */
enum stage_result sqlite_db_fail(struct sqlite_db *db, struct stage_ctx *ctx, const char *what);
/* Run one statement without results; false: sqlite_db_fail() has spoken on the call's ctx. */
bool sqlite_db_do(struct sqlite_db *db, const char *sql, const char *what);
/* NULL: sqlite_db_fail() has spoken on the call's ctx. `sql` may be NULL: no memory. */
sqlite3_stmt *sqlite_db_prepare(struct sqlite_db *db, const char *sql, const char *what);

#endif
