/*
 * csv: text of CSV that stands in an item into objects, and objects into lines of CSV.
 *
 * Parsing is what uploads of text/csv go through, too (stage_csv.h), with the columns parsed
 * once a worker where the job names them.
 */
#include <stdbool.h>
#include <string.h>

#include "stage.h"
#include "stage_csv.h"
#include "stage_csv_write.h"
#include "stage_slice.h"

#define ROW_MAX ((size_t)1 << 30) /* an item is bounded already */

struct csv {
	const char *mode, *columns, *field, *delimiter_name;
	bool infer, guard;
	bool format;
	char delimiter;
	struct stage_path path;
	struct stage_token *names; /* of the columns, to format */
	size_t count;
};

struct csv_worker {
	struct stage_csv csv;
};

static const struct stage_param csv_params[] = {
	{ "mode", STAGE_STRING, .def = "parse", .choices = "parse|format",
		.doc = "text into objects, or objects into lines",
		.offset = offsetof(struct csv, mode) },
	{ "columns", STAGE_STRING,
		.doc = "their names, a line of CSV; without it the first row of each text, or all "
		       "members",
		.offset = offsetof(struct csv, columns) },
	{ "field", STAGE_POINTER, .def = "",
		.doc = "where the text, or the object, stands in the item",
		.offset = offsetof(struct csv, field) },
	{ "delimiter", STAGE_STRING, .def = "comma", .choices = "comma|semicolon|tab|pipe",
		.doc = "what stands between two fields",
		.offset = offsetof(struct csv, delimiter_name) },
	{ "infer", STAGE_BOOL,
		.doc = "parse: unquoted numbers, true, false, null are what JSON takes them for",
		.offset = offsetof(struct csv, infer) },
	{ "guard", STAGE_BOOL,
		.doc = "format: a ' in front of strings that spreadsheets take for formulas",
		.offset = offsetof(struct csv, guard) },
	{ 0 },
};

/* ---- open ---- */

static char delimiter_of(const char *name)
{
	return *name == 'c' ? ',' : *name == 's' ? ';' : *name == 't' ? '\t' : '|';
}

static void init_reader(const struct csv *self, struct stage_csv *csv)
{
	stage_csv_init(csv, &(struct stage_csv_options){ .delimiter = self->delimiter,
				    .infer = self->infer,
				    .header_absent = self->columns != NULL,
				    .columns = self->columns,
				    .row_max = ROW_MAX });
}

/* The columns are looked at with the first row: here is one. */
static enum stage_result check_columns(const struct csv *self, struct stage_ctx *ctx)
{
	enum stage_result result = STAGE_OK;
	struct stage_csv_row row;
	struct stage_csv csv;

	init_reader(self, &csv);
	stage_csv_feed(&csv, "x\n", 2);
	switch (stage_csv_next(&csv, &row)) {
	case STAGE_CSV_NOMEM:
		result = stage_fail(ctx, STAGE_TRANSIENT, "no memory");
		break;
	case STAGE_CSV_ERROR:
		if (row.fatal)
			result = stage_fail(ctx, STAGE_PERMANENT, "/columns: %s",
				row.error + strlen("the header: "));
		break;
	default:
		break;
	}
	stage_csv_done(&csv);
	return result;
}

static bool add_name(struct csv *self, const struct stage_csv_field *field)
{
	struct stage_token *names = realloc(self->names, (self->count + 1) * sizeof(*names));
	char *name = malloc(field->len + 1);
	size_t len = 0;

	if (names != NULL)
		self->names = names;
	if (names == NULL || name == NULL) {
		free(name);
		return false;
	}
	for (size_t i = 0; i < field->len; i++) {
		name[len++] = field->at[i];
		i += field->quoted && field->at[i] == '"';
	}
	name[len] = '\0';
	names[self->count++] = (struct stage_token){ name, len, SIZE_MAX };
	return true;
}

/* Their line was found to be right. */
static bool name_columns(struct csv *self)
{
	const char *at = self->columns, *end = at + strlen(at);
	struct stage_csv_field field;

	while (stage_csv_field_(&at, end, ',', &field) == STAGE_CSV_FIELD) {
		if (!add_name(self, &field))
			return false;
		if (at++ == end)
			break;
	}
	return true;
}

static void csv_close(void *instance, struct stage_ctx *ctx)
{
	struct csv *self = instance;

	stage_path_done(&self->path);
	for (size_t i = 0; i < self->count; i++)
		free(self->names[i].name);
	free(self->names);
	self->names = NULL;
	self->count = 0;
}

static enum stage_result check_options(const struct csv *self, struct stage_ctx *ctx)
{
	if (self->format && self->infer)
		return stage_fail(ctx, STAGE_PERMANENT, "/infer: is for mode parse");
	if (!self->format && self->guard)
		return stage_fail(ctx, STAGE_PERMANENT, "/guard: is for mode format");
	return self->columns != NULL ? check_columns(self, ctx) : STAGE_OK;
}

static enum stage_result csv_open(void *instance, struct stage_ctx *ctx)
{
	struct csv *self = instance;
	enum stage_result result;

	self->format = *self->mode == 'f';
	self->delimiter = delimiter_of(self->delimiter_name);
	result = check_options(self, ctx);
	if (result == STAGE_OK &&
		(!stage_path_init(&self->path, self->field) ||
			(self->format && self->columns != NULL && !name_columns(self))))
		result = stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	if (result != STAGE_OK)
		csv_close(instance, ctx);
	return result;
}

static enum stage_result csv_worker_open(void *instance, struct stage_ctx *ctx)
{
	struct csv_worker *worker = stage_worker(ctx);

	init_reader(instance, &worker->csv);
	return STAGE_OK;
}

static void csv_worker_close(void *instance, struct stage_ctx *ctx)
{
	struct csv_worker *worker = stage_worker(ctx);

	stage_csv_done(&worker->csv);
}

/* ---- text into objects ---- */

static enum stage_result emit_rows(struct stage_csv *csv, struct stage_ctx *ctx)
{
	enum stage_csv_result got;
	struct stage_csv_row row;

	while ((got = stage_csv_next(csv, &row)) == STAGE_CSV_ROW)
		if (stage_emit(ctx, row.json, row.len) != STAGE_OK)
			return STAGE_FAILED;
	if (got == STAGE_CSV_NOMEM)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	if (got == STAGE_CSV_ERROR)
		return stage_fail(ctx, STAGE_PERMANENT, "line %llu: %s",
			(unsigned long long)row.line, row.error);
	return STAGE_OK;
}

static enum stage_result parse(
	const struct csv *self, struct stage_ctx *ctx, struct stage_slice value)
{
	struct csv_worker *worker = stage_worker(ctx);
	struct stage_csv *csv = &worker->csv;
	enum stage_result result;
	struct stage_slice text;

	if (!stage_slice_is_string(value))
		return stage_fail(
			ctx, STAGE_PERMANENT, "no string of CSV at '%s'", self->field);
	text = stage_slice_text(ctx, value);
	if (text.at == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	stage_csv_again(csv);
	stage_csv_feed(csv, text.at, text.len);
	stage_csv_end(csv);
	result = emit_rows(csv, ctx);
	if (self->columns == NULL || result != STAGE_OK) {
		stage_csv_done(csv); /* the next text names its own, or this one is half read */
		init_reader(self, csv);
	}
	return result;
}

/* ---- objects into lines ---- */

static char *put_cell(const struct csv *self, bool first, char *to, struct stage_slice value)
{
	if (!first)
		*to++ = self->delimiter;
	return stage_csv_put_value(to, value, self->delimiter, self->guard);
}

static char *put_cells(const struct csv *self, char *to, struct stage_slice value)
{
	struct stage_slice name, member;
	struct stage_walk walk;
	bool first = true;

	if (self->names != NULL) {
		for (size_t i = 0; i < self->count; i++)
			to = put_cell(
				self, i == 0, to, stage_slice_child(value, &self->names[i]));
	} else if (stage_walk_open(&walk, value, '{')) {
		for (; stage_walk_member(&walk, &name, &member); first = false)
			to = put_cell(self, first, to, member);
	} else if (stage_walk_open(&walk, value, '[')) {
		for (; stage_walk_element(&walk, &member); first = false)
			to = put_cell(self, first, to, member);
	}
	return to;
}

static enum stage_result format(
	const struct csv *self, struct stage_ctx *ctx, struct stage_slice value)
{
	char *line, *end, *out, *to;
	size_t len;

	if (value.at == NULL || (*value.at != '{' && (self->names != NULL || *value.at != '[')))
		return stage_fail(ctx, STAGE_PERMANENT, "no object at '%s'", self->field);
	/* A cell takes at most three times its value and four bytes; a value has at least one.
	 */
	line = stage_scratch(ctx, 8 * value.len + 2 * self->count + 8);
	if (line == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	end = put_cells(self, line, value);
	if (end == line) /* one empty cell would be a blank line */
		end = stage_put(end, "\"\"", 2);
	len = (size_t)(end - line);
	out = stage_reserve(ctx, STAGE_ESCAPED_MAX(len) + 2);
	if (out == NULL)
		return STAGE_FAILED;
	to = out;
	*to++ = '"';
	to = stage_put_escaped(to, line, len);
	*to++ = '"';
	return stage_emit_reserved(ctx, (size_t)(to - out));
}

static enum stage_result csv_run(void *instance, struct stage_ctx *ctx)
{
	const struct csv *self = instance;
	struct stage_slice value = stage_slice_find(stage_slice_input(ctx), &self->path);

	return self->format ? format(self, ctx, value) : parse(self, ctx, value);
}

STAGE(.name = "csv", .version = "1.0.0",
	.summary = "Text of CSV into objects, or objects into lines", .threads = STAGE_PARALLEL,
	.instance_size = sizeof(struct csv), .worker_size = sizeof(struct csv_worker),
	.params = csv_params, .open = csv_open, .close = csv_close,
	.worker_open = csv_worker_open, .worker_close = csv_worker_close, .run = csv_run);
