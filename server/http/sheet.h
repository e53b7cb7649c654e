/*
 * sheet: values of a job as rows of CSV.
 *
 * The columns are those that were asked for, or the members of the first value, in its order.
 * A later value's member that is no column is left out and counted; where it has none of a
 * column the cell is empty. What is no object is taken for {"value": …}.
 *
 * Thread: any.
 */
#ifndef LEAT_HTTP_SHEET_H
#define LEAT_HTTP_SHEET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "stages/stage_slice.h"

#define SHEET_COLUMNS_MAX 4096

struct sheet_column {
	uint32_t at, len; /* in names */
};

struct sheet {
	bool header; /* write a line with the names first */
	bool guard;  /* cells that look like formulas get a ' in front */
	bool begun;
	struct buf names;
	struct sheet_column *columns;
	uint32_t *sorted; /* by name */
	struct stage_slice *cells;
	uint32_t count;
	uint64_t left_out; /* members without a column */
	struct buf scratch;
};

void sheet_done(struct sheet *sheet);
/* The columns, a line of CSV. ERR_BAD_QUERY, ERR_NO_MEMORY. */
int sheet_columns(struct sheet *sheet, const char *fields, struct error *err);
/* What stands before the first row: the header, if the columns are known. */
int sheet_begin(struct sheet *sheet, struct buf *to);
/* One JSON text as a row; -1 without memory. */
int sheet_row(struct sheet *sheet, const char *json, size_t len, struct buf *to);

#endif
