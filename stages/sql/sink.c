#include "sql/sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATE_VERSION 1

struct state {
	uint32_t version, reserved;
	struct sql_counts counts;
};

void sql_sink_done(struct sql_sink *sink)
{
	sql_columns_done(&sink->declared);
	sql_columns_done(&sink->keys);
}

static bool restore(struct sql_sink *sink, struct stage_ctx *ctx)
{
	size_t len;
	const char *saved = stage_state(ctx, &len);
	struct state state;

	if (saved == NULL)
		return true;
	if (len != sizeof(state))
		return stage_fail(ctx, STAGE_PERMANENT, "the saved counts are damaged"), false;
	memcpy(&state, saved, sizeof(state));
	if (state.version != STATE_VERSION)
		return stage_fail(ctx, STAGE_PERMANENT, "the saved counts are damaged"), false;
	sink->counts = state.counts;
	return true;
}

bool sql_sink_open(struct sql_sink *sink, struct stage_ctx *ctx)
{
	static const char *const extras[] = { "fail", "ignore", "column" };

	sink->update = strcmp(sink->on_conflict, "update") == 0;
	for (int i = 0; i < 3; i++)
		if (strcmp(sink->extra_name, extras[i]) == 0)
			sink->extra = (enum sql_extra)i;
	if (*sink->table == '\0')
		return stage_fail(ctx, STAGE_PERMANENT, "/table: must be a name"), false;
	if (*sink->item_column == '\0')
		return stage_fail(ctx, STAGE_PERMANENT, "/item_column: must be a name"), false;
	if (*sink->extra_column == '\0')
		return stage_fail(ctx, STAGE_PERMANENT, "/extra_column: must be a name"), false;
	return sql_columns_declare(&sink->declared, sink->columns_json, ctx) &&
	       (sink->key_json == NULL ||
		       sql_names_read(&sink->keys, sink->key_json, "key", ctx)) &&
	       restore(sink, ctx);
}

enum stage_result sql_sink_checkpoint(const struct sql_sink *sink, struct stage_ctx *ctx)
{
	struct state state = { STATE_VERSION, 0, sink->counts };

	return stage_state_set(ctx, &state, sizeof(state));
}

enum stage_result sql_sink_report(const struct sql_sink *sink, struct stage_ctx *ctx)
{
	char text[128];
	int len = snprintf(text, sizeof(text),
		"{\"written\":%" PRIu64 ",\"repeated\":%" PRIu64 ",\"refused\":%" PRIu64 "}",
		sink->counts.written, sink->counts.repeated, sink->counts.refused);

	return stage_emit(ctx, text, (size_t)len);
}

bool sql_sink_mark_keys(
	const struct sql_sink *sink, struct sql_columns *columns, struct stage_ctx *ctx)
{
	for (size_t i = 0; i < sink->keys.count; i++) {
		const struct sql_column *key = &sink->keys.list[i];
		size_t at = sql_columns_find(columns, key->name, key->len, i);

		if (at == SIZE_MAX)
			return stage_fail(ctx, STAGE_PERMANENT,
				       "the table has no column '%.80s' for the key",
				       key->name),
			       false;
		columns->list[at].key = true;
	}
	return true;
}

void sql_sink_key_list(const struct sql_sink *sink, struct stage_text *to)
{
	stage_text_puts(to, "(");
	if (sink->keys.count == 0)
		sql_text_name(to, sink->item_column);
	for (size_t i = 0; i < sink->keys.count; i++) {
		sql_text_comma(to, i == 0);
		sql_text_name(to, sink->keys.list[i].name);
	}
	stage_text_puts(to, ")");
}

static void put_column(struct stage_text *to, const char *name, const char *type)
{
	sql_text_name(to, name);
	stage_text_format(to, " %s, ", type);
}

void sql_sink_table_body(const struct sql_sink *sink, const struct sql_columns *columns,
	const char *const *words, const char *extra, const char *item, struct stage_text *to)
{
	stage_text_puts(to, " (");
	for (size_t i = 0; i < columns->count; i++)
		put_column(to, columns->list[i].name, words[columns->list[i].type]);
	if (sql_sink_extra_column(sink) != NULL)
		put_column(to, sql_sink_extra_column(sink), extra);
	if (sql_sink_item_column(sink) != NULL)
		put_column(to, sql_sink_item_column(sink), item);
	stage_text_puts(to, "PRIMARY KEY ");
	sql_sink_key_list(sink, to);
	stage_text_puts(to, ")");
}

/* A copy of what was declared. */
static bool copy(const struct sql_columns *from, struct sql_columns *to)
{
	for (size_t i = 0; i < from->count; i++) {
		const struct sql_column *column = &from->list[i];
		struct sql_column *made =
			sql_columns_add(to, column->name, column->len, column->type);

		if (made != NULL && column->from != NULL)
			made->from = strdup(column->from);
		if (made == NULL || (column->from != NULL && made->from == NULL))
			return false;
	}
	return true;
}

/* What cannot be read is refused later, when its row is made. */
static bool infer(const struct sql_items *items, struct sql_row *row, struct sql_columns *ret)
{
	for (size_t i = 0; i < items->count; i++)
		if (!sql_row_parse(row, sql_item(items, i)) ||
			!sql_columns_infer(ret, row->root))
			return false;
	return true;
}

bool sql_sink_columns_wanted(const struct sql_sink *sink, const struct sql_items *items,
	struct sql_row *row, struct sql_columns *ret)
{
	bool done =
		sink->declared.count > 0 ? copy(&sink->declared, ret) : infer(items, row, ret);

	/* leat's own columns are not for members of items: see sql_row_read(). */
	if (sql_sink_item_column(sink) != NULL)
		sql_columns_drop(ret, sql_sink_item_column(sink));
	if (sql_sink_extra_column(sink) != NULL)
		sql_columns_drop(ret, sql_sink_extra_column(sink));
	if (!done)
		stage_fail(items->ctx, STAGE_TRANSIENT, "no memory");
	else if (ret->count == 0)
		stage_fail(items->ctx, STAGE_PERMANENT,
			"there is no table yet, and no member to make a column of: give `columns`");
	return done && ret->count > 0;
}
