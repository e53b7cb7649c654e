/*
 * Pages of the ledger's file that the disk does not give: who reads one is refused, who writes
 * goes on as if nothing had been begun, and all is as before once it can be read again.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "fixture.h"
#include "ledger/lmdb_internal.h"

#define MAX_BYTES (64u << 20)
#define PAGE      4096u

/* ---- reading ---- */

static bool count_one(void *arg, uint64_t seq, const void *bytes, size_t len)
{
	(void)seq;
	cr_expect(len > 0 && ((const char *)bytes)[len - 1] != '\0');
	(*(unsigned *)arg)++;
	return true;
}

/* A file that ends too early is a SIGBUS to who reads it through a map, as is a bad sector. */
Test(unreadable, pages_cost_the_reads_that_need_them_and_come_back)
{
	unsigned whole = 0, seen = 0, refused = 0;
	struct id job = id_of(1);
	struct ledger *ledger;
	struct error err;
	char dir[256], path[300], *tail;
	struct stat file;
	off_t keep;
	int fd;

	folder_make(dir);
	ledger = open_lmdb(dir, MAX_BYTES);
	for (unsigned n = 0; n < 40; n++) {
		begin(ledger);
		put_job(ledger, job, "{}", "r");
		append_results(ledger, job, (uint64_t)n * 10, 10, 60000);
		commit(ledger);
	}
	cr_assert_eq(ledger->ops->each_value(
			     ledger, &job, LEDGER_RESULTS, 0, count_one, &whole, &err),
		0);
	cr_assert_eq(whole, 40);

	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	cr_assert_eq(fstat(fd, &file), 0);
	tail = mem_alloc((size_t)file.st_size);
	for (unsigned part = 0; part < 16; part++) {
		keep = file.st_size / PAGE * part / 16 * PAGE;
		if (keep < 2 * PAGE) /* the meta pages are read by everything */
			keep = 2 * PAGE;
		cr_assert_eq(pread(fd, tail, (size_t)(file.st_size - keep), keep),
			(ssize_t)(file.st_size - keep));
		cr_assert_eq(ftruncate(fd, keep), 0);
		seen = 0;
		if (ledger->ops->each_value(
			    ledger, &job, LEDGER_RESULTS, 0, count_one, &seen, &err) < 0) {
			refused++;
			cr_expect_eq(err.code, ERR_STORE);
			cr_expect_not_null(strstr(err.text, "cannot be read"), "%s", err.text);
		} else {
			cr_expect_eq(seen, whole, "nothing is left out in silence");
		}
		cr_assert_eq(pwrite(fd, tail, (size_t)(file.st_size - keep), keep),
			(ssize_t)(file.st_size - keep));
		seen = 0;
		cr_assert_eq(ledger->ops->each_value(
				     ledger, &job, LEDGER_RESULTS, 0, count_one, &seen, &err),
			0, "%s", err.text);
		cr_expect_eq(seen, whole);
	}
	cr_expect_gt(refused, 10);
	close(fd);
	mem_free(tail);
	begin(ledger); /* and it can be written to */
	append_results(ledger, job, 400, 10, 0);
	commit(ledger);
	ledger_close(ledger);
	ledger_close(open_lmdb(dir, MAX_BYTES));
	folder_remove(dir);
}

/* Of somebody who is not prepared. */
Test(unreadable, another_sigbus_ends_the_process_as_ever)
{
	char dir[256];
	int status;
	pid_t pid;

	folder_make(dir);
	pid = fork();
	if (pid == 0) {
		signal(SIGBUS, SIG_DFL); /* not a sanitizer's */
		ledger_close(open_lmdb(dir, MAX_BYTES));
		raise(SIGBUS);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	folder_remove(dir);
}

/* ---- writing ---- */

#define JOBS 5

/* All that a ledger holds, in one number. */
struct digest {
	uint64_t all;
	const struct id *job;
};

static void digest_bytes(struct digest *digest, const char *bytes, size_t len, uint64_t number)
{
	digest->all = XXH3_64bits_withSeed(bytes, len, digest->all ^ number);
}

static bool digest_value(void *arg, uint64_t seq, const void *bytes, size_t len)
{
	digest_bytes(arg, bytes, len, seq);
	return true;
}

/* Their order is the ledger's own affair. */
static bool digest_key(void *arg, const char *key, size_t len, uint64_t lines)
{
	*(uint64_t *)arg += XXH3_64bits_withSeed(key, len, lines);
	return true;
}

static uint64_t digest_of(struct ledger *ledger)
{
	struct buf bytes = BUF_INIT, bitmap = BUF_INIT;
	struct digest digest = { 0 };
	uint64_t keys, block;
	struct error err;

	for (uint8_t n = 1; n <= JOBS; n++) {
		struct id job = id_of(n);

		keys = 0;
		cr_assert_eq(ledger->ops->each_value(ledger, &job, LEDGER_RESULTS, 0,
				     digest_value, &digest, &err),
			0, "%s", err.text);
		cr_assert_eq(ledger->ops->each_value(ledger, &job, LEDGER_FAILURES, 0,
				     digest_value, &digest, &err),
			0, "%s", err.text);
		cr_assert_eq(ledger->ops->each_key(ledger, &job, digest_key, &keys, &err), 0);
		digest.all ^= keys;
		buf_clear(&bytes);
		cr_assert_eq(ledger->ops->get_state(ledger, &job, &bytes, &err), 0);
		digest_bytes(&digest, bytes.data, bytes.len, n);
		for (block = 0; ledger->ops->next_input(ledger, &job, block, &block, &bytes,
					&bitmap, &err) == 1;
			block++) {
			digest_bytes(&digest, bytes.data, bytes.len, block);
			digest_bytes(&digest, bitmap.data, bitmap.len, block);
		}
	}
	buf_done(&bytes);
	buf_done(&bitmap);
	return digest.all;
}

/* The n-th change: adding and removing, in small and in large, of one job and of another. */
static int change(struct ledger *ledger, unsigned n, struct error *err)
{
	const struct ledger_ops *ops = ledger->ops;
	struct id job = id_of((uint8_t)(1 + n / 8 % JOBS));
	uint64_t seq = (uint64_t)n * 10;
	struct buf bytes = BUF_INIT;
	char key[40];
	bool more;
	int result;

	switch (n % 8) {
	case 0:
	case 1:
		result_block(&bytes, seq, 10, n % 16 == 0 ? 60000 : 700);
		result = ops->append(
			ledger, &job, LEDGER_RESULTS, seq, bytes.data, bytes.len, err);
		break;
	case 2:
		fill(&bytes, n % 16 == 2 ? 20000 : 300, n);
		result = ops->put_input(ledger, &job, n, bytes.data, bytes.len, err);
		if (result == 0)
			result = ops->put_done(ledger, &job, n, bytes.data, 40, err);
		break;
	case 3:
		result = ops->put_key(ledger, &job, key,
			(size_t)snprintf(key, sizeof(key), "key number %u", n), n, err);
		break;
	case 4:
		fill(&bytes, n % 5 * 3000, n);
		result = ops->put_state(ledger, &job, bytes.data, bytes.len, err);
		break;
	case 5: /* what its neighbours put there some rounds ago */
		result = ops->drop_input(ledger, &job, n - 3 - JOBS * 8 * 2, err);
		break;
	case 6:
		result = ops->trim_results(ledger, &job, seq - seq / 8, err);
		break;
	default:
		job = id_of((uint8_t)(1 + n / 8 * 3 % JOBS));
		result = n / 8 % 4 == 0 ? ops->erase(ledger, &job, true, 1u << 20, &more, err)
					: 0;
	}
	buf_done(&bytes);
	return result;
}

/* The n-th change in a transaction of its own: 0, or -1 and it was not done. */
static int transact(struct ledger *ledger, unsigned n, struct error *err)
{
	int result = ledger->ops->begin(ledger, err);

	if (result < 0)
		return -1;
	if (change(ledger, n, err) < 0) {
		ledger->ops->abort(ledger);
		return -1;
	}
	result = ledger->ops->commit(ledger, err);
	while (result == LEDGER_IN_DOUBT)
		result = ledger->ops->settle(ledger, err);
	return result;
}

/* Let `fd` stand in the place of `count` pages of the map from `page` on. */
static void put_there(
	struct ledger_lmdb *lmdb, int fd, uint64_t page, uint64_t count, uint64_t at)
{
	cr_assert_neq(mmap((char *)lmdb->env.map + page * PAGE, count * PAGE, PROT_READ,
			      MAP_SHARED | MAP_FIXED, fd, (off_t)(at * PAGE)),
		MAP_FAILED);
}

struct run {
	struct ledger *ledger, *model;
	struct ledger_lmdb *lmdb;
	int file, nothing; /* pages as they are, and as the disk does not give them */
	unsigned refused, done;
};

/* The n-th change, while these pages are away; and, where it was refused, once they are back.
 */
static void change_without(struct run *run, unsigned n, uint64_t page, uint64_t count)
{
	struct error err;

	put_there(run->lmdb, run->nothing, page, count, 0);
	if (transact(run->ledger, n, &err) == 0) {
		run->done++;
		put_there(run->lmdb, run->file, page, count, page);
	} else {
		run->refused++;
		cr_expect_eq(err.code, ERR_STORE);
		cr_expect_not_null(strstr(err.text, "cannot be read"), "%s", err.text);
		put_there(run->lmdb, run->file, page, count, page);
		cr_assert_eq(digest_of(run->ledger), digest_of(run->model),
			"change %u was refused, and something was done", n);
		cr_assert_eq(transact(run->ledger, n, &err), 0, "%s", err.text);
	}
	cr_assert_eq(transact(run->model, n, &err), 0);
	cr_assert_eq(digest_of(run->ledger), digest_of(run->model),
		"change %u without %u pages from %u on", n, (unsigned)count, (unsigned)page);
}

/*
 * Each page of the file is away while a change is made: alone, with its neighbours, with all
 * behind it. The same changes are made to a ledger in memory, which says what must stand there.
 */
Test(unreadable, pages_cost_the_transactions_that_need_them, .timeout = 110)
{
	static const uint64_t counts[] = { 1, 4, 32, UINT64_MAX };
	struct run run = { .model = open_memory() };
	unsigned n = JOBS * 8 * 3;
	struct ledger_stat stat;
	char dir[256], path[300];
	struct stat file;
	struct error err;

	folder_make(dir);
	run.ledger = open_lmdb(dir, MAX_BYTES);
	run.lmdb = lmdb_of(run.ledger);
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	run.file = open(path, O_RDONLY | O_CLOEXEC);
	run.nothing = memfd_create("nothing", MFD_CLOEXEC);
	cr_assert(run.file >= 0 && run.nothing >= 0);
	for (; n < JOBS * 8 * 16; n++) {
		cr_assert_eq(transact(run.ledger, n, &err), 0, "%s", err.text);
		cr_assert_eq(transact(run.model, n, &err), 0);
	}
	cr_assert_eq(fstat(run.file, &file), 0);
	for (size_t round = 0; round < ARRAY_SIZE(counts); round++)
		for (uint64_t page = 2; page < (uint64_t)file.st_size / PAGE; page++, n++)
			change_without(&run, n, page,
				MIN(counts[round], (uint64_t)file.st_size / PAGE - page));
	cr_expect(run.refused > 100 && run.done > 100, "%u refused, %u done", run.refused,
		run.done);
	run.ledger->ops->stat(run.ledger, &stat);
	cr_expect_eq(stat.damaged, 0, "a page that is away is no damage");
	ledger_close(run.ledger);
	run.ledger = open_lmdb(dir, MAX_BYTES); /* the whole file is checked */
	cr_expect_eq(digest_of(run.ledger), digest_of(run.model));
	ledger_close(run.ledger);
	ledger_close(run.model);
	close(run.nothing);
	close(run.file);
	folder_remove(dir);
}
