/*
 * row: one item as the values of its columns.
 *
 *	item's text ──► sql_row_read ──► values[column]: where in the item its value stands
 *
 * Numbers keep their text, so that a decimal reaches the database with all its digits. The
 * memory of the last item is used again for the next one; beyond SQL_ROW_KEEP it is given back.
 */
#ifndef LEAT_SQL_ROW_H
#define LEAT_SQL_ROW_H

#include "sql/columns.h"
#include "sql/text.h"
#include "stage.h"

#define SQL_ROW_KEEP (1u << 20)

/* What becomes of members that no column is for. */
enum sql_extra { SQL_EXTRA_FAIL, SQL_EXTRA_IGNORE, SQL_EXTRA_COLUMN };

struct sql_row {
	yyjson_doc *doc;
	yyjson_val *root;
	yyjson_val **values; /* one a column; NULL: absent */
	size_t capacity;
	struct stage_text
		extra; /* of SQL_EXTRA_COLUMN: a JSON object, empty: there were none */
	void *pool;
	size_t pool_size;
	bool no_memory; /* why it could not be read: the item is not to blame */
};

void sql_row_done(struct sql_row *row);
/* The item as a tree. False: stage_fail() has spoken on ctx. */
bool sql_row_parse(struct sql_row *row, struct stage_ctx *ctx);
/* And its values. Nothing of it stays behind the next one. */
bool sql_row_read(struct sql_row *row, const struct sql_columns *columns, enum sql_extra extra,
	struct stage_ctx *ctx);

/* The text that a value is written as: of a string its characters, of all else JSON. `scratch`
 * holds it where it does not stand in the item; NULL without memory. */
const char *sql_value_text(
	yyjson_val *value, bool json, struct stage_text *scratch, size_t *ret_len);

#endif
