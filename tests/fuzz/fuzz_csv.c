/*
 * fuzz_csv: CSV gives the same rows and the same errors however it is cut into pieces; every
 * row is one JSON text on one line, no longer than allowed.
 *
 * The first byte chooses the options, the second the size of the pieces.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/split.h"
#include "fuzz.h"
#include "stage_csv.h"

#define ROW_MAX 60

static struct json_check *check;

static void must(int truth)
{
	if (!truth)
		abort();
}

static void check_row(const struct stage_csv_row *row)
{
	struct error err;

	must(row->len > 0 && row->len <= ROW_MAX && row->json[row->len] == '\0');
	must(memchr(row->json, '\n', row->len) == NULL);
	must(json_check(check, row->json, row->len, &err) == 0);
}

static void take(struct stage_csv *csv, struct buf *out)
{
	enum stage_csv_result got;
	struct stage_csv_row row;

	while ((got = stage_csv_next(csv, &row)) != STAGE_CSV_MORE) {
		must(got != STAGE_CSV_NOMEM);
		must(row.row <= csv->rows && row.line >= 1 && row.line <= csv->line + 1);
		if (got == STAGE_CSV_ROW)
			check_row(&row);
		must(buf_printf(out, "%d %llu %llu %d %d %s\n", got,
			     (unsigned long long)row.row, (unsigned long long)row.line,
			     row.too_long, row.fatal,
			     got == STAGE_CSV_ROW ? row.json : row.error) == 0);
	}
	must(csv->at == csv->end);
}

static void read_in_pieces(const struct stage_csv_options *options, const char *bytes,
	size_t len, size_t piece, struct buf *out)
{
	struct stage_csv csv;

	stage_csv_init(&csv, options);
	for (size_t at = 0; at < len; at += piece) {
		size_t part = MIN(piece, len - at);
		char *copy = malloc(part);

		must(copy != NULL);
		memcpy(copy, bytes + at, part);
		stage_csv_feed(&csv, copy, part);
		take(&csv, out);
		free(copy);
	}
	stage_csv_feed(&csv, NULL, 0);
	stage_csv_end(&csv);
	take(&csv, out);
	must(csv.carry.capacity <= 1024 && csv.out.capacity <= 4096);
	stage_csv_done(&csv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT, parts = BUF_INIT;
	struct stage_csv_options options = { .row_max = ROW_MAX };
	const char *bytes = (const char *)data + 2;

	if (size < 2)
		return 0;
	if (check == NULL)
		must(json_check_new(&check, NULL) == 0);
	options.infer = (data[0] & 1) != 0;
	options.header_absent = (data[0] & 2) != 0;
	options.columns = (data[0] & 4) != 0 ? "x,\"y\"\"\",z" : NULL;
	options.delimiter = (data[0] & 8) != 0 ? ';' : '\0';
	read_in_pieces(&options, bytes, size - 2, size, &whole);
	read_in_pieces(&options, bytes, size - 2, data[1] % 16 + 1u, &parts);
	must(whole.len == parts.len);
	must(whole.len == 0 || memcmp(whole.data, parts.data, whole.len) == 0);
	buf_done(&whole);
	buf_done(&parts);
	return 0;
}
