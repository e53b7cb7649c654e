/*
 * sink: what the sinks of all databases have in common.
 *
 * A sink is handed some items (one by `run`, many by `run_batch`), writes them in one
 * transaction of the database, and counts. The counts are the state that leat commits together
 * with the items, so they are those of exactly the items that are marked done. leat's commit
 * comes behind the database's: what is lost in between comes again, and its key tells that it
 * is there already (`repeated`).
 */
#ifndef LEAT_SQL_SINK_H
#define LEAT_SQL_SINK_H

#include "sql/columns.h"
#include "sql/row.h"
#include "stage.h"

#define SQL_BATCH_ITEMS 1000 /* in one transaction, unless the job says otherwise */

struct sql_counts {
	uint64_t written, repeated, refused;
};

/* Of the parameters, the same for every sink. */
struct sql_sink {
	const char *table, *columns_json, *key_json, *item_column, *extra_name, *on_conflict,
		*extra_column;
	bool create;

	struct sql_columns declared, keys; /* keys: none where the item's id is the key */
	enum sql_extra extra;
	bool update;

	struct sql_counts counts;
};

/* Rows of the parameter table for a sink that holds its struct sql_sink as MEMBER. */
#define SQL_SINK_PARAMS(TYPE, MEMBER)                                                        \
	{ "table", STAGE_STRING, .required = 1, .doc = "the table that gets the rows",       \
		.offset = offsetof(struct TYPE, MEMBER.table) },                             \
		{ "columns", STAGE_JSON,                                                     \
			.doc = "columns and their types, or {\"type\", \"from\": pointer}; " \
			       "without: those of the table, or of the first items",         \
			.offset = offsetof(struct TYPE, MEMBER.columns_json),                \
			.schema = "{\"type\":\"object\",\"minProperties\":1,"                \
				  "\"maxProperties\":1000,\"additionalProperties\":{"        \
				  "\"oneOf\":[" SQL_TYPE_SCHEMA ",{\"type\":\"object\","     \
				  "\"properties\":{\"type\":" SQL_TYPE_SCHEMA ",\"from\":{"  \
				  "\"type\":\"string\"}}}]}}" },                             \
		{ "create", STAGE_BOOL, .def = "true",                                       \
			.doc = "create the table where there is none",                       \
			.offset = offsetof(struct TYPE, MEMBER.create) },                    \
		{ "key", STAGE_JSON,                                                         \
			.doc = "column or columns that are unique and tell a repeated row; " \
			       "without: the item's id in a column of its own",              \
			.offset = offsetof(struct TYPE, MEMBER.key_json),                    \
			.schema = "{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"array\","   \
				  "\"items\":{\"type\":\"string\"},\"minItems\":1,"          \
				  "\"maxItems\":32}]}" },                                    \
		{ "item_column", STAGE_STRING, .def = "_item",                               \
			.doc = "the column of the item's id, where there is no key",         \
			.offset = offsetof(struct TYPE, MEMBER.item_column) },               \
		{ "on_conflict", STAGE_STRING, .def = "ignore", .choices = "ignore|update",  \
			.doc = "what a row does whose key is there: leave that one, or "     \
			       "replace its columns",                                        \
			.offset = offsetof(struct TYPE, MEMBER.on_conflict) },               \
		{ "extra", STAGE_STRING, .def = "fail", .choices = "fail|ignore|column",     \
			.doc = "members that no column is for: the item fails, they are "    \
			       "left out, or they go into extra_column as JSON",             \
			.offset = offsetof(struct TYPE, MEMBER.extra_name) },                \
	{                                                                                    \
		"extra_column", STAGE_STRING,                                                \
			.def = "_extra", .doc = "the column for them",                       \
			.offset = offsetof(struct TYPE, MEMBER.extra_column)                 \
	}

/* `open`: parameters and saved counts. False: stage_fail() has spoken. */
bool sql_sink_open(struct sql_sink *sink, struct stage_ctx *ctx);
void sql_sink_done(struct sql_sink *sink);
enum stage_result sql_sink_checkpoint(const struct sql_sink *sink, struct stage_ctx *ctx);
enum stage_result sql_sink_report(const struct sql_sink *sink, struct stage_ctx *ctx);

/* What the table has to have beside the item's members; NULL: not that one. */
static inline const char *sql_sink_item_column(const struct sql_sink *sink)
{
	return sink->keys.count == 0 ? sink->item_column : NULL;
}
static inline const char *sql_sink_extra_column(const struct sql_sink *sink)
{
	return sink->extra == SQL_EXTRA_COLUMN ? sink->extra_column : NULL;
}

/* Mark the key columns. False: stage_fail() has said which one is missing. */
bool sql_sink_mark_keys(
	const struct sql_sink *sink, struct sql_columns *columns, struct stage_ctx *ctx);
/*
 * What a new table is made of: ("a" int, …, PRIMARY KEY ("a")). `words` are the database's
 * names of types by enum sql_type; `extra`, `item` those of the two columns that are ours.
 */
void sql_sink_table_body(const struct sql_sink *sink, const struct sql_columns *columns,
	const char *const *words, const char *extra, const char *item, struct stage_text *to);
/* The names of the key: ("a", "b") */
void sql_sink_key_list(const struct sql_sink *sink, struct stage_text *to);

/* ---- the items of one call ---- */

struct sql_items {
	struct stage_ctx *ctx; /* of the call: its failure is that of all items */
	size_t count;
	bool many;
};

static inline struct stage_ctx *sql_item(const struct sql_items *items, size_t index)
{
	return items->many ? stage_batch_item(items->ctx, index) : items->ctx;
}

static inline struct sql_items sql_items_of_batch(struct stage_ctx *ctx)
{
	return (struct sql_items){ ctx, stage_batch_count(ctx), true };
}

/* The call is over: done, or nothing was written. Of many an item that was refused stays so;
 * the only one comes again with the call. */
static inline void sql_sink_count(struct sql_sink *sink, const struct sql_items *items,
	const struct sql_counts *counts, bool done)
{
	if (done)
		sink->counts = *counts;
	else if (items->many)
		sink->counts.refused = counts->refused;
}

/* The columns of a table that is to be made: the declared ones, or what the items have. False:
 * stage_fail() has spoken on the call. */
bool sql_sink_columns_wanted(const struct sql_sink *sink, const struct sql_items *items,
	struct sql_row *row, struct sql_columns *ret);

#endif
