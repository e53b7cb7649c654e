/*
 * reader: results or failures out of a job, from a cursor on.
 *
 * It reads committed blocks on one of libuv's pool threads, copies them out and lets the
 * ledger go, so a reader holds no pipeline thread and no read transaction, however slow its
 * client is. A cursor is the number of the next value, written so that it cannot be taken
 * for another job's or log's.
 *
 * Thread: loop.
 */
#ifndef LEAT_ENGINE_READER_H
#define LEAT_ENGINE_READER_H

#include "engine/engine.h"
#include "ledger/block.h"

#define CURSOR_TEXT_SIZE 40

/* The cursor that stands *behind* value `seq`: reading goes on with seq + 1. */
void cursor_format(const struct job *job, enum ledger_log log, uint64_t seq,
	char ret_text[static CURSOR_TEXT_SIZE]);
/* ERR_BAD_CURSOR. *ret_next: the number of the next value. */
int cursor_parse(const struct job *job, enum ledger_log log, const char *text,
	uint64_t *ret_next, struct error *err);

struct reader;

struct page_run {
	uint64_t seq; /* of the first value */
	uint32_t count;
	size_t at, len;        /* the lines (results) or the whole record (failures) */
	size_t items_at;       /* results: offset of count unaligned u64 item numbers */
#define PAGE_NO_ITEMS SIZE_MAX /* failures */
};

/* Some values in order, copied out. */
struct page {
	uint64_t next;  /* number of the value behind the last one here */
	uint64_t count; /* values here; 0: none there now */
	struct buf bytes;
	/* Results: runs of lines that each end with '\n'. Failures: one run a value. */
	struct page_run *runs;
	size_t run_count;
};
/*
 * Walk over the lines of a page of results, or the records of one of failures; false at its
 * end. The three counters start at zero.
 */
struct page_line {
	uint64_t seq, item;
	const char *text;
	size_t len; /* without '\n' */
};
bool page_next_line(const struct page *page, size_t *run, uint32_t *index, size_t *offset,
	struct page_line *ret);

int reader_open(struct job *job, enum ledger_log log, uint64_t next, struct reader **ret,
	struct error *err);
/*
 * Read at most max_count values and about max_bytes bytes (at least one value if there is
 * any); the page (owner: reader, until the next fetch or close) comes by `reply` on the loop,
 * never from within the call. One fetch at a time. ERR_RESULTS_EXPIRED, ERR_STORE.
 */
int reader_fetch(struct reader *reader, uint64_t max_count, size_t max_bytes,
	void (*reply)(void *arg, const struct page *page, const struct error *err), void *arg,
	struct error *err);
/* Give the memory of the page back (it is gone then); the next fetch takes new. */
void reader_trim(struct reader *reader);
/* Number of the next value to be read. */
uint64_t reader_next(const struct reader *reader);
/* True when everything committed so far has been read and the job is done. */
bool reader_at_end(const struct reader *reader);
/*
 * May be called while a fetch is under way: its reply then never comes. The fetch itself ends
 * on the loop, so the loop has to run dry before the ledger is closed.
 */
void reader_close(struct reader *reader);

#endif
