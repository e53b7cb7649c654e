/*
 * reader: pages of results and failures out of a ledger in memory, and their cursors. The job
 * is the test's own: a record and a ledger.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/mem.h"
#include "engine/reader.h"

/* ---- a job that only has a record ---- */

struct job {
	struct id id;
	struct job_record record;
	bool done;
	int refs;
};

static struct job job;
static struct ledger *ledger;
static uv_loop_t loop;

struct job *job_ref(struct job *at)
{
	at->refs++;
	return at;
}

void job_unref(struct job *at)
{
	at->refs--;
}

const struct id *job_id(const struct job *at)
{
	return &at->id;
}

struct engine *job_engine(const struct job *at)
{
	return NULL;
}

bool job_is_done(const struct job *at)
{
	return at->done;
}

const struct job_record *job_record(const struct job *at)
{
	return &at->record;
}

struct ledger *engine_ledger(struct engine *engine)
{
	return ledger;
}

uv_loop_t *engine_loop(struct engine *engine)
{
	return &loop;
}

/* ---- what is in the ledger ---- */

static void write_block(uint64_t seq, const void *bytes, size_t len, enum ledger_log log)
{
	struct error err;

	cr_assert_eq(ledger->ops->begin(ledger, &err), 0);
	cr_assert_eq(ledger->ops->append(ledger, &job.id, log, seq, bytes, len, &err), 0);
	cr_assert_eq(ledger->ops->commit(ledger, &err), 0);
}

/* `count` results in one block: {"n":SEQ} of item SEQ / 2. */
static void add_results(uint32_t count)
{
	struct result_head head = { .version = BLOCK_VERSION, .count = count };
	struct buf block = BUF_INIT;

	buf_append(&block, &head, sizeof(head));
	for (uint64_t at = 0; at < count; at++) {
		uint64_t item = (job.record.results + at) / 2;

		buf_append(&block, &item, sizeof(item));
	}
	for (uint64_t at = 0; at < count; at++)
		buf_printf(&block, "{\"n\":%llu}\n",
			(unsigned long long)(job.record.results + at));
	head.checksum = block_checksum(block.data + sizeof(head), block.len - sizeof(head));
	memcpy(block.data, &head, sizeof(head));
	write_block(job.record.results, block.data, block.len, LEDGER_RESULTS);
	job.record.results += count;
	buf_done(&block);
}

static void add_failure(uint64_t item)
{
	struct failure_head head = {
		.version = BLOCK_VERSION, .kind = FAILURE_TIMEOUT, .attempts = 3, .item = item
	};
	struct buf record = BUF_INIT;
	const char *why = "too slow", *input = "{\"a\":1}";

	head.error_len = (uint32_t)strlen(why);
	head.input_len = (uint32_t)strlen(input);
	cr_assert_eq(failure_encode(head, why, input, &record), 0);
	write_block(job.record.next_failure++, record.data, record.len, LEDGER_FAILURES);
	buf_done(&record);
}

static void drop_failure(uint64_t seq)
{
	struct error err;

	cr_assert_eq(ledger->ops->begin(ledger, &err), 0);
	cr_assert_eq(ledger->ops->drop_failure(ledger, &job.id, seq, &err), 0);
	cr_assert_eq(ledger->ops->commit(ledger, &err), 0);
}

static void set_up(void)
{
	struct error err;

	cr_assert_eq(ledger_memory_open(&ledger, &err), 0);
	cr_assert_eq(uv_loop_init(&loop), 0);
	job = (struct job){ .id = id_new() };
}

static void tear_down(void)
{
	cr_assert_eq(job.refs, 0, "references on the job: %d", job.refs);
	cr_assert_eq(uv_loop_close(&loop), 0);
	ledger_close(ledger);
}

TestSuite(reader, .init = set_up, .fini = tear_down);

/* ---- reading ---- */

static const struct page *got;
static struct error got_error;
static int replies;

static void on_page(void *arg, const struct page *page, const struct error *err)
{
	replies++;
	got = page;
	if (err != NULL)
		got_error = *err;
}

static struct reader *open_at(enum ledger_log log, uint64_t next)
{
	struct reader *reader;
	struct error err;

	cr_assert_eq(reader_open(&job, log, next, &reader, &err), 0, "%s", err.text);
	return reader;
}

static const struct page *fetch(struct reader *reader, uint64_t max_count, size_t max_bytes)
{
	struct error err;

	replies = 0;
	got = NULL;
	cr_assert_eq(reader_fetch(reader, max_count, max_bytes, on_page, NULL, &err), 0);
	cr_assert_eq(replies, 0, "a reply from within the call");
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(replies, 1);
	return got;
}

/* Every line of the page is the one it should be, in order. */
static void expect_results(const struct page *page, uint64_t from, uint64_t count)
{
	size_t run = 0, offset = 0, bytes = 0;
	struct page_line line;
	uint32_t index = 0;
	char text[40];

	cr_assert_not_null(page);
	cr_assert_eq(page->count, count, "%d", (int)page->count);
	cr_assert_eq(page->next, from + count);
	for (uint64_t seq = from; seq < from + count; seq++) {
		cr_assert(page_next_line(page, &run, &index, &offset, &line));
		snprintf(text, sizeof(text), "{\"n\":%llu}", (unsigned long long)seq);
		cr_assert_eq(line.seq, seq);
		cr_assert_eq(line.item, seq / 2);
		cr_assert_eq(line.len, strlen(text));
		cr_assert_eq(memcmp(line.text, text, line.len), 0);
		bytes += line.len + 1;
	}
	cr_assert_not(page_next_line(page, &run, &index, &offset, &line));
	for (run = 0; run < page->run_count; run++)
		bytes -= page->runs[run].len;
	cr_assert_eq(bytes, 0, "runs hold more or less than their lines");
}

Test(reader, reads_all_blocks_in_order)
{
	struct reader *reader;

	for (int block = 0; block < 20; block++)
		add_results(100);
	reader = open_at(LEDGER_RESULTS, 0);
	expect_results(fetch(reader, UINT64_MAX, 1 << 20), 0, 2000);
	cr_assert_not(reader_at_end(reader), "the job is not done");
	cr_assert_eq(fetch(reader, UINT64_MAX, 1 << 20)->count, 0);
	add_results(3);
	expect_results(fetch(reader, UINT64_MAX, 1 << 20), 2000, 3);
	job.done = true;
	cr_assert(reader_at_end(reader));
	reader_close(reader);
}

Test(reader, begins_and_ends_in_the_middle_of_blocks)
{
	for (int block = 0; block < 4; block++)
		add_results(10);
	for (uint64_t from = 0; from < 40; from++) {
		for (uint64_t count = 1; count <= 41 - from; count += 3) {
			struct reader *reader = open_at(LEDGER_RESULTS, from);

			expect_results(
				fetch(reader, count, 1 << 20), from, MIN(count, 40 - from));
			cr_assert_eq(reader_next(reader), from + MIN(count, 40 - from));
			reader_close(reader);
		}
	}
}

Test(reader, stops_when_the_page_has_about_the_bytes)
{
	struct reader *reader;
	uint64_t next = 0;

	for (int block = 0; block < 50; block++)
		add_results(100);
	reader = open_at(LEDGER_RESULTS, 0);
	while (next < 5000) {
		const struct page *page = fetch(reader, UINT64_MAX, 5000);

		cr_assert_leq(page->bytes.len, 5000 + 100 * 20);
		expect_results(page, next, page->count);
		next += page->count;
		if (next % 1000 == 0)
			reader_trim(reader);
	}
	reader_close(reader);
}

Test(reader, passes_over_failures_that_ran_again)
{
	struct reader *reader;
	struct failure_view view;
	struct page_line line;
	size_t run = 0, offset = 0;
	uint32_t index = 0;

	for (uint64_t item = 0; item < 6; item++)
		add_failure(100 + item);
	drop_failure(0);
	drop_failure(3);
	drop_failure(5);
	reader = open_at(LEDGER_FAILURES, 0);
	cr_assert_eq(fetch(reader, 2, 1 << 20)->count, 2);
	cr_assert(page_next_line(got, &run, &index, &offset, &line));
	cr_assert_eq(line.seq, 1);
	cr_assert_eq(line.item, 101);
	cr_assert_eq(failure_view(line.text, line.len, &view, &got_error), 0);
	cr_assert_eq(memcmp(view.error, "too slow", 8), 0);
	cr_assert(page_next_line(got, &run, &index, &offset, &line));
	cr_assert_eq(line.item, 102);
	cr_assert_not(page_next_line(got, &run, &index, &offset, &line));
	cr_assert_eq(fetch(reader, 100, 1 << 20)->count, 1);
	job.done = true;
	cr_assert_not(reader_at_end(reader));
	cr_assert_eq(fetch(reader, 100, 1 << 20)->count, 0);
	cr_assert(reader_at_end(reader), "the gap at the end is no more to come");
	reader_close(reader);
}

Test(reader, says_when_retention_was_faster)
{
	struct reader *reader;
	struct error err;
	bool more = true;

	add_results(10);
	reader = open_at(LEDGER_RESULTS, 5);
	while (more) {
		ledger->ops->begin(ledger, &err);
		ledger->ops->erase(ledger, &job.id, false, 1 << 20, &more, &err);
		ledger->ops->commit(ledger, &err);
	}
	cr_assert_null(fetch(reader, 10, 1000));
	cr_assert_eq(got_error.code, ERR_RESULTS_EXPIRED, "%s", got_error.text);
	reader_close(reader);
	job.record.expired = 1;
	cr_assert_eq(reader_open(&job, LEDGER_RESULTS, 5, &reader, &err), -1);
	cr_assert_eq(err.code, ERR_RESULTS_EXPIRED);
}

Test(reader, may_be_closed_while_it_reads)
{
	struct reader *reader;
	struct error err;

	add_results(1000);
	reader = open_at(LEDGER_RESULTS, 0);
	replies = 0;
	cr_assert_eq(reader_fetch(reader, 1000, 1 << 20, on_page, NULL, &err), 0);
	reader_close(reader);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(replies, 0);
}

Test(reader, finds_damage)
{
	struct result_head head = { .version = BLOCK_VERSION, .count = 2 };
	struct reader *reader;

	write_block(0, &head, sizeof(head), LEDGER_RESULTS);
	job.record.results = 2;
	reader = open_at(LEDGER_RESULTS, 0);
	cr_assert_null(fetch(reader, 10, 1000));
	cr_assert_eq(got_error.code, ERR_STORE, "%s", got_error.text);
	reader_close(reader);
}

Test(cursor, goes_on_behind_what_it_stands_for)
{
	char text[CURSOR_TEXT_SIZE];
	struct error err;
	uint64_t next;

	job.id = id_new();
	for (uint64_t seq = 0; seq < UINT64_MAX / 3; seq = seq * 3 + 1) {
		cursor_format(&job, LEDGER_RESULTS, seq, text);
		cr_assert_eq(cursor_parse(&job, LEDGER_RESULTS, text, &next, &err), 0);
		cr_assert_eq(next, seq + 1);
	}
}

Test(cursor, is_good_for_its_job_and_log_only)
{
	struct job other = { .id = id_new() };
	char text[CURSOR_TEXT_SIZE];
	struct error err;
	uint64_t next;

	job.id = id_new();
	cursor_format(&job, LEDGER_RESULTS, 7, text);
	cr_assert_eq(cursor_parse(&other, LEDGER_RESULTS, text, &next, &err), -1);
	cr_assert_eq(err.code, ERR_BAD_CURSOR);
	cr_assert_eq(cursor_parse(&job, LEDGER_FAILURES, text, &next, &err), -1);
	text[1] = '8';
	cr_assert_eq(cursor_parse(&job, LEDGER_RESULTS, text, &next, &err), -1);
}

Test(cursor, that_nobody_made_is_refused)
{
	static const char *const wrong[] = { "", "r", "nonsense", "r0", "r0-", "r0-00000000",
		"r-1-00000000", "rffffffffffffffff-00000000", "r00-12345678",
		"r0-12345678901234567890123456789012345678901234567890" };
	struct error err;
	uint64_t next;

	job.id = id_new();
	for (size_t at = 0; at < ARRAY_SIZE(wrong); at++) {
		cr_assert_eq(cursor_parse(&job, LEDGER_RESULTS, wrong[at], &next, &err), -1);
		cr_assert_eq(err.code, ERR_BAD_CURSOR, "%s", wrong[at]);
	}
}

Test(cursor, behind_the_last_one_is_refused)
{
	struct reader *reader;
	struct error err;

	job = (struct job){ .id = id_new() };
	job.record.results = 5;
	cr_assert_eq(reader_open(&job, LEDGER_RESULTS, 6, &reader, &err), -1);
	cr_assert_eq(err.code, ERR_BAD_CURSOR);
	cr_assert_eq(job.refs, 0);
}
