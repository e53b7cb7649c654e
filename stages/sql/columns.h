/*
 * columns: what of an item goes where in a row.
 *
 * The columns of a sink are declared by the job (`columns`), or those of the table that there
 * is, or made from the first items: each name at the top level of one of them is a column, of
 * the type that all its values there have. Names are compared byte by byte.
 *
 *	param `columns` ──► sql_columns_declare ─┐
 *	the first items ──► sql_columns_infer   ─┴─► CREATE TABLE, INSERT ◄── rows (sql/row.h)
 */
#ifndef LEAT_SQL_COLUMNS_H
#define LEAT_SQL_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>

#include <yyjson.h>

#include "stage.h"

#define SQL_COLUMNS_MAX 1000 /* declared, or made from items */

/* What a job can declare, and how a value is written there. */
enum sql_type {
	SQL_ANY = 0, /* as the table has it: text as it is, what is nested as JSON */
	SQL_INTEGER,
	SQL_NUMBER,  /* a double */
	SQL_NUMERIC, /* a decimal of any length */
	SQL_TEXT,
	SQL_BOOLEAN,
	SQL_JSON, /* always JSON, strings with their quotes */
	SQL_TIMESTAMP,
	SQL_DATE,
	SQL_BYTES, /* base64 in the item */
	SQL_ARRAY, /* of the table: an array of its own kind */
	SQL_TYPES
};

extern const char *const sql_type_names[SQL_TYPES];
/* Those that may be declared, as they stand in a parameter's schema. */
#define SQL_TYPE_SCHEMA                                                                        \
	"{\"enum\":[\"any\",\"integer\",\"number\",\"numeric\",\"text\",\"boolean\",\"json\"," \
	"\"timestamp\",\"date\",\"bytes\"]}"

struct sql_column {
	char *name;
	size_t len;
	char *from; /* JSON pointer; NULL: the member of the column's name */
	char *cast; /* the database's own word for its type; NULL: none was asked for */
	enum sql_type type;
	bool key; /* must not be null */
};

struct sql_columns {
	struct sql_column *list;
	size_t count, capacity;
};

void sql_columns_done(struct sql_columns *columns);
/* SIZE_MAX when there is none; `guess` is looked at first. */
size_t sql_columns_find(
	const struct sql_columns *columns, const char *name, size_t len, size_t guess);
/* NULL without memory. What it returns stays until the next is added. */
struct sql_column *sql_columns_add(
	struct sql_columns *columns, const char *name, size_t len, enum sql_type type);

/* Without that one; it need not be there. */
void sql_columns_drop(struct sql_columns *columns, const char *name);

/* From the parameter `columns`, NULL: none. stage_fail() has said what is wrong. */
bool sql_columns_declare(struct sql_columns *columns, const char *json, struct stage_ctx *ctx);
/* Learn from an item; what is no object teaches nothing. False without memory. */
bool sql_columns_infer(struct sql_columns *columns, yyjson_val *item);

/* Names out of a JSON text: one string, or an array of them. stage_fail() has said what is
 * wrong with the parameter `param`. */
bool sql_names_read(
	struct sql_columns *names, const char *json, const char *param, struct stage_ctx *ctx);

#endif
