/*
 * cursor: where a query that is a source stands.
 *
 *	saved: {"rows": how many were emitted, "key": the last one's key (with a key column)}
 *
 * It is committed with the rows that it stands behind. A run of the source first asks whether
 * its open query still stands where the cursor does (after a run that came to nothing it does
 * not), and else begins the query again from the cursor.
 */
#ifndef LEAT_SQL_CURSOR_H
#define LEAT_SQL_CURSOR_H

#include <yyjson.h>

#include "sql/text.h"
#include "stage.h"

struct sql_cursor {
	uint64_t rows;
	struct stage_text key;  /* JSON, empty: none */
	struct stage_text said; /* what was saved last */
};

void sql_cursor_done(struct sql_cursor *cursor);
/* Does the saved state say what this cursor said last? */
bool sql_cursor_holds(const struct sql_cursor *cursor, struct stage_ctx *ctx);
/* Go to where the saved state says. False: stage_fail() has spoken. */
bool sql_cursor_load(struct sql_cursor *cursor, struct stage_ctx *ctx);
enum stage_result sql_cursor_save(struct sql_cursor *cursor, struct stage_ctx *ctx);

/* ---- what both queries need for their rows ---- */

#define SQL_RUN_BYTES (256u << 10) /* a run ends behind this, whatever the room in items */

/* A JSON string; bytes that are no UTF-8 become U+FFFD. */
void sql_text_json(struct stage_text *text, const char *bytes, size_t len);

/* The parameter `params` of a query: an array (by position) or an object (by name), parsed.
 * NULL: none, or stage_fail() has spoken (*ret_done is false). */
yyjson_doc *sql_params_read(
	const char *json, bool named, struct stage_ctx *ctx, bool *ret_done);

#endif
