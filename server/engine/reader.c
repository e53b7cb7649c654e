#include "engine/reader.h"

#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/role.h"

#define RUNS_MAX 4096 /* in one page; failures are a run each */

struct fetch;

struct reader {
	struct job *job;
	enum ledger_log log;
	uint64_t next;
	struct page page;
	size_t run_capacity;
	struct fetch *fetch; /* under way, NULL */
};

/* One read under way; it outlives its reader. */
struct fetch {
	uv_work_t work;
	struct reader *reader; /* NULL: closed meanwhile */
	struct ledger *ledger;
	struct job *job; /* a reference */
	struct id id;
	enum ledger_log log;
	uint64_t next, known; /* known: values numbered below it have been committed */
	uint64_t max_count;
	size_t max_bytes;
	struct page page;
	size_t run_capacity;
	bool no_memory;
	int result;
	struct error err;
	void (*reply)(void *arg, const struct page *page, const struct error *err);
	void *arg;
};

/* ---- cursors ---- */

static uint32_t cursor_check(const struct job *job, enum ledger_log log, uint64_t seq)
{
	struct {
		struct id id;
		uint64_t log, seq;
	} key = { *job_id(job), (uint64_t)log, seq };

	return (uint32_t)block_checksum(&key, sizeof(key));
}

void cursor_format(const struct job *job, enum ledger_log log, uint64_t seq,
	char ret_text[static CURSOR_TEXT_SIZE])
{
	snprintf(ret_text, CURSOR_TEXT_SIZE, "%c%llx-%08x", log == LEDGER_RESULTS ? 'r' : 'f',
		(unsigned long long)seq, cursor_check(job, log, seq));
}

int cursor_parse(const struct job *job, enum ledger_log log, const char *text,
	uint64_t *ret_next, struct error *err)
{
	char again[CURSOR_TEXT_SIZE];
	unsigned long long seq = 0;

	if (sscanf(text, "%*1[rf]%16llx-", &seq) == 1 && seq < UINT64_MAX) {
		cursor_format(job, log, seq, again);
		if (strcmp(again, text) == 0) {
			*ret_next = seq + 1;
			return 0;
		}
	}
	return error_set(err, ERR_BAD_CURSOR,
		"'%.40s' is not a cursor of this job's %s; take it from their 'next' or Link",
		text, log == LEDGER_RESULTS ? "results" : "failures");
}

/* ---- pages ---- */

static void page_done(struct page *page)
{
	buf_done(&page->bytes);
	mem_free(page->runs);
	*page = (struct page){ 0 };
}

static bool next_record(const struct page *page, size_t *run, struct page_line *ret)
{
	const struct page_run *at = &page->runs[(*run)++];
	struct failure_head head;

	memcpy(&head, page->bytes.data + at->at, sizeof(head));
	*ret = (struct page_line){ at->seq, head.item, page->bytes.data + at->at, at->len };
	return true;
}

bool page_next_line(const struct page *page, size_t *run, uint32_t *index, size_t *offset,
	struct page_line *ret)
{
	const struct page_run *at;
	const char *from, *end;

	while (*run < page->run_count && *index == page->runs[*run].count) {
		(*run)++;
		*index = 0;
		*offset = 0;
	}
	if (*run == page->run_count)
		return false;
	at = &page->runs[*run];
	if (at->items_at == PAGE_NO_ITEMS)
		return next_record(page, run, ret);
	from = page->bytes.data + at->at + *offset;
	end = memchr(from, '\n', at->len - *offset);
	memcpy(&ret->item, page->bytes.data + at->items_at + *index * sizeof(ret->item),
		sizeof(ret->item));
	ret->seq = at->seq + *index;
	ret->text = from;
	ret->len = (size_t)(end - from);
	*offset += ret->len + 1;
	(*index)++;
	return true;
}

/* ---- a fetch, on a pool thread ---- */

static struct page_run *add_run(struct fetch *fetch)
{
	size_t capacity = fetch->run_capacity == 0 ? 16 : fetch->run_capacity * 2;
	struct page_run *runs;

	if (fetch->page.run_count == fetch->run_capacity) {
		runs = mem_realloc(fetch->page.runs, capacity * sizeof(*runs));
		if (runs == NULL)
			return NULL;
		fetch->page.runs = runs;
		fetch->run_capacity = capacity;
	}
	return &fetch->page.runs[fetch->page.run_count++];
}

static bool stop_without_memory(struct fetch *fetch)
{
	fetch->no_memory = true;
	return false;
}

/* `lines` on; NULL: there are not so many. */
static const char *after_lines(const char *at, const char *end, uint64_t lines)
{
	for (; lines > 0 && at != NULL; lines--) {
		at = at == end ? NULL : memchr(at, '\n', (size_t)(end - at));
		at = at == NULL ? NULL : at + 1;
	}
	return at;
}

static bool damaged(struct fetch *fetch, uint64_t seq)
{
	fetch->result = error_set(&fetch->err, ERR_STORE, "the result block %llu is damaged",
		(unsigned long long)seq);
	return false;
}

static bool expired(struct fetch *fetch)
{
	fetch->result = error_set(&fetch->err, ERR_RESULTS_EXPIRED,
		"the results behind this cursor have been removed; begin again without 'after'");
	return false;
}

static bool page_is_full(const struct fetch *fetch)
{
	return fetch->page.count >= fetch->max_count ||
	       fetch->page.bytes.len >= fetch->max_bytes || fetch->page.run_count >= RUNS_MAX;
}

/* Lines `skip` to `skip + take` of a block, item numbers first, in one run. */
static bool copy_lines(struct fetch *fetch, uint64_t seq, const struct result_view *view,
	uint32_t skip, uint32_t take)
{
	const char *end = view->lines + view->lines_len;
	const char *from = after_lines(view->lines, end, skip);
	const char *to = take == view->count - skip ? end : NULL;
	struct buf *bytes = &fetch->page.bytes;
	struct page_run *run;

	if (to == NULL && from != NULL)
		to = after_lines(from, end, take);
	if (from == NULL || to == NULL)
		return damaged(fetch, seq);
	if (buf_reserve(bytes, take * sizeof(uint64_t) + (size_t)(to - from)) < 0)
		return stop_without_memory(fetch);
	run = add_run(fetch);
	if (run == NULL)
		return stop_without_memory(fetch);
	run->seq = seq + skip;
	run->count = take;
	run->items_at = bytes->len;
	buf_append(bytes, view->items + skip * sizeof(uint64_t), take * sizeof(uint64_t));
	run->at = bytes->len;
	run->len = (size_t)(to - from);
	buf_append(bytes, from, run->len);
	fetch->page.count += take;
	fetch->page.next = run->seq + take;
	return true;
}

static bool visit_results(void *arg, uint64_t seq, const void *bytes, size_t len)
{
	struct fetch *fetch = arg;
	struct result_view view;
	uint64_t take;

	if (result_view(bytes, len, &view, &fetch->err) < 0) {
		fetch->result = -1;
		return false;
	}
	if (seq + view.count <= fetch->page.next)
		return true;
	if (seq > fetch->page.next)
		return fetch->page.count == 0 ? expired(fetch) : false;
	if (seq == fetch->page.next && seq > 0 && fetch->page.count == 0 && view.count > 1 &&
		fault_planted("cursor-skips"))
		fetch->page.next++;
	take = MIN(seq + view.count - fetch->page.next, fetch->max_count - fetch->page.count);
	if (!copy_lines(fetch, seq, &view, (uint32_t)(fetch->page.next - seq), (uint32_t)take))
		return false;
	return !page_is_full(fetch);
}

/* Failures that ran again are gone, so their numbers have gaps. */
static bool visit_failures(void *arg, uint64_t seq, const void *bytes, size_t len)
{
	struct fetch *fetch = arg;
	struct failure_view view;
	struct page_run *run;

	if (seq < fetch->page.next)
		return true;
	if (failure_view(bytes, len, &view, &fetch->err) < 0) {
		fetch->result = -1;
		return false;
	}
	if (buf_reserve(&fetch->page.bytes, len) < 0 || (run = add_run(fetch)) == NULL)
		return stop_without_memory(fetch);
	*run = (struct page_run){ seq, 1, fetch->page.bytes.len, len, PAGE_NO_ITEMS };
	buf_append(&fetch->page.bytes, bytes, len);
	fetch->page.count++;
	fetch->page.next = seq + 1;
	return !page_is_full(fetch);
}

static void read_ledger(uv_work_t *work)
{
	struct fetch *fetch = CONTAINER_OF(work, struct fetch, work);
	bool results = fetch->log == LEDGER_RESULTS;
	int result;

	if (role_current == ROLE_NONE)
		role_enter(ROLE_READER);
	result = fetch->ledger->ops->each_value(fetch->ledger, &fetch->id, fetch->log,
		fetch->next, results ? visit_results : visit_failures, fetch, &fetch->err);
	if (fetch->no_memory)
		result = error_no_memory(&fetch->err);
	if (result < 0)
		fetch->result = result;
	if (fetch->result < 0 || fetch->page.count > 0 || fetch->known <= fetch->next)
		return;
	/* Nothing where something was. */
	if (results)
		expired(fetch);
	else
		fetch->page.next = fetch->known;
}

/* ---- the loop's side ---- */

static void fetched(uv_work_t *work, int status)
{
	struct fetch *fetch = CONTAINER_OF(work, struct fetch, work);
	struct reader *reader = fetch->reader;

	job_unref(fetch->job);
	if (reader == NULL) {
		page_done(&fetch->page);
		mem_free(fetch);
		return;
	}
	reader->fetch = NULL;
	reader->page = fetch->page;
	reader->run_capacity = fetch->run_capacity;
	if (fetch->result == 0)
		reader->next = fetch->page.next;
	/* The reply may close the reader or fetch again. */
	fetch->reply(fetch->arg, fetch->result < 0 ? NULL : &reader->page,
		fetch->result < 0 ? &fetch->err : NULL);
	mem_free(fetch);
}

static uint64_t committed(const struct reader *reader)
{
	const struct job_record *record = job_record(reader->job);

	return reader->log == LEDGER_RESULTS ? record->results : record->next_failure;
}

int reader_open(struct job *job, enum ledger_log log, uint64_t next, struct reader **ret,
	struct error *err)
{
	const struct job_record *record = job_record(job);
	struct reader *reader;

	if (record->expired != 0)
		return error_set(err, ERR_RESULTS_EXPIRED,
			"the job's retention time is over: its results and failures were removed");
	reader = mem_zalloc(sizeof(*reader));
	if (reader == NULL)
		return error_no_memory(err);
	reader->job = job_ref(job);
	reader->log = log;
	reader->next = next;
	if (next > committed(reader)) {
		reader_close(reader);
		return error_set(
			err, ERR_BAD_CURSOR, "the cursor lies behind the last one there is");
	}
	*ret = reader;
	return 0;
}

/* The page's memory is used again. */
static void lend_page(struct reader *reader, struct fetch *fetch)
{
	fetch->page = reader->page;
	fetch->page.count = 0;
	fetch->page.run_count = 0;
	fetch->page.next = reader->next;
	buf_clear(&fetch->page.bytes);
	fetch->run_capacity = reader->run_capacity;
	reader->page = (struct page){ 0 };
	reader->run_capacity = 0;
	reader->fetch = fetch;
}

int reader_fetch(struct reader *reader, uint64_t max_count, size_t max_bytes,
	void (*reply)(void *arg, const struct page *page, const struct error *err), void *arg,
	struct error *err)
{
	struct engine *engine = job_engine(reader->job);
	struct fetch *fetch;

	assert_on(ROLE_LOOP);
	assert(reader->fetch == NULL && max_count > 0);
	fetch = mem_zalloc(sizeof(*fetch));
	if (fetch == NULL)
		return error_no_memory(err);
	fetch->reader = reader;
	fetch->ledger = engine_ledger(engine);
	fetch->job = job_ref(reader->job);
	fetch->id = *job_id(reader->job);
	fetch->log = reader->log;
	fetch->next = reader->next;
	fetch->known = committed(reader);
	fetch->max_count = max_count;
	fetch->max_bytes = max_bytes;
	fetch->reply = reply;
	fetch->arg = arg;
	lend_page(reader, fetch);
	uv_queue_work(engine_loop(engine), &fetch->work, read_ledger, fetched);
	return 0;
}

void reader_trim(struct reader *reader)
{
	assert(reader->fetch == NULL);
	page_done(&reader->page);
	reader->run_capacity = 0;
}

uint64_t reader_next(const struct reader *reader)
{
	return reader->next;
}

bool reader_at_end(const struct reader *reader)
{
	return job_is_done(reader->job) && reader->next >= committed(reader);
}

void reader_close(struct reader *reader)
{
	if (reader == NULL)
		return;
	if (reader->fetch != NULL)
		reader->fetch->reader = NULL;
	page_done(&reader->page);
	job_unref(reader->job);
	mem_free(reader);
}
