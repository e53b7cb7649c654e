/*
 * Without memory a ledger fails in words and has not changed: each allocation of a whole
 * round of operations fails once (only in a build with -Dfaults=true).
 */
#include <criterion/criterion.h>

#include "base/fault.h"
#include "fixture.h"

/* One of everything that writes, up to the first failure. */
static int write_all(struct ledger *ledger, struct id job, struct error *err)
{
	const struct ledger_ops *ops = ledger->ops;
	static char block[3 * BLOCK_SIZE_MAX];
	bool more;

	if (ops->begin(ledger, err) < 0)
		return -1;
	if (ops->put_job(ledger, &job, "{}", 2, "new", 3, err) < 0 ||
		ops->put_input(ledger, &job, 1, block, sizeof(block), err) < 0 ||
		ops->put_done(ledger, &job, 1, "\1", 1, err) < 0 ||
		ops->drop_input(ledger, &job, 0, err) < 0 ||
		ops->append(ledger, &job, LEDGER_FAILURES, 1, "new", 3, err) < 0 ||
		ops->drop_failure(ledger, &job, 0, err) < 0 ||
		ops->trim_results(ledger, &job, 10, err) < 0 ||
		ops->put_key(ledger, &job, "key", 3, 2, err) < 0 ||
		ops->put_state(ledger, &job, "new", 3, err) < 0 ||
		ops->put_job(ledger, &(struct id){ { 9 } }, "{}", 2, "r", 1, err) < 0 ||
		ops->erase(ledger, &(struct id){ { 8 } }, true, 1 << 20, &more, err) < 0) {
		ops->abort(ledger);
		return -1;
	}
	return ops->commit(ledger, err);
}

static void write_old(struct ledger *ledger, struct id job)
{
	struct buf block = BUF_INIT;

	fill(&block, 100000, 7);
	begin(ledger);
	put_job(ledger, job, "{}", "old");
	put_job(ledger, (struct id){ { 8 } }, "{}", "rec");
	put_input(ledger, job, 0, &block);
	append_results(ledger, job, 0, 10, 0);
	append_failure(ledger, job, 0);
	ledger->ops->put_state(ledger, &job, "old", 3, NULL);
	commit(ledger);
	buf_done(&block);
}

/* 'o' when the job is as write_old() left it, 'n' after write_all(), '?' for a mixture. */
static char age(struct ledger *ledger, struct id job)
{
	struct buf definition = BUF_INIT, record = BUF_INIT, state = BUF_INIT;
	uint64_t number;
	bool other, old, new;

	ledger->ops->get_job(ledger, &job, &definition, &record, NULL);
	ledger->ops->get_state(ledger, &job, &state, NULL);
	other = ledger->ops->get_job(
			ledger, &(struct id){ { 9 } }, &definition, &definition, NULL) == 0;
	old = record.len == 3 && memcmp(record.data, "old", 3) == 0 &&
	      memcmp(state.data, "old", 3) == 0 && next_block(ledger, job, 0) == 0 && !other &&
	      numbers_from(ledger, job, LEDGER_RESULTS, 0, &number, 1) == 1;
	new = record.len == 3 && memcmp(record.data, "new", 3) == 0 &&
	      memcmp(state.data, "new", 3) == 0 && next_block(ledger, job, 0) == 1 &&
	      other &&numbers_from(ledger, job, LEDGER_RESULTS, 0, &number, 1) == 0 &&
	      numbers_from(ledger, job, LEDGER_FAILURES, 0, &number, 1) == 1 && number == 1;
	buf_done(&definition);
	buf_done(&record);
	buf_done(&state);
	return old ? 'o' : new ? 'n' : '?';
}

static void fail_each_allocation(struct ledger *ledger)
{
	struct id job = id_of(5);
	struct error err;
	int failures = 0, result;

	write_old(ledger, job);
	for (long nth = 1;; nth++) {
		fault_arm(FAULT_ALLOC, nth, false);
		result = write_all(ledger, job, &err);
		fault_arm(FAULT_ALLOC, 0, false);
		if (result == 0)
			break;
		failures++;
		cr_expect_eq(err.code, ERR_NO_MEMORY);
		cr_assert_eq(age(ledger, job), 'o', "after failure %ld", nth);
	}
	cr_expect_geq(failures, 1, "nothing was allocated");
	cr_expect_eq(age(ledger, job), 'n');
}

Test(memory, survives_each_failing_allocation)
{
	struct ledger *ledger = open_memory();

	fail_each_allocation(ledger);
	ledger_close(ledger);
}

Test(lmdb, survives_each_failing_allocation)
{
	struct ledger *ledger;
	char dir[256];

	folder_make(dir);
	ledger = open_lmdb(dir, 64 << 20);
	fail_each_allocation(ledger);
	ledger_close(ledger);
	folder_remove(dir);
}

/* Reading: each call once with each of its allocations failing. */
static void read_with_failures(struct ledger *ledger)
{
	struct id job = id_of(5);
	struct error err;
	long nth = 1;
	int result;

	write_old(ledger, job);
	do {
		struct buf bytes = BUF_INIT, bitmap = BUF_INIT;
		uint64_t block;

		fault_arm(FAULT_ALLOC, nth++, false);
		result =
			ledger->ops->next_input(ledger, &job, 0, &block, &bytes, &bitmap, &err);
		fault_arm(FAULT_ALLOC, 0, false);
		cr_expect(result == 1 || err.code == ERR_NO_MEMORY);
		buf_done(&bytes);
		buf_done(&bitmap);
	} while (result < 0);
	cr_expect_geq(nth, 3, "nothing was allocated");
}

Test(memory, reading_fails_in_words)
{
	struct ledger *ledger = open_memory();

	read_with_failures(ledger);
	ledger_close(ledger);
}

Test(lmdb, reading_fails_in_words)
{
	struct ledger *ledger;
	char dir[256];

	folder_make(dir);
	ledger = open_lmdb(dir, 64 << 20);
	read_with_failures(ledger);
	ledger_close(ledger);
	folder_remove(dir);
}

Test(lmdb, cannot_be_opened_without_memory)
{
	struct ledger_lmdb_config config = { .max_bytes = 64 << 20 };
	struct ledger *ledger;
	struct error err;
	char dir[256];
	int result;
	long nth = 1;

	folder_make(dir);
	config.dir = dir;
	do {
		fault_arm(FAULT_ALLOC, nth++, false);
		result = ledger_lmdb_open(&config, &ledger, &err);
		fault_arm(FAULT_ALLOC, 0, false);
		cr_expect(result == 0 || err.code == ERR_NO_MEMORY);
	} while (result < 0);
	cr_expect_geq(nth, 4);
	ledger_close(ledger);
	folder_remove(dir);
}
