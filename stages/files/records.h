/*
 * records: one file, item by item: lines of JSON, or rows of CSV.
 *
 * Where it stands is (offset, line, row): behind the last record that was given out. One
 * that is opened again with that goes on with the next one. Lines of a plain file are found
 * by their offset; in a compressed one what is before is unpacked and thrown away, and rows
 * are read from the start, for the header and for quotes.
 *
 * Nothing but the record under way is kept, and that only up to line_max.
 */
#ifndef FILES_RECORDS_H
#define FILES_RECORDS_H

#include "stage_csv.h"
#include "stream.h"

enum format { FORMAT_NDJSON, FORMAT_CSV };

struct place {
	uint64_t offset; /* decoded bytes, of lines */
	uint64_t line;   /* physical lines before it, of lines */
	uint64_t row;    /* records before it, of CSV */
};

struct records_options {
	enum format format;
	enum coding coding;
	struct stage_csv_options csv; /* its row_max is the line's, too */
};

struct record {
	const char *json; /* borrowed until the next call; NULL: it is bad */
	size_t len;
	uint64_t line;   /* physical, from 1 */
	char error[200]; /* what is wrong with it */
};

enum records_result {
	RECORDS_RECORD, /* a good or a bad one */
	RECORDS_END,
	RECORDS_TROUBLE, /* with the file as a whole */
};

struct records {
	struct stream stream;
	struct records_options options;
	struct place place;
	const char *at, *end; /* of the piece read last */
	struct stage_csv_text carry;
	char *pool; /* to check JSON in */
	size_t pool_size;
	struct stage_csv csv;
	bool open, ended, skipping;
};

void records_init(struct records *records);
/* `inode` is that of the file when it was begun, 0: not yet. */
int records_open(struct records *records, int root, const char *path,
	const struct records_options *options, const struct place *from, uint64_t inode,
	struct stage_ctx *ctx, struct trouble *trouble);
void records_close(struct records *records);
enum records_result records_next(struct records *records, struct stage_ctx *ctx,
	struct record *ret, struct trouble *trouble);

#endif
