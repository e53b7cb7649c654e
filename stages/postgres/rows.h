/*
 * rows: the values of some items as the parameters of a target's statement: for each column
 * the text of an array, {"a","b",NULL}.
 */
#ifndef LEAT_POSTGRES_ROWS_H
#define LEAT_POSTGRES_ROWS_H

#include "target.h"

#define ROWS_BYTES (8u << 20) /* rows enough for one statement */

struct rows {
	struct stage_text *columns; /* one a parameter */
	const char **params;        /* the same, ended: after rows_end() */
	size_t count, capacity;
	size_t bytes;
	struct sql_row row;
	struct stage_text scratch;
};

void rows_done(struct rows *rows);
/* Begin again, for that target. False without memory. */
bool rows_begin(struct rows *rows, const struct target *target);
/* One more. False: the item is refused, stage_fail() has spoken on it, and rows are as before.
 */
bool rows_add(struct rows *rows, const struct target *target, enum sql_extra extra,
	struct stage_ctx *item);
/* False without memory. */
bool rows_end(struct rows *rows, const struct target *target);

#endif
