#include "records.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#define CHECK_FLAGS YYJSON_READ_NUMBER_AS_RAW /* their grammar alone is checked */
#define DEPTH_MAX   1024                      /* as of items that come by HTTP */

void records_init(struct records *records)
{
	*records = (struct records){ 0 };
	stream_init(&records->stream);
}

void records_close(struct records *records)
{
	stream_close(&records->stream);
	stage_csv_drop_(&records->carry);
	stage_csv_done(&records->csv);
	free(records->pool);
	records_init(records);
}

/* ---- opening ---- */

static int called_off(struct stage_ctx *ctx, struct trouble *trouble)
{
	if (!stage_cancelled(ctx))
		return 0;
	return trouble_set(trouble, STAGE_TRANSIENT, "called off");
}

static int ends_too_early(struct trouble *trouble)
{
	return trouble_set(trouble, STAGE_PERMANENT,
		"has become shorter since the job has read a part of it");
}

/* Up to the place where it shall go on. */
static int skip_bytes(struct records *records, uint64_t offset, struct stage_ctx *ctx,
	struct trouble *trouble)
{
	size_t len;

	if (stream_jump(&records->stream, offset))
		return 0;
	while (records->stream.at < offset) {
		if (called_off(ctx, trouble) < 0 ||
			stream_read(&records->stream, &records->at, &len, trouble) < 0)
			return -1;
		if (len == 0)
			return ends_too_early(trouble);
		records->end = records->at + len;
	}
	if (records->end != NULL)
		records->at = records->end - (records->stream.at - offset);
	return 0;
}

static int skip_rows(
	struct records *records, uint64_t rows, struct stage_ctx *ctx, struct trouble *trouble)
{
	struct record record;

	while (records->place.row < rows) {
		enum records_result result = records_next(records, ctx, &record, trouble);

		if (result == RECORDS_TROUBLE)
			return -1;
		if (result == RECORDS_END)
			return ends_too_early(trouble);
	}
	return 0;
}

static int go_on(struct records *records, const struct place *from, struct stage_ctx *ctx,
	struct trouble *trouble)
{
	if (records->options.format == FORMAT_CSV) {
		stage_csv_init(&records->csv, &records->options.csv);
		return skip_rows(records, from->row, ctx, trouble);
	}
	records->place = *from;
	return skip_bytes(records, from->offset, ctx, trouble);
}

int records_open(struct records *records, int root, const char *path,
	const struct records_options *options, const struct place *from, uint64_t inode,
	struct stage_ctx *ctx, struct trouble *trouble)
{
	records_init(records);
	records->options = *options;
	if (stream_open(&records->stream, root, path, options->coding, trouble) < 0)
		return -1;
	if (inode != 0 && records->stream.inode != inode) {
		records_close(records);
		return trouble_set(trouble, STAGE_PERMANENT,
			"is another file than the one of which the job has read a part");
	}
	records->open = true;
	if (go_on(records, from, ctx, trouble) < 0) {
		records_close(records);
		return -1;
	}
	return 0;
}

/* The next piece; `ended` when there is none. */
static int read_piece(struct records *records, struct stage_ctx *ctx, struct trouble *trouble)
{
	size_t len;

	if (called_off(ctx, trouble) < 0 ||
		stream_read(&records->stream, &records->at, &len, trouble) < 0)
		return -1;
	records->end = records->at + len;
	records->ended = len == 0;
	return 0;
}

/* ---- is it JSON? ---- */

static bool too_deep(const char *at, const char *end)
{
	size_t depth = 0;

	for (; at < end; at++) {
		if (*at == '"') {
			for (at++; *at != '"'; at++)
				at += *at == '\\';
		} else if (*at == '[' || *at == '{') {
			if (++depth > DEPTH_MAX)
				return true;
		} else if (*at == ']' || *at == '}') {
			depth--;
		}
	}
	return false;
}

static int make_pool(struct records *records, size_t len, struct trouble *trouble)
{
	size_t size = yyjson_read_max_memory_usage(len, CHECK_FLAGS);
	char *pool;

	if (size <= records->pool_size)
		return 0;
	pool = malloc(size + size / 4);
	if (pool == NULL)
		return trouble_memory(trouble);
	free(records->pool);
	records->pool = pool;
	records->pool_size = size + size / 4;
	return 0;
}

static void bad(struct record *record, const char *error)
{
	record->json = NULL;
	snprintf(record->error, sizeof(record->error), "%s", error);
}

/* Marks the record as bad where it is. */
static int check(struct records *records, struct record *record, struct trouble *trouble)
{
	yyjson_read_err err;
	yyjson_alc alc;
	yyjson_doc *doc;

	if (make_pool(records, record->len, trouble) < 0)
		return -1;
	yyjson_alc_pool_init(&alc, records->pool, records->pool_size);
	/* The cast is yyjson's: it only writes where it reads in place. */
	doc = yyjson_read_opts(
		(char *)(uintptr_t)record->json, record->len, CHECK_FLAGS, &alc, &err);
	if (doc == NULL) {
		/* The pool has room for every right text of this length. */
		bool open = err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ||
			    err.pos >= record->len;

		record->json = NULL;
		if (open)
			bad(record, "not JSON: it ends too early");
		else
			snprintf(record->error, sizeof(record->error),
				"not JSON: %s at byte %zu", err.msg, err.pos + 1);
	} else if (record->len > (size_t)2 * DEPTH_MAX &&
		   too_deep(record->json, record->json + record->len)) {
		bad(record, "nested more than 1024 deep");
	}
	return 0;
}

/* ---- lines ---- */

static bool is_blank(const char *at, size_t len)
{
	while (len > 0 && (*at == ' ' || *at == '\t' || *at == '\r')) {
		at++;
		len--;
	}
	return len == 0;
}

/* Takes the piece up to its next line end, or all of it; true when the line is whole. */
static bool take_line(struct records *records, const char **ret_from, size_t *ret_len)
{
	const char *newline = memchr(records->at, '\n', (size_t)(records->end - records->at));
	const char *stop = newline != NULL ? newline : records->end;

	*ret_from = records->at;
	*ret_len = (size_t)(stop - records->at);
	records->place.offset += *ret_len + (newline != NULL);
	records->at = stop + (newline != NULL);
	return newline != NULL;
}

static void strip(struct records *records, struct record *record)
{
	/* The place is behind the line already. */
	if (records->place.line == 1 && record->len >= 3 &&
		memcmp(record->json, "\xef\xbb\xbf", 3) == 0) {
		record->json += 3;
		record->len -= 3;
	}
	if (record->len > 0 && record->json[record->len - 1] == '\r')
		record->len--;
}

/* A whole line, blank or not, as it stands; RECORD with json NULL: too long. */
static enum records_result next_line(struct records *records, struct stage_ctx *ctx,
	struct record *ret, struct trouble *trouble)
{
	size_t max = records->options.csv.row_max, len = 0;
	bool whole = false, begun = false, skipping = false;
	const char *from = NULL;

	records->carry.len = 0;
	while (!whole) {
		if (records->at == records->end && !records->ended &&
			read_piece(records, ctx, trouble) < 0)
			return RECORDS_TROUBLE;
		if (records->ended)
			break;
		whole = take_line(records, &from, &len);
		begun = true;
		skipping |= records->carry.len + len > max;
		if (skipping || (whole && records->carry.len == 0))
			continue;
		if (!stage_csv_append_(&records->carry, from, len)) {
			trouble_memory(trouble);
			return RECORDS_TROUBLE;
		}
		from = records->carry.data;
		len = records->carry.len;
	}
	if (!begun)
		return RECORDS_END;
	ret->line = ++records->place.line;
	ret->json = skipping ? NULL : len == 0 ? "" : from;
	ret->len = len;
	if (skipping)
		snprintf(ret->error, sizeof(ret->error),
			"longer than the %zu bytes that line_max of the server allows", max);
	return RECORDS_RECORD;
}

static enum records_result next_json(struct records *records, struct stage_ctx *ctx,
	struct record *ret, struct trouble *trouble)
{
	enum records_result result;

	do {
		result = next_line(records, ctx, ret, trouble);
		if (result != RECORDS_RECORD || ret->json == NULL)
			return result;
		strip(records, ret);
	} while (is_blank(ret->json, ret->len));
	return check(records, ret, trouble) < 0 ? RECORDS_TROUBLE : RECORDS_RECORD;
}

/* ---- rows ---- */

static enum records_result take_row(
	struct records *records, const struct stage_csv_row *row, struct record *ret)
{
	ret->json = row->json;
	ret->len = row->len;
	ret->line = row->line;
	if (row->json == NULL)
		bad(ret, row->error);
	records->place.row = row->row;
	return RECORDS_RECORD;
}

static enum records_result next_row(struct records *records, struct stage_ctx *ctx,
	struct record *ret, struct trouble *trouble)
{
	struct stage_csv_row row;

	for (;;) {
		switch (stage_csv_next(&records->csv, &row)) {
		case STAGE_CSV_ROW:
			return take_row(records, &row, ret);
		case STAGE_CSV_ERROR:
			if (!row.fatal)
				return take_row(records, &row, ret);
			trouble_set(trouble, STAGE_PERMANENT, "%s", row.error);
			return RECORDS_TROUBLE;
		case STAGE_CSV_NOMEM:
			trouble_memory(trouble);
			return RECORDS_TROUBLE;
		case STAGE_CSV_MORE:
			break;
		}
		if (records->ended)
			return RECORDS_END;
		if (read_piece(records, ctx, trouble) < 0)
			return RECORDS_TROUBLE;
		if (records->ended)
			stage_csv_end(&records->csv);
		else
			stage_csv_feed(&records->csv, records->at,
				(size_t)(records->end - records->at));
	}
}

enum records_result records_next(struct records *records, struct stage_ctx *ctx,
	struct record *ret, struct trouble *trouble)
{
	ret->json = NULL;
	ret->error[0] = '\0';
	return records->options.format == FORMAT_CSV ? next_row(records, ctx, ret, trouble)
						     : next_json(records, ctx, ret, trouble);
}
