/*
 * files: a source of what stands in files: lines of JSON and rows of CSV, also packed.
 *
 *	root, pattern ─► listing (sorted) ─► file ─► record ─► item, and the cursor behind it
 *
 * The cursor is saved in the transaction that holds the items, so that after any crash the
 * next item is the one behind the last that was kept. Before the first run after a start the
 * files are listed again; what is listed is read to the end that it has when the reading gets
 * there.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "cursor.h"
#include "glob.h"
#include "listing.h"
#include "roots.h"

/* A run ends after so many bytes of items, whatever the room in items; and after so many
 * records that were none. */
#define RUN_BYTES (256 << 10)
#define RUN_BAD   1000

struct files {
	const char *root, *glob, *format, *columns, *delimiter, *bad_line, *bad_file;
	bool header, infer, with_origin;

	const struct files_config *config;
	const char *path; /* of the root */
	struct listing listing;
	bool listed;
	size_t at; /* in the listing: the file that is read, or the next one */
	struct cursor cursor;
	struct records records;
	bool troubled; /* with what the next run begins with */
	struct trouble trouble;
};

static const struct stage_param files_params[] = {
	{ "root", STAGE_STRING, .required = 1,
		.doc = "a folder by the name that the server's operator has given it",
		.offset = offsetof(struct files, root) },
	{ "glob", STAGE_STRING, .required = 1,
		.doc = "which files below it: * ? [a-z] in names, ** for any folders",
		.offset = offsetof(struct files, glob) },
	{ "format", STAGE_STRING, .def = "auto", .choices = "auto|ndjson|csv",
		.doc = "auto: by the name, .ndjson .jsonl .json or .csv .tsv, behind it .gz or .zst",
		.offset = offsetof(struct files, format) },
	{ "header", STAGE_BOOL, .def = "true", .doc = "CSV: the first row names the columns",
		.offset = offsetof(struct files, header) },
	{ "columns", STAGE_STRING,
		.doc = "CSV without header: the columns' names, with commas; else c1, c2, …",
		.offset = offsetof(struct files, columns) },
	{ "delimiter", STAGE_STRING,
		.doc = "CSV: one character between fields, or tab; else a tab for .tsv, a comma",
		.offset = offsetof(struct files, delimiter) },
	{ "infer", STAGE_BOOL, .def = "false",
		.doc = "CSV: unquoted numbers, true, false and null are such, empty fields null",
		.offset = offsetof(struct files, infer) },
	{ "with_origin", STAGE_BOOL, .def = "false",
		.doc = "items are {\"file\":…,\"line\":…,\"value\":…}",
		.offset = offsetof(struct files, with_origin) },
	{ "bad_line", STAGE_STRING, .def = "fail", .choices = "fail|skip",
		.doc = "what a line that is no JSON (a row that is no CSV) does: end the job, or "
		       "nothing but a line in the log",
		.offset = offsetof(struct files, bad_line) },
	{ "bad_file", STAGE_STRING, .def = "fail", .choices = "fail|skip",
		.doc = "what a file that cannot be read (to its end), or none at all, does",
		.offset = offsetof(struct files, bad_file) },
	{ 0 },
};

/* ---- open, close ---- */

static bool is_delimiter(const char *text)
{
	if (text == NULL || strcmp(text, "tab") == 0)
		return true;
	return strlen(text) == 1 && strchr("\"\r\n", text[0]) == NULL && text[0] > 0;
}

static enum stage_result check_params(const struct files *files, struct stage_ctx *ctx)
{
	const char *wrong = glob_check(files->glob);

	if (wrong != NULL)
		return stage_fail(ctx, STAGE_PERMANENT, "/glob: %s", wrong);
	if (!is_delimiter(files->delimiter))
		return stage_fail(ctx, STAGE_PERMANENT,
			"/delimiter: must be one character of ASCII, no quote and no line end, or "
			"'tab'");
	if (files->columns != NULL && files->header)
		return stage_fail(ctx, STAGE_PERMANENT,
			"/columns: the header names them; or say header: false");
	return STAGE_OK;
}

static enum stage_result files_open(void *instance, struct stage_ctx *ctx)
{
	struct files *files = instance;
	const char *state;
	size_t len;

	records_init(&files->records);
	files->config = stage_config(ctx);
	if (check_params(files, ctx) != STAGE_OK)
		return STAGE_FAILED;
	files->path = roots_find(files->config, files->root, ctx);
	if (files->path == NULL)
		return STAGE_FAILED;
	state = stage_state(ctx, &len);
	if (!cursor_read(&files->cursor, state, len))
		return stage_fail(ctx, STAGE_PERMANENT,
			"where the job stood was saved by another version of this stage");
	return STAGE_OK;
}

static void files_close(void *instance, struct stage_ctx *ctx)
{
	struct files *files = instance;

	records_close(&files->records);
	listing_done(&files->listing);
}

/* ---- which file ---- */

static bool has_end(const char *path, size_t len, const char *end)
{
	size_t end_len = strlen(end);

	return len > end_len && strncasecmp(path + len - end_len, end, end_len) == 0;
}

static enum coding coding_of(const char *path, size_t *len)
{
	if (has_end(path, *len, ".gz")) {
		*len -= 3;
		return CODING_GZIP;
	}
	if (has_end(path, *len, ".zst")) {
		*len -= 4;
		return CODING_ZSTD;
	}
	return CODING_PLAIN;
}

static int format_of(const struct files *files, const char *path, size_t len, enum format *ret,
	struct trouble *trouble)
{
	bool csv = has_end(path, len, ".csv") || has_end(path, len, ".tsv");

	if (strcmp(files->format, "auto") != 0)
		*ret = strcmp(files->format, "csv") == 0 ? FORMAT_CSV : FORMAT_NDJSON;
	else if (csv)
		*ret = FORMAT_CSV;
	else if (has_end(path, len, ".ndjson") || has_end(path, len, ".jsonl") ||
		 has_end(path, len, ".json"))
		*ret = FORMAT_NDJSON;
	else
		return trouble_set(trouble, STAGE_PERMANENT,
			"its name does not tell its format: give 'format', or a narrower 'glob'");
	return 0;
}

static char delimiter_of(const struct files *files, const char *path, size_t len)
{
	if (files->delimiter == NULL)
		return has_end(path, len, ".tsv") ? '\t' : ',';
	return strcmp(files->delimiter, "tab") == 0 ? '\t' : files->delimiter[0];
}

static int make_listing(struct files *files, struct stage_ctx *ctx, struct trouble *trouble)
{
	int root, result;

	if (files->listed)
		return 0;
	root = open(files->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return trouble_set(trouble, trouble_kind(errno), "root '%.60s': %s",
			files->root, strerror(errno));
	result = listing_make(&files->listing, root, files->glob,
		(size_t)files->config->files_max, ctx, trouble);
	close(root);
	if (result < 0)
		return -1;
	files->listed = true;
	files->at = listing_find(&files->listing, files->cursor.path);
	return 0;
}

static int nothing_there(struct files *files, struct trouble *trouble)
{
	if (files->listing.others > 0)
		return trouble_set(trouble, STAGE_PERMANENT,
			"no regular file of root '%.60s' matches; %zu others do: links, pipes and "
			"devices are not read",
			files->root, files->listing.others);
	return trouble_set(trouble, STAGE_PERMANENT, "no file of root '%.60s' matches '%.100s'",
		files->root, files->glob);
}

static const char *path_at(const struct files *files)
{
	return files->at < files->listing.count ? files->listing.paths[files->at] : NULL;
}

/* The cursor's file, if something of it is left, or the one behind it becomes the cursor's.
 * 0: there is none. */
static int choose_file(struct files *files, struct trouble *trouble)
{
	struct cursor *cursor = &files->cursor;
	const char *path = path_at(files);

	if (cursor->path[0] != '\0' && !cursor->over) {
		if (path != NULL && strcmp(path, cursor->path) == 0)
			return 1;
		return trouble_set(trouble, STAGE_PERMANENT,
			"is not there any more, and the job has read a part of it");
	}
	if (path != NULL && strcmp(path, cursor->path) == 0)
		path = (files->at++, path_at(files));
	if (path == NULL)
		return 0;
	cursor_init(cursor);
	memcpy(cursor->path, path, strlen(path) + 1);
	return 1;
}

static int open_file(struct files *files, struct stage_ctx *ctx, struct trouble *trouble)
{
	struct cursor *cursor = &files->cursor;
	size_t len = strlen(cursor->path);
	struct records_options options = { .coding = coding_of(cursor->path, &len) };
	int root, result;

	if (format_of(files, cursor->path, len, &options.format, trouble) < 0)
		return -1;
	options.csv = (struct stage_csv_options){
		.delimiter = delimiter_of(files, cursor->path, len),
		.infer = files->infer,
		.header_absent = !files->header,
		.columns = files->columns,
		.row_max = (size_t)files->config->line_max,
	};
	root = open(files->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return trouble_set(trouble, trouble_kind(errno), "root '%.60s': %s",
			files->root, strerror(errno));
	result = records_open(&files->records, root, cursor->path, &options, &cursor->place,
		cursor->inode, ctx, trouble);
	close(root);
	if (result == 0)
		cursor->inode = files->records.stream.inode;
	return result;
}

/* ---- items ---- */

static enum stage_result emit_with_origin(
	const struct files *files, struct stage_ctx *ctx, const struct record *record)
{
	const char *path = files->cursor.path;
	size_t len = strlen(path);
	char *to =
		stage_reserve(ctx, STAGE_ESCAPED_MAX(len) + STAGE_INT_MAX + record->len + 64);
	char *at = to;

	if (to == NULL)
		return STAGE_FAILED;
	at = STAGE_PUT(at, "{\"file\":\"");
	at = stage_put_escaped(at, path, len);
	at = STAGE_PUT(at, "\",\"line\":");
	at = stage_put_int(at, (int64_t)record->line);
	at = STAGE_PUT(at, ",\"value\":");
	at = stage_put(at, record->json, record->len);
	*at++ = '}';
	return stage_emit_reserved(ctx, (size_t)(at - to));
}

static enum stage_result emit(
	const struct files *files, struct stage_ctx *ctx, const struct record *record)
{
	return files->with_origin ? emit_with_origin(files, ctx, record)
				  : stage_emit(ctx, record->json, record->len);
}

/* ---- a run ---- */

struct run {
	struct files *files;
	struct stage_ctx *ctx;
	size_t items, bytes, bad;
	bool moved; /* the cursor */
	bool over;  /* there is no more */
};

static bool is_full(const struct run *run, size_t room)
{
	return run->items >= room || run->bytes >= RUN_BYTES || run->bad >= RUN_BAD;
}

/* What was saved last is where we are, unless a run has failed or was lost: then it is where
 * we go back to. */
static bool go_to_state(struct files *files, struct stage_ctx *ctx)
{
	size_t len;
	const char *state = stage_state(ctx, &len);

	if (state != NULL && len == cursor_size(&files->cursor) &&
		memcmp(state, &files->cursor, len) == 0)
		return true;
	if (state == NULL && files->cursor.path[0] == '\0')
		return true;
	records_close(&files->records);
	files->troubled = false;
	if (!cursor_read(&files->cursor, state, len))
		return false;
	if (files->listed)
		files->at = listing_find(&files->listing, files->cursor.path);
	return true;
}

/* The file's troubles are over, by leaving it. */
static void leave_file(struct run *run)
{
	records_close(&run->files->records);
	run->files->cursor.over = 1;
	run->moved = true;
}

/* Bad files are left where that is wanted; -1: the trouble is the job's. */
static int skip_file(struct run *run, const struct trouble *trouble)
{
	struct files *files = run->files;

	if (trouble->kind != STAGE_PERMANENT || strcmp(files->bad_file, "skip") != 0)
		return -1;
	stage_log(run->ctx, "file %s: %s; it is skipped from line %llu on", files->cursor.path,
		trouble->text, (unsigned long long)files->cursor.place.line + 1);
	leave_file(run);
	run->bad++;
	return 0;
}

static int skip_line(struct run *run, const struct record *record, struct trouble *trouble)
{
	struct files *files = run->files;

	if (strcmp(files->bad_line, "skip") != 0)
		return trouble_set(trouble, STAGE_PERMANENT, "file %.150s, line %llu: %.120s",
			files->cursor.path, (unsigned long long)record->line, record->error);
	stage_log(run->ctx, "file %s, line %llu: %s; it is skipped", files->cursor.path,
		(unsigned long long)record->line, record->error);
	run->bad++;
	return 0;
}

/* About the cursor's file, for whom it is not said yet. */
static int about_file(struct files *files, struct trouble *trouble)
{
	struct trouble bare = *trouble;

	return trouble_set(
		trouble, bare.kind, "file %.150s: %.140s", files->cursor.path, bare.text);
}

/* One record of the open file; -1 with the trouble, which is then the job's. */
static int take_record(struct run *run, struct trouble *trouble)
{
	struct files *files = run->files;
	struct record record;

	switch (records_next(&files->records, run->ctx, &record, trouble)) {
	case RECORDS_END:
		leave_file(run);
		return 0;
	case RECORDS_TROUBLE:
		return skip_file(run, trouble) == 0 ? 0 : about_file(files, trouble);
	case RECORDS_RECORD:
		break;
	}
	if (record.json == NULL) {
		if (skip_line(run, &record, trouble) < 0)
			return -1;
	} else {
		if (emit(files, run->ctx, &record) != STAGE_OK)
			return -1;
		run->items++;
		run->bytes += record.len;
	}
	files->cursor.place = files->records.place;
	run->moved = true;
	return 0;
}

static int next_file(struct run *run, struct trouble *trouble)
{
	struct files *files = run->files;
	int chosen;

	if (make_listing(files, run->ctx, trouble) < 0)
		return -1;
	if (files->listing.count == 0 && files->cursor.path[0] == '\0' &&
		strcmp(files->bad_file, "skip") != 0)
		return nothing_there(files, trouble);
	chosen = choose_file(files, trouble);
	if (chosen == 0)
		run->over = true;
	if (chosen > 0 && open_file(files, run->ctx, trouble) == 0)
		return 0;
	if (chosen == 0 || skip_file(run, trouble) == 0)
		return 0;
	return about_file(files, trouble);
}

static int work(struct run *run, struct trouble *trouble)
{
	struct files *files = run->files;
	size_t room = stage_room(run->ctx);

	while (!run->over && !is_full(run, room)) {
		if (stage_cancelled(run->ctx))
			return run->moved ? 0
					  : trouble_set(trouble, STAGE_TRANSIENT, "called off");
		if (!files->records.open) {
			if (next_file(run, trouble) < 0)
				return -1;
		} else if (take_record(run, trouble) < 0) {
			return -1;
		}
	}
	return 0;
}

/* A retry, and every start, begins with what is saved. */
static enum stage_result fail(struct files *files, struct stage_ctx *ctx)
{
	struct trouble trouble = files->trouble;

	records_close(&files->records);
	files->troubled = false;
	if (trouble.kind == TROUBLE_SHORTAGE)
		return STAGE_OK; /* nothing now; it is asked again */
	return stage_fail(ctx, trouble.kind, "%s", trouble.text);
}

static enum stage_result files_run(void *instance, struct stage_ctx *ctx)
{
	struct files *files = instance;
	struct run run = { .files = files, .ctx = ctx };

	if (!go_to_state(files, ctx))
		return stage_fail(ctx, STAGE_PERMANENT, "what was saved is damaged");
	if (files->troubled)
		return fail(files, ctx);
	files->trouble.text[0] = '\0';
	files->troubled = work(&run, &files->trouble) < 0;
	if (files->troubled && files->trouble.text[0] == '\0') {
		/* The engine has refused the item, and has said why. */
		records_close(&files->records);
		files->troubled = false;
		return STAGE_FAILED;
	}
	/* What came before the trouble is not lost by it: the next run begins with it. */
	if (files->troubled && !run.moved)
		return fail(files, ctx);
	if (stage_state_set(ctx, &files->cursor, cursor_size(&files->cursor)) != STAGE_OK)
		return STAGE_FAILED;
	return run.over ? STAGE_END : STAGE_OK;
}

STAGE(.name = "files", .version = "1.0.0",
	.summary = "Items of files: lines of JSON or rows of CSV, also gzip or zstd",
	.kind = STAGE_SOURCE, .threads = STAGE_BLOCKING, .instance_size = sizeof(struct files),
	.params = files_params, .open = files_open, .close = files_close, .run = files_run,
	.config_size = sizeof(struct files_config), .config = files_config_params,
	.configure = files_configure, .unconfigure = files_unconfigure);
