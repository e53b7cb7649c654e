#include "sql/row.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void sql_row_done(struct sql_row *row)
{
	yyjson_doc_free(row->doc);
	stage_text_done(&row->extra);
	free(row->values);
	free(row->pool);
	*row = (struct sql_row){ 0 };
}

/* ---- the tree ---- */

static bool no_memory(struct sql_row *row, struct stage_ctx *ctx)
{
	row->no_memory = true;
	stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	return false;
}

/* Memory for the tree in one piece, from the last time where that was enough. */
static bool pool_ready(struct sql_row *row, size_t size)
{
	if (size <= row->pool_size)
		return true;
	free(row->pool);
	row->pool = malloc(size);
	row->pool_size = row->pool != NULL ? size : 0;
	return row->pool != NULL;
}

bool sql_row_parse(struct sql_row *row, struct stage_ctx *ctx)
{
	size_t len;
	const char *text = stage_input(ctx, &len);
	size_t size = yyjson_read_max_memory_usage(len, YYJSON_READ_NUMBER_AS_RAW);
	yyjson_alc alc, *with = NULL; /* NULL is yyjson's word for malloc */
	yyjson_read_err err = { 0 };

	yyjson_doc_free(row->doc);
	row->doc = NULL;
	row->no_memory = false;
	if (row->capacity > 0) /* they stood in what is gone now */
		memset(row->values, 0, row->capacity * sizeof(row->values[0]));
	if (size <= SQL_ROW_KEEP) {
		if (!pool_ready(row, size) || !yyjson_alc_pool_init(&alc, row->pool, size))
			return no_memory(row, ctx);
		with = &alc;
	}
	/* The text is only read: no flag asks for parsing in place. */
	row->doc = yyjson_read_opts(
		(char *)(uintptr_t)text, len, YYJSON_READ_NUMBER_AS_RAW, with, &err);
	row->root = yyjson_doc_get_root(row->doc);
	row->no_memory = err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION;
	if (row->doc == NULL)
		stage_fail(ctx, STAGE_TRANSIENT, "the item cannot be read: %s", err.msg);
	else if (with != NULL)
		row->doc = NULL; /* it lies in the pool, and there is nothing to free */
	return row->root != NULL;
}

/* ---- values ---- */

const char *sql_value_text(
	yyjson_val *value, bool json, struct stage_text *scratch, size_t *ret_len)
{
	yyjson_write_err err;
	char *text;

	if (yyjson_is_raw(value)) {
		*ret_len = yyjson_get_len(value);
		return yyjson_get_raw(value);
	}
	if (yyjson_is_str(value) && !json) {
		*ret_len = yyjson_get_len(value);
		return yyjson_get_str(value);
	}
	text = yyjson_val_write_opts(value, YYJSON_WRITE_NOFLAG, NULL, ret_len, &err);
	if (text == NULL)
		return NULL;
	scratch->len = 0;
	stage_text_put(scratch, text, *ret_len);
	free(text);
	return stage_text_end(scratch);
}

static void put_extra(struct sql_row *row, yyjson_val *name, yyjson_val *value)
{
	struct stage_text scratch = { 0 };
	size_t len;
	const char *text = sql_value_text(name, true, &scratch, &len);

	stage_text_put(&row->extra, row->extra.len == 0 ? "{" : ",", 1);
	if (text != NULL) {
		stage_text_put(&row->extra, text, len);
		stage_text_put(&row->extra, ":", 1);
		text = sql_value_text(value, true, &scratch, &len);
	}
	if (text != NULL)
		stage_text_put(&row->extra, text, len);
	row->extra.no_memory |= text == NULL;
	stage_text_done(&scratch);
}

/* Does a column take something out of the member? */
static bool is_reached(const struct sql_columns *columns, const char *name, size_t len)
{
	for (size_t i = 0; i < columns->count; i++) {
		const char *from = columns->list[i].from;

		/* A name with ~ or / in it is escaped in a pointer: rare enough to be let pass.
		 */
		if (from != NULL && (*from == '\0' || memchr(name, '~', len) != NULL ||
					    memchr(name, '/', len) != NULL))
			return true;
		if (from != NULL && strncmp(from + 1, name, len) == 0 &&
			(from[1 + len] == '\0' || from[1 + len] == '/'))
			return true;
	}
	return false;
}

/* The member is none of the columns'. False: the item is refused. */
static bool take_extra(struct sql_row *row, const struct sql_columns *columns, yyjson_val *name,
	enum sql_extra extra, struct stage_ctx *ctx)
{
	if (extra == SQL_EXTRA_IGNORE ||
		is_reached(columns, yyjson_get_str(name), yyjson_get_len(name)))
		return true;
	if (extra == SQL_EXTRA_COLUMN) {
		put_extra(row, name, yyjson_obj_iter_get_val(name));
		return true;
	}
	stage_fail(ctx, STAGE_PERMANENT,
		"there is no column '%.80s' (`extra` says what to do with such members)",
		yyjson_get_str(name));
	return false;
}

static bool take_members(struct sql_row *row, const struct sql_columns *columns,
	enum sql_extra extra, struct stage_ctx *ctx)
{
	yyjson_obj_iter iter = yyjson_obj_iter_with(row->root);
	yyjson_val *name;
	size_t at = SIZE_MAX;

	while ((name = yyjson_obj_iter_next(&iter)) != NULL) {
		size_t found = sql_columns_find(
			columns, yyjson_get_str(name), yyjson_get_len(name), at + 1);

		if (found == SIZE_MAX || columns->list[found].from != NULL) {
			if (!take_extra(row, columns, name, extra, ctx))
				return false;
			continue;
		}
		at = found;
		if (row->values[at] == NULL) /* of a name that stands twice the first counts */
			row->values[at] = yyjson_obj_iter_get_val(name);
	}
	return true;
}

static bool room_for(struct sql_row *row, size_t count)
{
	yyjson_val **values;

	if (count > row->capacity) {
		values = realloc(row->values, count * sizeof(values[0]));
		if (values == NULL)
			return false;
		row->values = values;
		row->capacity = count;
	}
	memset(row->values, 0, count * sizeof(row->values[0]));
	return true;
}

/* A key that is null would be written again by every repeat. */
static bool has_keys(
	const struct sql_row *row, const struct sql_columns *columns, struct stage_ctx *ctx)
{
	for (size_t i = 0; i < columns->count; i++)
		if (columns->list[i].key &&
			(row->values[i] == NULL || yyjson_is_null(row->values[i])))
			return stage_fail(ctx, STAGE_PERMANENT,
				       "'%.80s' is part of the key and must not be missing or null",
				       columns->list[i].name),
			       false;
	return true;
}

bool sql_row_read(struct sql_row *row, const struct sql_columns *columns, enum sql_extra extra,
	struct stage_ctx *ctx)
{
	if (!sql_row_parse(row, ctx))
		return false;
	stage_text_clear(&row->extra, SQL_ROW_KEEP);
	if (!yyjson_is_obj(row->root))
		return stage_fail(ctx, STAGE_PERMANENT,
			       "the item is no object: it has no columns"),
		       false;
	if (!room_for(row, columns->count))
		return no_memory(row, ctx);
	for (size_t i = 0; i < columns->count; i++)
		if (columns->list[i].from != NULL)
			row->values[i] = yyjson_ptr_get(row->root, columns->list[i].from);
	if (!take_members(row, columns, extra, ctx))
		return false;
	if (row->extra.len > 0)
		stage_text_put(&row->extra, "}", 1);
	if (row->extra.no_memory)
		return no_memory(row, ctx);
	return has_keys(row, columns, ctx);
}
