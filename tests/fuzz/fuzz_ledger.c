/*
 * fuzz_ledger: whatever stands in the ledger, a record is refused with words or read within its
 * bounds; what was read and is written again reads the same.
 *
 * The first byte says which record the rest is: b, r, f, j. With a capital letter its checksum
 * is made right first, so that what is behind it is reached.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fuzz.h"
#include "job/record.h"
#include "ledger/block.h"

static void must(int truth)
{
	if (!truth)
		abort();
}

/* The checksum at `at` is that of what follows the head. */
static void make_right(char *bytes, size_t len, size_t at, size_t head)
{
	uint64_t sum;

	if (len < head)
		return;
	sum = block_checksum(bytes + head, len - head);
	memcpy(bytes + at, &sum, sizeof(sum));
}

static void refused(const struct error *err)
{
	must(err->code == ERR_STORE && err->text[0] != '\0');
}

static void read_input(char *bytes, size_t len, bool right)
{
	struct block_head head;
	struct error err = { 0 };

	if (right)
		make_right(bytes, len, offsetof(struct block_head, checksum), sizeof(head));
	if (block_check(bytes, len, &head, &err) < 0) {
		refused(&err);
		return;
	}
	/* A text each, and each ends with a NUL. */
	must(head.count <= len && (head.count == 0 || bytes[len - 1] == '\0'));
	block_seal((struct block_head *)bytes, len - sizeof(head));
	must(block_check(bytes, len, &head, &err) == 0);
}

static void read_results(char *bytes, size_t len, bool right)
{
	struct result_view view;
	struct error err = { 0 };
	uint64_t sum = 0; /* all of it is looked at */

	if (right)
		make_right(bytes, len, offsetof(struct result_head, checksum),
			sizeof(struct result_head));
	if (result_view(bytes, len, &view, &err) < 0) {
		refused(&err);
		return;
	}
	must(result_count(bytes, len) == view.count);
	must(view.lines + view.lines_len == bytes + len);
	for (uint32_t at = 0; at < view.count; at++)
		sum += result_view_item(&view, at);
	for (size_t at = 0; at < view.lines_len; at++)
		sum += (unsigned char)view.lines[at];
	__asm__ volatile("" : : "r"(sum));
}

static void read_failure(char *bytes, size_t len, bool right)
{
	struct failure_view view;
	struct error err = { 0 };
	struct buf again = BUF_INIT;
	_auto_free_ char *error = NULL, *input = NULL;

	if (right)
		make_right(bytes, len, offsetof(struct failure_head, checksum),
			sizeof(struct failure_head));
	if (failure_view(bytes, len, &view, &err) < 0) {
		refused(&err);
		return;
	}
	must((size_t)view.head.error_len + view.head.input_len <= len);
	error = mem_strndup(view.error, view.head.error_len);
	input = mem_strndup(view.input, view.head.input_len);
	must(error != NULL && input != NULL);
	must(failure_kind_name((enum failure_kind)view.head.kind) != NULL);
	must(failure_encode(view.head, view.error, view.input, &again) == 0);
	must(again.len == len && memcmp(again.data, bytes, len) == 0);
	buf_done(&again);
}

static void write_record(const struct job_record *record, struct buf *to)
{
	must(job_record_encode(record, to) == 0);
}

static void read_record(const char *bytes, size_t len)
{
	struct buf once = BUF_INIT, twice = BUF_INIT;
	struct job_record record = { 0 }, again = { 0 };
	struct error err = { 0 };

	if (job_record_decode(bytes, len, &record, &err) < 0) {
		refused(&err);
		return;
	}
	must(record.state < JOB_STATE_COUNT);
	must(memchr(record.owner, '\0', sizeof(record.owner)) != NULL);
	write_record(&record, &once);
	must(job_record_decode(once.data, once.len, &again, &err) == 0);
	write_record(&again, &twice);
	must(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
	job_record_done(&record);
	job_record_done(&again);
	buf_done(&once);
	buf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = size - 1;
	char *bytes;

	if (size == 0)
		return 0;
	bytes = malloc(len + (len == 0)); /* nothing behind it: reading too far is seen */
	must(bytes != NULL);
	memcpy(bytes, data + 1, len);
	switch (tolower(data[0])) {
	case 'b':
		read_input(bytes, len, isupper(data[0]));
		break;
	case 'r':
		read_results(bytes, len, isupper(data[0]));
		break;
	case 'f':
		read_failure(bytes, len, isupper(data[0]));
		break;
	default:
		read_record(bytes, len);
	}
	free(bytes);
	return 0;
}
