#include "sql/columns.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

const char *const sql_type_names[SQL_TYPES] = { "any", "integer", "number", "numeric", "text",
	"boolean", "json", "timestamp", "date", "bytes", NULL };

static void column_done(struct sql_column *column)
{
	free(column->name);
	free(column->from);
	free(column->cast);
}

void sql_columns_done(struct sql_columns *columns)
{
	for (size_t i = 0; i < columns->count; i++)
		column_done(&columns->list[i]);
	free(columns->list);
	*columns = (struct sql_columns){ 0 };
}

static bool is_named(const struct sql_column *column, const char *name, size_t len)
{
	return column->len == len && memcmp(column->name, name, len) == 0;
}

size_t sql_columns_find(
	const struct sql_columns *columns, const char *name, size_t len, size_t guess)
{
	if (guess < columns->count && is_named(&columns->list[guess], name, len))
		return guess;
	for (size_t i = 0; i < columns->count; i++)
		if (is_named(&columns->list[i], name, len))
			return i;
	return SIZE_MAX;
}

struct sql_column *sql_columns_add(
	struct sql_columns *columns, const char *name, size_t len, enum sql_type type)
{
	struct sql_column *column;

	if (columns->count == columns->capacity) {
		size_t capacity = columns->capacity * 2 + 8;
		struct sql_column *list =
			realloc(columns->list, capacity * sizeof(columns->list[0]));

		if (list == NULL)
			return NULL;
		columns->list = list;
		columns->capacity = capacity;
	}
	column = &columns->list[columns->count];
	*column = (struct sql_column){ .name = malloc(len + 1), .len = len, .type = type };
	if (column->name == NULL)
		return NULL;
	memcpy(column->name, name, len);
	column->name[len] = '\0';
	columns->count++;
	return column;
}

void sql_columns_drop(struct sql_columns *columns, const char *name)
{
	size_t at = sql_columns_find(columns, name, strlen(name), 0);

	if (at == SIZE_MAX)
		return;
	column_done(&columns->list[at]);
	columns->count--;
	memmove(&columns->list[at], &columns->list[at + 1],
		(columns->count - at) * sizeof(columns->list[0]));
}

/* ---- declared ---- */

static enum stage_result no_memory(struct stage_ctx *ctx)
{
	return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
}

static bool type_of_word(yyjson_val *word, enum sql_type *ret)
{
	for (int type = 0; type < SQL_TYPES; type++)
		if (sql_type_names[type] != NULL &&
			yyjson_equals_str(word, sql_type_names[type])) {
			*ret = (enum sql_type)type;
			return true;
		}
	return false;
}

/* What no database takes as a name. NULL when nothing is wrong. */
static const char *name_mistake(yyjson_val *name)
{
	if (!yyjson_is_str(name) || yyjson_get_len(name) == 0)
		return "must be a name";
	if (strlen(yyjson_get_str(name)) != yyjson_get_len(name))
		return "holds a NUL";
	return NULL;
}

/* False: stage_fail() has spoken. */
static bool declare_one(
	struct sql_columns *columns, yyjson_val *name, yyjson_val *value, struct stage_ctx *ctx)
{
	yyjson_val *word = yyjson_is_obj(value) ? yyjson_obj_get(value, "type") : value;
	yyjson_val *from = yyjson_obj_get(value, "from");
	const char *text = yyjson_get_str(name), *mistake = name_mistake(name);
	struct sql_column *column;
	enum sql_type type = SQL_ANY;

	if (mistake != NULL)
		return stage_fail(
			       ctx, STAGE_PERMANENT, "/columns: a column's name %s", mistake),
		       false;
	if (word != NULL && !type_of_word(word, &type))
		return stage_fail(ctx, STAGE_PERMANENT,
			       "/columns: the type of '%s' is none of any, integer, number, numeric, "
			       "text, boolean, json, timestamp, date and bytes",
			       text),
		       false;
	if (from != NULL && (!yyjson_is_str(from) ||
				    (yyjson_get_len(from) > 0 && *yyjson_get_str(from) != '/')))
		return stage_fail(ctx, STAGE_PERMANENT,
			       "/columns: `from` of '%s' is no JSON pointer", text),
		       false;
	if (sql_columns_find(columns, text, yyjson_get_len(name), 0) != SIZE_MAX)
		return stage_fail(
			       ctx, STAGE_PERMANENT, "/columns: '%s' stands there twice", text),
		       false;
	column = sql_columns_add(columns, text, yyjson_get_len(name), type);
	if (column != NULL && from != NULL)
		column->from = strndup(yyjson_get_str(from), yyjson_get_len(from));
	if (column == NULL || (from != NULL && column->from == NULL))
		return no_memory(ctx), false;
	return true;
}

bool sql_columns_declare(struct sql_columns *columns, const char *json, struct stage_ctx *ctx)
{
	yyjson_doc *doc;
	yyjson_val *root, *name;
	yyjson_obj_iter iter;
	bool done;

	if (json == NULL)
		return true;
	doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
	root = yyjson_doc_get_root(doc);
	if (doc == NULL)
		return no_memory(ctx), false;
	done = yyjson_is_obj(root) && yyjson_obj_size(root) > 0 &&
	       yyjson_obj_size(root) <= SQL_COLUMNS_MAX;
	if (!done)
		stage_fail(ctx, STAGE_PERMANENT,
			"/columns: must be an object of 1 to %d columns, name to type",
			SQL_COLUMNS_MAX);
	iter = yyjson_obj_iter_with(root);
	while (done && (name = yyjson_obj_iter_next(&iter)) != NULL)
		done = declare_one(columns, name, yyjson_obj_iter_get_val(name), ctx);
	yyjson_doc_free(doc);
	return done;
}

bool sql_names_read(
	struct sql_columns *names, const char *json, const char *param, struct stage_ctx *ctx)
{
	yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
	yyjson_val *root = yyjson_doc_get_root(doc), *name;
	size_t count = yyjson_is_arr(root) ? yyjson_arr_size(root) : 1;
	bool done = true;

	if (doc == NULL)
		return no_memory(ctx), false;
	for (size_t i = 0; done && i < count; i++) {
		name = yyjson_is_arr(root) ? yyjson_arr_get(root, i) : root;
		if (name_mistake(name) != NULL || count > 32) {
			stage_fail(ctx, STAGE_PERMANENT,
				"/%s: must be the name of a column, or an array of up to 32",
				param);
			done = false;
		} else if (sql_columns_add(names, yyjson_get_str(name), yyjson_get_len(name),
				   SQL_ANY) == NULL) {
			no_memory(ctx);
			done = false;
		}
	}
	if (done && count == 0) {
		stage_fail(ctx, STAGE_PERMANENT, "/%s: must name at least one column", param);
		done = false;
	}
	yyjson_doc_free(doc);
	return done;
}

/* ---- made from items ---- */

/* Of numbers that are kept as text: whole ones are those without a point or exponent. */
static enum sql_type type_of(yyjson_val *value)
{
	if (yyjson_is_bool(value))
		return SQL_BOOLEAN;
	if (yyjson_is_str(value))
		return SQL_TEXT;
	if (yyjson_is_ctn(value))
		return SQL_JSON;
	if (yyjson_is_raw(value)) {
		const char *text = yyjson_get_raw(value);
		size_t len = yyjson_get_len(value);

		if (memchr(text, '.', len) || memchr(text, 'e', len) || memchr(text, 'E', len))
			return SQL_NUMBER;
		return len > 18 ? SQL_NUMERIC : SQL_INTEGER;
	}
	return SQL_ANY; /* null says nothing */
}

/* What holds the values of both. */
static enum sql_type join(enum sql_type a, enum sql_type b)
{
	enum sql_type high = a > b ? a : b, low = a > b ? b : a;

	if (low == high || low == SQL_ANY)
		return high;
	if (high <= SQL_NUMERIC)
		return low == SQL_INTEGER && high == SQL_NUMBER ? SQL_NUMBER : SQL_NUMERIC;
	return high == SQL_JSON || low == SQL_JSON ? SQL_JSON : SQL_TEXT;
}

bool sql_columns_infer(struct sql_columns *columns, yyjson_val *item)
{
	yyjson_obj_iter iter = yyjson_obj_iter_with(item);
	yyjson_val *name;
	size_t at = SIZE_MAX;

	if (!yyjson_is_obj(item))
		return true;
	while ((name = yyjson_obj_iter_next(&iter)) != NULL) {
		enum sql_type type = type_of(yyjson_obj_iter_get_val(name));

		if (name_mistake(name) != NULL)
			continue; /* the row will be refused */
		at = sql_columns_find(
			columns, yyjson_get_str(name), yyjson_get_len(name), at + 1);
		if (at != SIZE_MAX) {
			columns->list[at].type = join(columns->list[at].type, type);
			continue;
		}
		if (columns->count < SQL_COLUMNS_MAX &&
			sql_columns_add(columns, yyjson_get_str(name), yyjson_get_len(name),
				type) == NULL)
			return false;
		at = columns->count - 1;
	}
	return true;
}
