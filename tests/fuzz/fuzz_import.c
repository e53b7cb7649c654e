/*
 * fuzz_import: whatever stands in a file that says that it is an export, it is refused with
 * words and nothing of it stays, or all of it is there and can be read.
 *
 * With the ledger in memory; a capital first byte stands for a first line that is right, so
 * that what is behind it is reached.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "job/record.h"
#include "ledger/keeping_import.h"

static void must(int truth)
{
	if (!truth)
		abort();
}

static bool look_at_failure(void *arg, uint64_t seq, const void *bytes, size_t len)
{
	struct failure_view view;
	struct error err = { 0 };

	(void)arg;
	(void)seq;
	must(failure_view(bytes, len, &view, &err) == 0);
	return true;
}

static bool look_at_results(void *arg, uint64_t seq, const void *bytes, size_t len)
{
	struct result_view view;
	struct error err = { 0 };

	(void)arg;
	(void)seq;
	must(result_view(bytes, len, &view, &err) == 0 && view.count > 0);
	return true;
}

struct look {
	struct ledger *ledger;
	struct id ids[64];
	size_t count;
};

static bool remember(void *arg, const struct id *job, const void *definition,
	size_t definition_len, const void *bytes, size_t len)
{
	struct look *look = arg;
	struct job_record record;
	struct error err = { 0 };

	must(definition != NULL && definition_len > 0);
	must(job_record_decode(bytes, len, &record, &err) == 0);
	job_record_done(&record);
	if (look->count < ARRAY_SIZE(look->ids))
		look->ids[look->count++] = *job;
	return true;
}

static void look_at_input(struct ledger *ledger, const struct id *job)
{
	struct buf bytes = BUF_INIT, bitmap = BUF_INIT;
	struct error err = { 0 };
	struct block_head head;
	uint64_t block, from = 0;
	int found;

	while ((found = ledger->ops->next_input(
			ledger, job, from, &block, &bytes, &bitmap, &err)) > 0) {
		must(block_check(bytes.data, bytes.len, &head, &err) == 0);
		must(head.number == block && head.count > 0);
		if (block == UINT64_MAX)
			break;
		from = block + 1;
	}
	must(found >= 0);
	buf_done(&bytes);
	buf_done(&bitmap);
}

static size_t jobs_in(struct ledger *ledger)
{
	struct look look = { .ledger = ledger };
	struct error err = { 0 };

	must(ledger->ops->each_job(ledger, NULL, remember, &look, &err) == 0);
	for (size_t at = 0; at < look.count; at++) {
		const struct id *job = &look.ids[at];

		look_at_input(ledger, job);
		must(ledger->ops->each_value(
			     ledger, job, LEDGER_RESULTS, 0, look_at_results, NULL, &err) == 0);
		must(ledger->ops->each_value(ledger, job, LEDGER_FAILURES, 0, look_at_failure,
			     NULL, &err) == 0);
	}
	return look.count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char first[] = "{\"leat\":\"export\",\"version\":1}\n";
	struct buf file = BUF_INIT;
	struct ledger *ledger;
	struct error err = { 0 };
	uint64_t jobs = 0;
	FILE *from;

	if (size == 0)
		return 0;
	must(!isupper(data[0]) || buf_append(&file, first, sizeof(first) - 1) == 0);
	must(buf_append(&file, data + 1, size - 1) == 0 && buf_append(&file, "", 1) == 0);
	must(ledger_memory_open(&ledger, &err) == 0);
	from = fmemopen(file.data, MAX(file.len - 1, (size_t)1), "r");
	must(from != NULL);
	if (import_all(ledger, from, &jobs, &err) == 0)
		must(jobs_in(ledger) == MIN(jobs, (uint64_t)64));
	else
		must((err.code == ERR_BAD_REQUEST || err.code == ERR_STORE) &&
			err.text[0] != '\0' && jobs_in(ledger) == 0);
	fclose(from);
	ledger_close(ledger);
	buf_done(&file);
	return 0;
}
