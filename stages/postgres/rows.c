#include "rows.h"

#include <stdlib.h>
#include <string.h>

void rows_done(struct rows *rows)
{
	for (size_t i = 0; i < rows->capacity; i++)
		stage_text_done(&rows->columns[i]);
	free(rows->columns);
	free(rows->params);
	sql_row_done(&rows->row);
	stage_text_done(&rows->scratch);
	*rows = (struct rows){ 0 };
}

bool rows_begin(struct rows *rows, const struct target *target)
{
	if (target->params > rows->capacity) {
		rows_done(rows);
		rows->columns = calloc(target->params, sizeof(rows->columns[0]));
		rows->params = calloc(target->params, sizeof(rows->params[0]));
		if (rows->columns == NULL || rows->params == NULL) {
			free(rows->columns);
			free(rows->params);
			*rows = (struct rows){ 0 };
			return false;
		}
		rows->capacity = target->params;
	}
	for (size_t i = 0; i < target->params; i++) {
		stage_text_clear(&rows->columns[i], SQL_ROW_KEEP);
		stage_text_put(&rows->columns[i], "{", 1);
	}
	rows->count = rows->bytes = 0;
	return true;
}

/* ---- elements of array texts ---- */

/* In quotes, with what would end them escaped. */
static void put_quoted(struct stage_text *to, const char *text, size_t len)
{
	char *at = stage_text_room(to, 2 * len + 2), *begin = at;

	if (at == NULL)
		return;
	*at++ = '"';
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\')
			*at++ = '\\';
		*at++ = text[i];
	}
	*at++ = '"';
	stage_text_took(to, (size_t)(at - begin));
}

/* A JSON array as the text of an array: {1,"a",NULL,{2}}. False: a text holds a NUL. */
static bool put_array(struct stage_text *to, yyjson_val *array, struct stage_text *scratch)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(array);
	yyjson_val *value;
	bool first = true, good = true;

	stage_text_put(to, "{", 1);
	while (good && (value = yyjson_arr_iter_next(&iter)) != NULL) {
		const char *text;
		size_t len;

		stage_text_put(to, ",", first ? 0 : 1);
		first = false;
		if (yyjson_is_null(value)) {
			stage_text_puts(to, "NULL");
			continue;
		}
		if (yyjson_is_arr(value)) {
			good = put_array(to, value, scratch);
			continue;
		}
		text = sql_value_text(value, false, scratch, &len);
		to->no_memory |= text == NULL;
		good = text == NULL || memchr(text, '\0', len) == NULL;
		if (text != NULL && good)
			put_quoted(to, text, len);
	}
	stage_text_put(to, "}", 1);
	return good;
}

/* What is wrong with the value, NULL when nothing is. */
static const char *put_value(struct rows *rows, struct stage_text *to,
	const struct sql_column *column, yyjson_val *value)
{
	struct stage_text array = { 0 };
	const char *text, *mistake = NULL;
	size_t len;

	stage_text_put(to, ",", rows->count == 0 ? 0 : 1);
	if (value == NULL || yyjson_is_null(value)) {
		stage_text_puts(to, "NULL");
		return NULL;
	}
	if (column->type == SQL_ARRAY && yyjson_is_arr(value)) {
		if (!put_array(&array, value, &rows->scratch))
			mistake = "a text of PostgreSQL cannot hold \\u0000";
		text = stage_text_end(&array);
		len = array.len;
	} else {
		text = sql_value_text(value, column->type == SQL_JSON, &rows->scratch, &len);
		if (text != NULL && memchr(text, '\0', len) != NULL)
			mistake = "a text of PostgreSQL cannot hold \\u0000";
	}
	if (text != NULL && mistake == NULL)
		put_quoted(to, text, len);
	else if (mistake == NULL)
		to->no_memory = true;
	stage_text_done(&array);
	return mistake;
}

/* ---- rows ---- */

/* The values of leat's own columns. */
static void put_own(struct rows *rows, const struct target *target, struct stage_ctx *item)
{
	const struct stage_text *extra = &rows->row.extra;
	struct stage_text *to;

	if (target->item_at != 0) {
		const char *id = stage_item_id(item);

		to = &rows->columns[target->item_at - 1];
		stage_text_put(to, ",", rows->count == 0 ? 0 : 1);
		put_quoted(to, id, strlen(id));
	}
	if (target->extra_at != 0) {
		to = &rows->columns[target->extra_at - 1];
		stage_text_put(to, ",", rows->count == 0 ? 0 : 1);
		if (extra->len == 0)
			stage_text_puts(to, "NULL");
		else
			put_quoted(to, extra->at, extra->len);
	}
}

/* The first `columns` have a piece of a row that is not to be: take it away, by what the
 * length was. */
static void take_back(struct rows *rows, size_t columns, const size_t *lengths)
{
	for (size_t i = 0; i < columns; i++)
		rows->columns[i].len = lengths[i];
}

bool rows_add(struct rows *rows, const struct target *target, enum sql_extra extra,
	struct stage_ctx *item)
{
	size_t lengths[SQL_COLUMNS_MAX * 2], count = target->columns.count, len;
	const char *mistake = NULL;

	if (count > SQL_COLUMNS_MAX * 2) /* more than a table of PostgreSQL has */
		return stage_fail(item, STAGE_PERMANENT, "the table has too many columns"),
		       false;
	if (!sql_row_read(&rows->row, &target->columns, extra, item))
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct sql_column *column = &target->columns.list[i];

		lengths[i] = rows->columns[i].len;
		mistake = put_value(rows, &rows->columns[i], column, rows->row.values[i]);
		if (mistake == NULL)
			continue;
		take_back(rows, i + 1, lengths);
		stage_fail(item, STAGE_PERMANENT, "column '%.80s': %s", column->name, mistake);
		return false;
	}
	put_own(rows, target, item);
	stage_input(item, &len);
	rows->bytes += len + 64;
	rows->count++;
	return true;
}

bool rows_end(struct rows *rows, const struct target *target)
{
	for (size_t i = 0; i < target->params; i++) {
		stage_text_put(&rows->columns[i], "}", 1);
		rows->params[i] = stage_text_end(&rows->columns[i]);
		if (rows->params[i] == NULL)
			return false;
	}
	return true;
}
