/*
 * What only the ledger on disk promises: it is there again after a restart and after SIGKILL,
 * belongs to one process, and says in words why it cannot be opened.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#define MAX_BYTES (64u << 20)

Test(restart, what_was_committed_is_there_again)
{
	struct buf block = BUF_INIT, bitmap = BUF_INIT, state = BUF_INIT;
	struct id job = id_of(1);
	struct ledger *ledger;
	struct ledger_stat before, after;
	uint64_t number;
	char dir[256];

	folder_make(dir);
	ledger = open_lmdb(dir, MAX_BYTES);
	fill(&block, 300000, 4);
	begin(ledger);
	put_job(ledger, job, "{}", "r");
	put_input(ledger, job, 12, &block);
	append_results(ledger, job, 0, 10, 0);
	ledger->ops->put_state(ledger, &job, "cursor", 6, NULL);
	commit(ledger);
	begin(ledger);
	ledger->ops->put_state(ledger, &job, "not this", 8, NULL);
	ledger->ops->stat(ledger, &before);
	ledger_close(ledger); /* in the middle of a transaction */
	ledger = open_lmdb(dir, MAX_BYTES);
	ledger->ops->stat(ledger, &after);
	cr_expect_gt(after.used_bytes, 300000, "known before the first commit");
	cr_expect_leq(after.used_bytes, before.used_bytes + 65536);
	buf_clear(&block);
	cr_assert_eq(
		ledger->ops->next_input(ledger, &job, 0, &number, &block, &bitmap, NULL), 1);
	cr_expect_eq(number, 12);
	cr_expect_eq(block.len, 300000);
	cr_expect(is_filled(block.data, block.len, 4));
	ledger->ops->get_state(ledger, &job, &state, NULL);
	cr_expect_eq(state.len, 6);
	cr_expect_arr_eq(state.data, "cursor", 6);
	ledger_close(ledger);
	buf_done(&block);
	buf_done(&bitmap);
	buf_done(&state);
	folder_remove(dir);
}

/*
 * Many states of a sink may go into one transaction, a long one in front of a shorter: LMDB
 * leaves that on the pages of the longer, which is no damage.
 */
Test(restart, a_value_that_became_shorter_in_its_transaction_is_no_damage)
{
	struct buf state = BUF_INIT;
	struct id job = id_of(1);
	struct ledger *ledger;
	char dir[256];

	folder_make(dir);
	ledger = open_lmdb(dir, MAX_BYTES);
	for (size_t len = 60000; len > 0; len /= 2) {
		begin(ledger);
		put_job(ledger, job, "{}", "r");
		buf_clear(&state);
		fill(&state, 60000, 1);
		ledger->ops->put_state(ledger, &job, state.data, state.len, NULL);
		ledger->ops->put_state(ledger, &job, state.data, len, NULL);
		commit(ledger);
		ledger_close(ledger);
		ledger = open_lmdb(dir, MAX_BYTES);
		buf_clear(&state);
		cr_assert_eq(ledger->ops->get_state(ledger, &job, &state, NULL), 0);
		cr_expect_eq(state.len, len);
		cr_expect(is_filled(state.data, state.len, 1), "%zu bytes", len);
	}
	ledger_close(ledger);
	buf_done(&state);
	folder_remove(dir);
}

/* ---- who may open it ---- */

static void expect_refused(const char *dir, const char *why)
{
	struct ledger_lmdb_config config = { dir, MAX_BYTES };
	struct ledger *ledger = NULL;
	struct error err = { 0 };

	cr_assert_lt(ledger_lmdb_open(&config, &ledger, &err), 0);
	cr_expect_null(ledger);
	cr_expect_eq(err.code, ERR_STORE);
	cr_expect_not_null(strstr(err.text, why), "%s", err.text);
	cr_expect_not_null(strstr(err.text, dir), "%s", err.text);
}

Test(folder, belongs_to_one_process)
{
	struct ledger *ledger;
	char dir[256], pid[40];

	folder_make(dir);
	ledger = open_lmdb(dir, MAX_BYTES);
	snprintf(pid, sizeof(pid), "another leat (process %d)", (int)getpid());
	expect_refused(dir, pid);
	ledger_close(ledger);
	ledger_close(open_lmdb(dir, MAX_BYTES));
	folder_remove(dir);
}

Test(folder, is_made_with_its_parents)
{
	char dir[256], inner[300], outer[300];

	folder_make(dir);
	snprintf(outer, sizeof(outer), "%s/a", dir);
	snprintf(inner, sizeof(inner), "%s/a/b", dir);
	ledger_close(open_lmdb(inner, MAX_BYTES));
	folder_remove(inner);
	folder_remove(outer);
	folder_remove(dir);
}

Test(folder, that_cannot_be_is_refused_in_words)
{
	char dir[256], file[300];

	folder_make(dir);
	snprintf(file, sizeof(file), "%s/leat.lock/below", dir);
	ledger_close(open_lmdb(dir, MAX_BYTES));
	expect_refused(file, "cannot make the data folder");
	folder_remove(dir);
}

/* Change the format's version as a newer leat would. */
static void write_format(const char *dir, uint64_t format)
{
	MDB_val key = { 6, (char[]){ "format" } }, value = { sizeof(format), &format };
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi meta;

	cr_assert_eq(mdb_env_create(&env), 0);
	cr_assert_eq(mdb_env_set_maxdbs(env, 10), 0);
	cr_assert_eq(mdb_env_open(env, dir, 0, 0600), 0);
	cr_assert_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
	cr_assert_eq(mdb_dbi_open(txn, "meta", 0, &meta), 0);
	cr_assert_eq(mdb_put(txn, meta, &key, &value, 0), 0);
	cr_assert_eq(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

Test(folder, of_a_newer_leat_is_refused_in_words)
{
	char dir[256];

	folder_make(dir);
	ledger_close(open_lmdb(dir, MAX_BYTES));
	write_format(dir, 3);
	expect_refused(dir, "newer leat (format 3");
	expect_refused(dir, "newer leat"); /* and it has not been changed */
	write_format(dir, 2);
	ledger_close(open_lmdb(dir, MAX_BYTES));
	folder_remove(dir);
}

Test(folder, with_damage_is_refused_in_words)
{
	char dir[256], path[300];
	FILE *file;

	folder_make(dir);
	ledger_close(open_lmdb(dir, MAX_BYTES));
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	file = fopen(path, "r+");
	cr_assert_not_null(file);
	for (int at = 0; at < 8192; at++)
		fputc('x', file);
	fclose(file);
	expect_refused(dir, "is damaged");
	folder_remove(dir);
}

Test(folder, files_are_for_their_owner_only)
{
	static const char *const names[] = { "data.mdb", "lock.mdb", "leat.lock" };
	struct stat file;
	char dir[256], path[300];

	folder_make(dir);
	ledger_close(open_lmdb(dir, MAX_BYTES));
	for (size_t at = 0; at < ARRAY_SIZE(names); at++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[at]);
		cr_assert_eq(stat(path, &file), 0);
		cr_expect_eq(file.st_mode & 0077, 0, "%s", names[at]);
	}
	folder_remove(dir);
}

/* ---- SIGKILL ---- */

/* Commit one block after another and acknowledge each through the pipe. */
static void commit_for_ever(const char *dir, uint64_t number, int acks)
{
	struct ledger *ledger = open_lmdb(dir, MAX_BYTES);
	struct id job = id_of(1);
	struct buf block = BUF_INIT;

	for (;; number++) {
		buf_clear(&block);
		fill(&block, 1000 + number * 7919 % 150000, (unsigned)number);
		begin(ledger);
		put_input(ledger, job, number, &block);
		append_results(ledger, job, number, 1, 0);
		if (number > 20) {
			ledger->ops->drop_input(ledger, &job, number - 20, NULL);
			ledger->ops->trim_results(ledger, &job, number - 20, NULL);
		}
		commit(ledger);
		if (write(acks, &number, sizeof(number)) != sizeof(number))
			_exit(1);
	}
}

static uint64_t kill_after(pid_t child, int acks, int count)
{
	uint64_t number = 0, last = 0;

	while (count-- > 0)
		cr_assert_eq(read(acks, &last, sizeof(last)), (ssize_t)sizeof(last));
	kill(child, SIGKILL);
	while (read(acks, &number, sizeof(number)) == sizeof(number))
		last = number;
	waitpid(child, NULL, 0);
	return last;
}

/* Blocks up to `acked` or one more, none missing, each whole; returns the last one's number. */
static uint64_t check_after_kill(const char *dir, uint64_t acked)
{
	struct ledger *ledger = open_lmdb(dir, MAX_BYTES);
	struct buf bytes = BUF_INIT, bitmap = BUF_INIT;
	struct id job = id_of(1);
	uint64_t numbers[64], first, last, sum;
	size_t count;

	cr_assert_eq(ledger->ops->input_range(ledger, &job, &first, &last, &sum, NULL), 1);
	cr_expect(last == acked || last == acked + 1, "%llu is acknowledged, %llu is there",
		(unsigned long long)acked, (unsigned long long)last);
	count = numbers_from(ledger, job, LEDGER_RESULTS, 0, numbers, 64);
	cr_expect_eq(numbers[count - 1], last, "results and input are one transaction");
	for (uint64_t number = first; number <= last; number++) {
		uint64_t block;

		ledger->ops->next_input(ledger, &job, number, &block, &bytes, &bitmap, NULL);
		cr_expect_eq(block, number);
		cr_expect(is_filled(bytes.data, bytes.len, (unsigned)number));
	}
	ledger_close(ledger);
	buf_done(&bytes);
	buf_done(&bitmap);
	return last;
}

Test(killed, what_was_acknowledged_is_there)
{
	uint64_t last = 0, acked;
	char dir[256];

	folder_make(dir);
	for (int round = 0; round < 12; round++) {
		int acks[2];
		pid_t child;

		cr_assert_eq(pipe(acks), 0);
		child = fork();
		if (child == 0) {
			close(acks[0]);
			commit_for_ever(dir, last + 1, acks[1]);
		}
		close(acks[1]);
		acked = kill_after(child, acks[0], 1 + round * 7);
		close(acks[0]);
		last = check_after_kill(dir, acked);
	}
	folder_remove(dir);
}
