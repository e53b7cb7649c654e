/*
 * What commit() says is what the disk holds, whichever write or sync fails (fault_io.h).
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "fault_io.h"
#include "fixture.h"

#define MAX_BYTES (64u << 20)

static void arm(long first, long count, int code, bool after)
{
	faults = (struct faults){ true, first, count, code, after, 0 };
}

static long disarm(void)
{
	faults.armed = false;
	return faults.calls;
}

/* ---- a ledger whose only block says which transaction was the last ---- */

static void put_round(struct ledger *ledger, unsigned round)
{
	struct buf block = BUF_INIT;

	begin(ledger);
	fill(&block, 150000, round);
	put_input(ledger, id_of(1), 0, &block);
	append_results(ledger, id_of(1), round, 1, 30000);
	buf_done(&block);
}

static void expect_round(struct ledger *ledger, unsigned round)
{
	struct buf bytes = BUF_INIT, bitmap = BUF_INIT;
	struct id job = id_of(1);
	uint64_t block, numbers[100];
	size_t count;

	cr_assert_eq(
		ledger->ops->next_input(ledger, &job, 0, &block, &bytes, &bitmap, NULL), 1);
	cr_expect(is_filled(bytes.data, bytes.len, round), "not round %u", round);
	count = numbers_from(ledger, job, LEDGER_RESULTS, 0, numbers, 100);
	cr_expect_eq(numbers[count - 1], round);
	buf_done(&bytes);
	buf_done(&bitmap);
}

/* A commit with faults; returns the round that must now be found. */
static unsigned try_round(struct ledger *ledger, unsigned old, int code)
{
	struct ledger_stat stat;
	struct error err;
	int result;

	put_round(ledger, old + 1);
	result = ledger->ops->commit(ledger, &err);
	disarm();
	if (result == LEDGER_IN_DOUBT)
		result = ledger->ops->settle(ledger, &err);
	ledger->ops->stat(ledger, &stat);
	cr_expect_eq(stat.writable, result == 0);
	if (result == 0)
		return old + 1;
	cr_expect_eq(err.code, code == ENOSPC ? ERR_DISK_FULL : ERR_STORE);
	return old;
}

/* A commit is three writes of pages at most, a sync, and the meta page. */
#define CALLS_MAX 8

/* What became of commits that had a fault. */
struct fates {
	int failed, worked;
};

static struct fates fail_each_call(int code, bool after, long count)
{
	struct fates fates = { 0 };
	unsigned round = 1, old;
	struct ledger *ledger;
	char dir[256];

	folder_make(dir);
	ledger = open_lmdb(dir, MAX_BYTES);
	put_round(ledger, round);
	commit(ledger);
	for (long at = 0; at < 4 * CALLS_MAX; at++) {
		old = round;
		arm(1 + at % CALLS_MAX, count, code, after);
		round = try_round(ledger, old, code);
		if (faults.calls >= faults.first)
			*(round == old ? &fates.failed : &fates.worked) += 1;
		else /* the commit was over before */
			cr_expect_eq(round, old + 1);
		expect_round(ledger, round);
		ledger_close(ledger);
		ledger = open_lmdb(dir, MAX_BYTES);
		expect_round(ledger, round);
		put_round(ledger, ++round);
		commit(ledger);
		expect_round(ledger, round);
	}
	ledger_close(ledger);
	folder_remove(dir);
	return fates;
}

Test(commit, fails_and_leaves_nothing_when_a_call_fails)
{
	struct fates fates = fail_each_call(EIO, false, 1);

	cr_expect_geq(fates.failed, 12);
	cr_expect_eq(fates.worked, 0);
}

Test(commit, fails_on_a_full_disk_and_recovers)
{
	struct fates fates = fail_each_call(ENOSPC, false, 1);

	cr_expect_geq(fates.failed, 12);
	cr_expect_eq(fates.worked, 0);
}

Test(commit, tells_the_truth_when_a_call_worked_but_says_it_failed)
{
	struct fates fates = fail_each_call(EIO, true, 1);

	cr_expect_geq(fates.failed + fates.worked, 12);
}

/* LMDB takes a meta page whose write failed back; when that fails too, the commit stands. */
Test(commit, that_lmdb_reports_as_failed_but_is_there_is_a_success)
{
	struct fates fates = fail_each_call(EIO, true, 2);

	cr_expect_geq(fates.failed, 8);
	cr_expect_geq(fates.worked, 1);
}

Test(commit, goes_on_after_a_long_time_of_failures)
{
	struct ledger *ledger;
	struct error err;
	char dir[256];

	folder_make(dir);
	ledger = open_lmdb(dir, MAX_BYTES);
	put_round(ledger, 1);
	commit(ledger);
	for (int at = 0; at < 30; at++) {
		put_round(ledger, 2);
		arm(1, 1, at % 2 == 0 ? EIO : ENOSPC, false);
		cr_expect_lt(ledger->ops->commit(ledger, &err), 0);
		disarm();
		expect_round(ledger, 1);
	}
	put_round(ledger, 2);
	commit(ledger);
	expect_round(ledger, 2);
	ledger_close(ledger);
	folder_remove(dir);
}

/* From the `first` call on all fail; returns the round that must be found when they no longer
 * do. */
static unsigned outlast(struct ledger *ledger, unsigned old, long first, int *doubts)
{
	struct error err;
	int result;

	put_round(ledger, old + 1);
	arm(first, 1000, EIO, first % 2 == 0);
	result = ledger->ops->commit(ledger, &err);
	for (int at = 0; at < 3 && result == LEDGER_IN_DOUBT; at++) {
		++*doubts;
		result = ledger->ops->settle(ledger, &err);
		cr_expect_eq(result, LEDGER_IN_DOUBT, "it cannot know yet");
		cr_expect_eq(err.code, ERR_STORE);
	}
	disarm();
	if (result == LEDGER_IN_DOUBT)
		result = ledger->ops->settle(ledger, &err);
	cr_expect_leq(result, 0, "now it can be known");
	return result == 0 ? old + 1 : old;
}

Test(commit, in_doubt_for_long_is_known_once_the_disk_works)
{
	unsigned round = 1;
	struct ledger *ledger;
	int doubts = 0;
	char dir[256];

	folder_make(dir);
	ledger = open_lmdb(dir, MAX_BYTES);
	put_round(ledger, round);
	commit(ledger);
	for (long at = 0; at < 4 * CALLS_MAX;
		at++) { /* a commit has not always as many calls */
		round = outlast(ledger, round, 1 + at % CALLS_MAX, &doubts);
		expect_round(ledger, round);
		put_round(ledger, ++round);
		commit(ledger);
	}
	cr_expect_geq(doubts, 3, "the meta page was among them");
	ledger_close(ledger);
	ledger = open_lmdb(dir, MAX_BYTES);
	expect_round(ledger, round);
	ledger_close(ledger);
	folder_remove(dir);
}
