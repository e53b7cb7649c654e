/*
 * fuzz_cursor: a cursor is taken only where it is, byte for byte, one that this job and log
 * would have given; and every one that was given is taken.
 *
 * The first byte says which log; the rest is the cursor as it stands in a query, and its first
 * eight bytes are a number to make one of. The job behind it is the test's own.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/reader.h"
#include "fuzz.h"

struct job {
	struct id id;
};

static struct job mine = { { { 1, 2, 3 } } }, other = { { { 1, 2, 4 } } };

struct job *job_ref(struct job *job)
{
	return job;
}

void job_unref(struct job *job)
{
	(void)job;
}

const struct id *job_id(const struct job *job)
{
	return &job->id;
}

struct engine *job_engine(const struct job *job)
{
	(void)job;
	return NULL;
}

bool job_is_done(const struct job *job)
{
	(void)job;
	return false;
}

const struct job_record *job_record(const struct job *job)
{
	(void)job;
	return NULL;
}

struct ledger *engine_ledger(struct engine *engine)
{
	(void)engine;
	return NULL;
}

uv_loop_t *engine_loop(struct engine *engine)
{
	(void)engine;
	return NULL;
}

static void must(int truth)
{
	if (!truth)
		abort();
}

static void check_text(enum ledger_log log, const char *text)
{
	char given[CURSOR_TEXT_SIZE];
	struct error err = { 0 };
	uint64_t next = 0;

	if (cursor_parse(&mine, log, text, &next, &err) < 0) {
		must(err.code == ERR_BAD_CURSOR && err.text[0] != '\0');
		return;
	}
	must(next > 0);
	cursor_format(&mine, log, next - 1, given);
	must(strcmp(given, text) == 0);
}

static void check_number(enum ledger_log log, uint64_t seq)
{
	enum ledger_log wrong = log == LEDGER_RESULTS ? LEDGER_FAILURES : LEDGER_RESULTS;
	char text[CURSOR_TEXT_SIZE];
	struct error err = { 0 };
	uint64_t next = 0;

	cursor_format(&mine, log, seq, text);
	if (seq == UINT64_MAX) {
		must(cursor_parse(&mine, log, text, &next, &err) < 0);
		return;
	}
	must(cursor_parse(&mine, log, text, &next, &err) == 0 && next == seq + 1);
	must(cursor_parse(&mine, wrong, text, &next, &err) < 0);
	must(cursor_parse(&other, log, text, &next, &err) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[2 * CURSOR_TEXT_SIZE] = ""; /* longer ones are all alike */
	enum ledger_log log;
	uint64_t seq;

	if (size == 0 || size > sizeof(text))
		return 0;
	log = data[0] % 2 == 0 ? LEDGER_RESULTS : LEDGER_FAILURES;
	memcpy(text, data + 1, size - 1);
	check_text(log, text);
	if (size > sizeof(seq)) {
		memcpy(&seq, data + 1, sizeof(seq));
		check_number(log, seq);
	}
	return 0;
}
