/*
 * Bounds of the ledger on disk: memory, file size, and what happens when there is no room.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "fixture.h"

#define MIB (1u << 20)

/* A line of /proc/self/status, in KiB. */
static long status_kib(const char *name)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[200];
	long kib = -1;

	cr_assert_not_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, name, strlen(name)) == 0)
			sscanf(line + strlen(name), ": %ld", &kib);
	fclose(file);
	return kib;
}

/* Sanitizers keep what was freed, so there only pages of files are measured. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RESIDENT "RssFile"
#else
#define RESIDENT "VmRSS"
#endif

struct sum {
	uint64_t bytes;
	long most_kib;
};

static bool add_up(void *arg, uint64_t seq, const void *bytes, size_t len)
{
	struct sum *sum = arg;
	uint64_t total = 0;

	for (size_t at = 0; at < len; at += 512)
		total += ((const uint8_t *)bytes)[at];
	sum->bytes += total > 0 ? len : 0;
	if (seq % 160 == 0)
		sum->most_kib = MAX(sum->most_kib, status_kib(RESIDENT));
	return true;
}

Test(memory, stays_small_while_500_mib_are_written_and_read)
{
	enum { BLOCKS = 8000, LINES = 10 };
	struct id job = id_of(1);
	struct sum sum = { 0 };
	struct ledger *ledger;
	char dir[256];
	long before_kib;

	folder_make(dir);
	ledger = open_lmdb(dir, 1024ull * MIB);
	before_kib = status_kib(RESIDENT);
	for (uint64_t block = 0; block < BLOCKS; block++) {
		if (block % 32 == 0)
			begin(ledger);
		append_results(ledger, job, block * LINES, LINES, 65000);
		if (block % 32 == 31)
			commit(ledger);
		if (block % 32 == 31)
			sum.most_kib = MAX(sum.most_kib, status_kib(RESIDENT));
	}
	cr_expect_lt(sum.most_kib - before_kib, 32 * 1024, "%ld KiB after writing",
		sum.most_kib - before_kib);
	ledger->ops->each_value(ledger, &job, LEDGER_RESULTS, 0, add_up, &sum, NULL);
	cr_expect_eq(sum.bytes, BLOCKS * 65000ull);
	erase_all(ledger, job, true, 8 * MIB);
	sum.most_kib = MAX(sum.most_kib, status_kib(RESIDENT));
	cr_expect_lt(
		sum.most_kib - before_kib, 32 * 1024, "%ld KiB", sum.most_kib - before_kib);
	ledger_close(ledger);
	folder_remove(dir);
}

/* ---- the file grows with what is live, not with what has passed through ---- */

struct traffic {
	struct ledger *ledger;
	struct id jobs[3];
	uint64_t first[3], next[3];
	uint64_t live_bytes, passed_bytes;
	size_t sizes[3][4096]; /* of block number % 4096 */
	uint64_t random;
};

static uint64_t draw(struct traffic *traffic, uint64_t bound)
{
	traffic->random = traffic->random * 6364136223846793005u + 1442695040888963407u;
	return (traffic->random >> 33) % bound;
}

/* Mostly full blocks, some cut short, some of one large item. */
static size_t draw_size(struct traffic *traffic)
{
	switch (draw(traffic, 20)) {
	case 0:
		return MIB;
	case 1 ... 5:
		return 100 + draw(traffic, BLOCK_SIZE_MAX - 100);
	default:
		return BLOCK_SIZE_MAX - draw(traffic, 200);
	}
}

static void traffic_put(struct traffic *traffic, int job, const struct buf *bytes)
{
	size_t len = draw_size(traffic);
	uint64_t block = traffic->next[job]++;
	struct buf part = { bytes->data, len, len };

	put_input(traffic->ledger, traffic->jobs[job], block, &part);
	traffic->sizes[job][block % 4096] = len;
	traffic->live_bytes += len;
	traffic->passed_bytes += len;
}

static void traffic_drop(struct traffic *traffic, int job)
{
	uint64_t block = traffic->first[job]++;

	traffic->ledger->ops->drop_input(traffic->ledger, &traffic->jobs[job], block, NULL);
	traffic->live_bytes -= traffic->sizes[job][block % 4096];
}

static void traffic_round(struct traffic *traffic, const struct buf *bytes, uint64_t most)
{
	char record[300] = "record";
	int job;

	begin(traffic->ledger);
	for (uint64_t at = draw(traffic, 12) + 1; at-- > 0;) {
		job = (int)draw(traffic, 3);
		if (traffic->live_bytes < most &&
			traffic->next[job] - traffic->first[job] < 4000)
			traffic_put(traffic, job, bytes);
		job = (int)draw(traffic, 3);
		while (traffic->live_bytes > most - 2 * MIB &&
			traffic->first[job] < traffic->next[job])
			traffic_drop(traffic, job);
	}
	for (job = 0; job < 3; job++)
		put_job(traffic->ledger, traffic->jobs[job], NULL, record);
	commit(traffic->ledger);
}

Test(file, does_not_grow_by_what_passes_through)
{
	static struct traffic traffic = { .random = 42 };
	const uint64_t most = 32 * MIB;
	struct buf bytes = BUF_INIT;
	struct ledger_stat stat;
	uint64_t worst = 0;
	char dir[256];

	folder_make(dir);
	fill(&bytes, MIB, 1);
	traffic.ledger = open_lmdb(dir, 512ull * MIB);
	for (int job = 0; job < 3; job++)
		traffic.jobs[job] = id_of((uint8_t)(job + 1));
	while (traffic.passed_bytes < 600ull * MIB) {
		traffic_round(&traffic, &bytes, most);
		traffic.ledger->ops->stat(traffic.ledger, &stat);
		worst = MAX(worst, stat.file_bytes);
		cr_assert_leq(stat.used_bytes, most * 3 / 2);
	}
	printf("# live 32 MiB, file %llu MiB after %llu MiB\n", (unsigned long long)worst / MIB,
		(unsigned long long)traffic.passed_bytes / MIB);
	cr_expect_leq(worst, 2 * most, "the file has %llu MiB for 32 MiB",
		(unsigned long long)worst / MIB);
	ledger_close(traffic.ledger);
	buf_done(&bytes);
	folder_remove(dir);
}

/* ---- no room ---- */

Test(full, is_said_in_words_and_passes_when_something_is_removed)
{
	struct buf block = BUF_INIT;
	struct ledger *ledger;
	struct ledger_stat stat;
	struct error err = { 0 };
	struct id job = id_of(1), next = id_of(2);
	uint64_t number = 0;
	char dir[256];

	folder_make(dir);
	ledger = open_lmdb(dir, 16 * MIB);
	fill(&block, BLOCK_SIZE_MAX, 1);
	for (int result = 0; result == 0;) {
		cr_assert_lt(number, 10000, "it never gets full");
		begin(ledger);
		for (int at = 0; at < 4 && result == 0; at++)
			result = ledger->ops->put_input(
				ledger, &job, number++, block.data, block.len, &err);
		if (result == 0)
			result = ledger->ops->commit(ledger, &err);
		else
			ledger->ops->abort(ledger);
	}
	cr_expect_eq(err.code, ERR_DISK_FULL);
	cr_expect_not_null(strstr(err.text, "bound of 16 MiB"), "%s", err.text);
	cr_expect_geq(number * BLOCK_SIZE_MAX, 15ull * MIB, "nearly all of it was used");
	ledger->ops->stat(ledger, &stat);
	cr_expect_leq(stat.file_bytes, 16 * MIB, "it never becomes larger");
	erase_all(ledger, job, true, MIB);
	begin(ledger);
	for (uint64_t at = 0; at < 16; at++)
		put_input(ledger, next, at, &block);
	commit(ledger);
	cr_expect_eq(next_block(ledger, next, 0), 0);
	ledger_close(ledger);
	buf_done(&block);
	folder_remove(dir);
}

Test(erase, of_a_large_job_goes_in_small_transactions)
{
	struct buf block = BUF_INIT;
	struct ledger *ledger;
	char dir[256];
	int times;

	folder_make(dir);
	ledger = open_lmdb(dir, 256ull * MIB);
	fill(&block, MIB, 1);
	for (uint64_t at = 0; at < 64; at++) {
		if (at % 8 == 0)
			begin(ledger);
		put_input(ledger, id_of(1), at, &block);
		if (at % 8 == 7)
			commit(ledger);
	}
	times = erase_all(ledger, id_of(1), true, 4 * MIB);
	cr_expect_geq(times, 16);
	cr_expect_leq(times, 20);
	cr_expect_eq(next_block(ledger, id_of(1), 0), -1);
	ledger_close(ledger);
	buf_done(&block);
	folder_remove(dir);
}
