#include "http/sheet.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "stages/stage_csv_field.h"
#include "stages/stage_csv_write.h"
#include "stages/stage_write.h"

void sheet_done(struct sheet *sheet)
{
	buf_done(&sheet->names);
	buf_done(&sheet->scratch);
	mem_free(sheet->columns);
	mem_free(sheet->sorted);
	mem_free(sheet->cells);
	sheet->columns = NULL;
	sheet->sorted = NULL;
	sheet->cells = NULL;
	sheet->count = 0;
}

/* ---- columns ---- */

static int make_room(struct sheet *sheet)
{
	if (sheet->cells != NULL)
		return 0;
	mem_free(sheet->columns); /* of an attempt that failed */
	mem_free(sheet->sorted);
	sheet->columns = mem_alloc(SHEET_COLUMNS_MAX * sizeof(*sheet->columns));
	sheet->sorted = mem_alloc(SHEET_COLUMNS_MAX * sizeof(*sheet->sorted));
	sheet->cells = mem_alloc(SHEET_COLUMNS_MAX * sizeof(*sheet->cells));
	return sheet->columns == NULL || sheet->sorted == NULL || sheet->cells == NULL ? -1 : 0;
}

static int compare(const struct sheet *sheet, uint32_t column, const char *name, size_t len)
{
	const struct sheet_column *is = &sheet->columns[column];
	int order = memcmp(sheet->names.data + is->at, name, MIN((size_t)is->len, len));

	return order != 0 ? order : (is->len > len) - (is->len < len);
}

/* Where in `sorted` the name stands, or would. */
static uint32_t find(const struct sheet *sheet, const char *name, size_t len, bool *ret_found)
{
	uint32_t low = 0, high = sheet->count;

	*ret_found = false;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = compare(sheet, sheet->sorted[middle], name, len);

		if (order == 0) {
			*ret_found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

enum added { ADDED, KNOWN_ALREADY, TOO_MANY, ADD_NOMEM };

static enum added add_column(struct sheet *sheet, const char *name, size_t len)
{
	size_t at = sheet->names.len;
	uint32_t place;
	bool found;

	/* One byte more, so that there is memory to compare with even if it is empty. */
	if (make_room(sheet) < 0 || buf_append(&sheet->names, name, len) < 0 ||
		buf_append(&sheet->names, "", 1) < 0)
		return ADD_NOMEM;
	name = sheet->names.data + at;
	place = find(sheet, name, len, &found);
	if (found || sheet->count == SHEET_COLUMNS_MAX || sheet->names.len > UINT32_MAX) {
		sheet->names.len = at;
		return found ? KNOWN_ALREADY : TOO_MANY;
	}
	memmove(sheet->sorted + place + 1, sheet->sorted + place,
		(sheet->count - place) * sizeof(*sheet->sorted));
	sheet->sorted[place] = sheet->count;
	sheet->columns[sheet->count++] = (struct sheet_column){ (uint32_t)at, (uint32_t)len };
	return ADDED;
}

/* A field of CSV without its doubled quotes, in scratch. */
static int undouble(struct sheet *sheet, const struct stage_csv_field *field)
{
	buf_clear(&sheet->scratch);
	for (size_t i = 0; i < field->len; i++) {
		if (buf_append(&sheet->scratch, field->at + i, 1) < 0)
			return -1;
		i += field->quoted && field->at[i] == '"';
	}
	return 0;
}

int sheet_columns(struct sheet *sheet, const char *fields, struct error *err)
{
	const char *at = fields, *end = fields + strlen(fields);
	struct stage_csv_field field;

	for (;; at++) {
		if (stage_csv_field_(&at, end, ',', &field) != STAGE_CSV_FIELD)
			return error_set(err, ERR_BAD_QUERY, "a quote in it is wrong");
		if (undouble(sheet, &field) < 0)
			return error_no_memory(err);
		switch (add_column(sheet, sheet->scratch.data, sheet->scratch.len)) {
		case ADDED:
			break;
		case KNOWN_ALREADY:
			return error_set(err, ERR_BAD_QUERY, "names '%.*s' twice",
				(int)MIN(sheet->scratch.len, (size_t)80), sheet->scratch.data);
		case TOO_MANY:
			return error_set(err, ERR_BAD_QUERY, "names more than %d columns",
				SHEET_COLUMNS_MAX);
		case ADD_NOMEM:
			return error_no_memory(err);
		}
		if (at == end)
			return 0;
	}
}

/* The text of a member's name; at NULL: no memory. */
static struct stage_slice name_text(struct sheet *sheet, struct stage_slice name)
{
	if (!stage_slice_has_escapes(name))
		return (struct stage_slice){ name.at + 1, name.len - 2 };
	buf_clear(&sheet->scratch);
	if (buf_reserve(&sheet->scratch, name.len + 1) < 0)
		return (struct stage_slice){ NULL, 0 };
	return (struct stage_slice){ sheet->scratch.data,
		stage_slice_unescape(name, sheet->scratch.data) };
}

static int columns_of(struct sheet *sheet, struct stage_slice value)
{
	struct stage_slice name, member;
	struct stage_walk walk;

	if (!stage_walk_open(&walk, value, '{'))
		return add_column(sheet, "value", 5) == ADD_NOMEM ? -1 : 0;
	while (stage_walk_member(&walk, &name, &member)) {
		name = name_text(sheet, name);
		if (name.at == NULL || add_column(sheet, name.at, name.len) == ADD_NOMEM)
			return -1;
	}
	return 0;
}

/* ---- rows ---- */

/* A name is no value, but a program for tables does not know that. */
static char *put_name(const struct sheet *sheet, uint32_t i, char *to)
{
	const char *name = sheet->names.data + sheet->columns[i].at;
	size_t len = sheet->columns[i].len;

	if (sheet->guard && stage_csv_is_formula(name, len))
		*to++ = '\'';
	return stage_csv_put_text(to, name, len, ',');
}

static int write_header(struct sheet *sheet, struct buf *to)
{
	char *at;

	sheet->begun = true;
	if (!sheet->header || sheet->count == 0)
		return 0;
	for (uint32_t i = 0; i < sheet->count; i++) {
		const struct sheet_column *column = &sheet->columns[i];

		if (buf_reserve(to, STAGE_CSV_CELL_MAX((size_t)column->len) + 2) < 0)
			return -1;
		at = to->data + to->len;
		at = put_name(sheet, i, at);
		*at++ = i + 1 < sheet->count ? ',' : '\r';
		to->len = (size_t)(at - to->data);
	}
	return buf_append(to, "\n", 1);
}

int sheet_begin(struct sheet *sheet, struct buf *to)
{
	return sheet->count > 0 ? write_header(sheet, to) : 0;
}

static void set_cell(struct sheet *sheet, uint32_t column, struct stage_slice value)
{
	if (sheet->cells[column].at == NULL) /* of a name that stands twice the first counts */
		sheet->cells[column] = value;
}

/* Mostly the members stand in the order of the columns: `*next` is tried first. */
static int place_member(
	struct sheet *sheet, struct stage_slice name, struct stage_slice value, uint32_t *next)
{
	bool found;
	uint32_t place;

	name = name_text(sheet, name);
	if (name.at == NULL)
		return -1;
	if (*next < sheet->count && compare(sheet, *next, name.at, name.len) == 0) {
		set_cell(sheet, (*next)++, value);
		return 0;
	}
	place = find(sheet, name.at, name.len, &found);
	if (!found) {
		sheet->left_out++;
		return 0;
	}
	*next = sheet->sorted[place];
	set_cell(sheet, (*next)++, value);
	return 0;
}

static int place_members(struct sheet *sheet, struct stage_slice value)
{
	static const struct stage_slice whole = { "\"value\"", 7 };
	struct stage_slice name, member;
	struct stage_walk walk;
	uint32_t next = 0;

	memset(sheet->cells, 0, sheet->count * sizeof(*sheet->cells));
	if (!stage_walk_open(&walk, value, '{'))
		return place_member(sheet, whole, value, &next);
	while (stage_walk_member(&walk, &name, &member))
		if (place_member(sheet, name, member, &next) < 0)
			return -1;
	return 0;
}

/* A row of one empty cell would be a blank line. */
static bool is_blank(const struct sheet *sheet)
{
	return sheet->count == 1 && (sheet->cells[0].at == NULL || *sheet->cells[0].at == 'n');
}

static int write_cells(struct sheet *sheet, struct buf *to)
{
	size_t most = 4;
	char *at;

	for (uint32_t i = 0; i < sheet->count; i++)
		most += STAGE_CSV_CELL_MAX(sheet->cells[i].len) + 1;
	if (buf_reserve(to, most) < 0)
		return -1;
	at = to->data + to->len;
	if (is_blank(sheet))
		at = stage_put(at, "\"\"", 2);
	for (uint32_t i = 0; i < sheet->count; i++) {
		if (i > 0)
			*at++ = ',';
		at = stage_csv_put_value(at, sheet->cells[i], ',', sheet->guard);
	}
	at = stage_put(at, "\r\n", 2);
	to->len = (size_t)(at - to->data);
	return 0;
}

int sheet_row(struct sheet *sheet, const char *json, size_t len, struct buf *to)
{
	const char *begin = stage_skip_blanks(json);
	struct stage_slice value = { begin, len - (size_t)(begin - json) };

	while (value.len > 0 && stage_is_blank(value.at[value.len - 1]))
		value.len--;
	if (sheet->count == 0 && columns_of(sheet, value) < 0)
		return -1;
	if (sheet->count == 0) {
		sheet->left_out++; /* {}: there is no column yet */
		return 0;
	}
	if (!sheet->begun && write_header(sheet, to) < 0)
		return -1;
	return place_members(sheet, value) < 0 ? -1 : write_cells(sheet, to);
}
