/*
 * What every ledger promises (ledger.h), each test run against memory and against LMDB.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "fixture.h"

static void with_memory(void (*test)(struct ledger *ledger))
{
	struct ledger *ledger = open_memory();

	test(ledger);
	ledger_close(ledger);
}

static void with_lmdb(void (*test)(struct ledger *ledger))
{
	struct ledger *ledger;
	char dir[256];

	folder_make(dir);
	ledger = open_lmdb(dir, 256 << 20);
	test(ledger);
	ledger_close(ledger);
	folder_remove(dir);
}

#define CONTRACT(name)                           \
	static void name(struct ledger *ledger); \
	Test(memory, name)                       \
	{                                        \
		with_memory(name);               \
	}                                        \
	Test(lmdb, name)                         \
	{                                        \
		with_lmdb(name);                 \
	}                                        \
	static void name(struct ledger *ledger)

/* ---- transactions ---- */

static void put_one_of_each(struct ledger *ledger, struct id job)
{
	struct buf bytes = BUF_INIT;

	fill(&bytes, 100, 1);
	put_job(ledger, job, "{}", "record");
	put_input(ledger, job, 3, &bytes);
	ledger->ops->put_done(ledger, &job, 3, "\x05", 1, NULL);
	append_results(ledger, job, 0, 4, 0);
	append_failure(ledger, job, 0);
	ledger->ops->put_key(ledger, &job, "key", 3, 12, NULL);
	ledger->ops->put_state(ledger, &job, "state", 5, NULL);
	buf_done(&bytes);
}

static bool count_key(void *arg, const char *key, size_t len, uint64_t lines)
{
	++*(int *)arg;
	return true;
}

/* How many of the seven kinds of record the job has. */
static int kinds_of(struct ledger *ledger, struct id job)
{
	struct buf definition = BUF_INIT, record = BUF_INIT, bytes = BUF_INIT, bits = BUF_INIT;
	uint64_t block, number;
	int kinds = 0, keys = 0;

	if (ledger->ops->get_job(ledger, &job, &definition, &record, NULL) == 0)
		kinds += (definition.len > 0) + (record.len > 0);
	if (ledger->ops->next_input(ledger, &job, 0, &block, &bytes, &bits, NULL) == 1)
		kinds += (bytes.len > 0) + (bits.len > 0);
	kinds += numbers_from(ledger, job, LEDGER_RESULTS, 0, &number, 1) > 0;
	kinds += numbers_from(ledger, job, LEDGER_FAILURES, 0, &number, 1) > 0;
	ledger->ops->each_key(ledger, &job, count_key, &keys, NULL);
	buf_clear(&bytes);
	ledger->ops->get_state(ledger, &job, &bytes, NULL);
	kinds += (keys > 0) + (bytes.len > 0);
	buf_done(&definition);
	buf_done(&record);
	buf_done(&bytes);
	buf_done(&bits);
	return kinds;
}

CONTRACT(commit_shows_all_of_a_transaction_and_abort_nothing)
{
	begin(ledger);
	put_one_of_each(ledger, id_of(1));
	cr_expect_eq(kinds_of(ledger, id_of(1)), 0, "seen before the commit");
	commit(ledger);
	cr_expect_eq(kinds_of(ledger, id_of(1)), 8);
	begin(ledger);
	put_one_of_each(ledger, id_of(2));
	ledger->ops->abort(ledger);
	cr_expect_eq(kinds_of(ledger, id_of(2)), 0);
}

CONTRACT(abort_brings_back_what_was_removed)
{
	bool more;

	begin(ledger);
	put_one_of_each(ledger, id_of(1));
	commit(ledger);
	begin(ledger);
	ledger->ops->drop_input(ledger, &(struct id){ { 1 } }, 3, NULL);
	ledger->ops->erase(ledger, &(struct id){ { 1 } }, true, 1 << 20, &more, NULL);
	ledger->ops->erase(ledger, &(struct id[]){ id_of(1) }[0], true, 1 << 20, &more, NULL);
	ledger->ops->abort(ledger);
	cr_expect_eq(kinds_of(ledger, id_of(1)), 8);
}

CONTRACT(operations_of_a_transaction_take_effect_in_order)
{
	struct id job = id_of(1);
	bool more;

	begin(ledger);
	put_one_of_each(ledger, job);
	commit(ledger);
	begin(ledger);
	ledger->ops->erase(ledger, &job, true, 1 << 20, &more, NULL);
	for (uint64_t seq = 0; seq < 40; seq += 4)
		append_results(ledger, job, seq, 4, 0);
	ledger->ops->trim_results(ledger, &job, 20, NULL);
	commit(ledger);
	cr_expect_eq(numbers_from(ledger, job, LEDGER_RESULTS, 0, (uint64_t[20]){ 0 }, 20), 5);
	cr_expect_eq(kinds_of(ledger, job), 1);
}

/* ---- jobs ---- */

CONTRACT(put_job_leaves_alone_what_is_null)
{
	struct buf definition = BUF_INIT, record = BUF_INIT;
	struct id job = id_of(7);

	begin(ledger);
	put_job(ledger, job, "definition", "one");
	commit(ledger);
	begin(ledger);
	put_job(ledger, job, NULL, "second");
	commit(ledger);
	buf_append_str(&definition, ">");
	cr_assert_eq(ledger->ops->get_job(ledger, &job, &definition, &record, NULL), 0);
	cr_expect_eq(definition.len, 11);
	cr_expect_arr_eq(definition.data, ">definition", 11, "it is appended");
	cr_expect_eq(record.len, 6);
	cr_expect_arr_eq(record.data, "second", 6);
	buf_done(&definition);
	buf_done(&record);
}

CONTRACT(get_job_names_what_is_not_there)
{
	struct buf definition = BUF_INIT, record = BUF_INIT;
	struct id job = id_of(9);
	struct error err;
	char text[ID_TEXT_SIZE];

	begin(ledger);
	put_job(ledger, id_of(8), "{}", "r");
	put_job(ledger, id_of(10), "{}", "r");
	commit(ledger);
	cr_assert_lt(ledger->ops->get_job(ledger, &job, &definition, &record, &err), 0);
	id_format(&job, text);
	cr_expect_eq(err.code, ERR_JOB_NOT_FOUND);
	cr_expect_not_null(strstr(err.text, text));
	cr_expect_eq(definition.len + record.len, 0);
}

struct seen {
	char jobs[32];
	size_t max;
};

static bool see_job(void *arg, const struct id *job, const void *definition,
	size_t definition_len, const void *record, size_t record_len)
{
	struct seen *seen = arg;
	size_t len = strlen(seen->jobs);

	cr_expect_eq(definition_len, 2);
	cr_expect_arr_eq(record, "rec", 3);
	seen->jobs[len] = (char)job->bytes[0];
	return len + 1 < seen->max;
}

CONTRACT(each_job_goes_from_the_newest_to_the_oldest)
{
	struct seen all = { .max = 30 }, two = { .max = 2 }, older = { .max = 30 };
	struct seen between = { .max = 30 }, none = { .max = 30 };

	begin(ledger);
	for (const char *at = "caebd"; *at != '\0'; at++)
		put_job(ledger, id_of((uint8_t)*at), "{}", "rec");
	ledger->ops->put_state(ledger, &(struct id[]){ id_of('z') }[0], "x", 1, NULL);
	commit(ledger);
	ledger->ops->each_job(ledger, NULL, see_job, &all, NULL);
	cr_expect_str_eq(all.jobs, "edcba");
	ledger->ops->each_job(ledger, NULL, see_job, &two, NULL);
	cr_expect_str_eq(two.jobs, "ed");
	ledger->ops->each_job(ledger, &(struct id[]){ id_of('c') }[0], see_job, &older, NULL);
	cr_expect_str_eq(older.jobs, "ba");
	ledger->ops->each_job(ledger, &(struct id){ "dz" }, see_job, &between, NULL);
	cr_expect_str_eq(between.jobs, "dcba");
	ledger->ops->each_job(ledger, &(struct id[]){ id_of('a') }[0], see_job, &none, NULL);
	cr_expect_str_eq(none.jobs, "");
}

CONTRACT(an_empty_ledger_is_read_as_empty)
{
	struct seen seen = { .max = 30 };
	uint64_t first, last, bytes;
	struct id job = id_of(1);

	cr_expect_eq(ledger->ops->each_job(ledger, NULL, see_job, &seen, NULL), 0);
	cr_expect_str_eq(seen.jobs, "");
	cr_expect_eq(kinds_of(ledger, job), 0);
	cr_expect_eq(ledger->ops->input_range(ledger, &job, &first, &last, &bytes, NULL), 0);
	cr_expect_eq(bytes, 0);
	cr_expect_eq(erase_all(ledger, job, true, 1), 1);
}

/* ---- input ---- */

CONTRACT(next_input_finds_the_next_block_and_its_bitmap)
{
	struct buf bytes = BUF_INIT, bitmap = BUF_INIT, block = BUF_INIT;
	struct id job = id_of(5);
	uint64_t number;

	begin(ledger);
	for (unsigned at = 10; at <= 30; at += 10) {
		buf_clear(&block);
		fill(&block, at * 100, at);
		put_input(ledger, job, at, &block);
	}
	put_input(ledger, id_of(4), 15, &block);
	put_input(ledger, id_of(6), 5, &block);
	ledger->ops->put_done(ledger, &job, 20, "\xff\x01", 2, NULL);
	commit(ledger);
	cr_expect_eq(next_block(ledger, job, 0), 10);
	cr_expect_eq(next_block(ledger, job, 10), 10);
	cr_expect_eq(next_block(ledger, job, 31), -1);
	buf_append_str(&bytes, "left over");
	cr_assert_eq(
		ledger->ops->next_input(ledger, &job, 11, &number, &bytes, &bitmap, NULL), 1);
	cr_expect_eq(number, 20);
	cr_expect_eq(bytes.len, 2000);
	cr_expect(is_filled(bytes.data, bytes.len, 20));
	cr_expect_eq(bitmap.len, 2);
	cr_assert_eq(
		ledger->ops->next_input(ledger, &job, 21, &number, &bytes, &bitmap, NULL), 1);
	cr_expect_eq(number, 30);
	cr_expect_eq(bitmap.len, 0, "the bitmap of another block");
	buf_done(&bytes);
	buf_done(&bitmap);
	buf_done(&block);
}

CONTRACT(drop_input_drops_block_and_bitmap)
{
	struct id job = id_of(5);

	begin(ledger);
	put_one_of_each(ledger, job);
	commit(ledger);
	begin(ledger);
	cr_expect_eq(ledger->ops->drop_input(ledger, &job, 3, NULL), 0);
	cr_expect_eq(ledger->ops->drop_input(ledger, &job, 77, NULL), 0, "fine when not there");
	commit(ledger);
	cr_expect_eq(kinds_of(ledger, job), 6);
}

CONTRACT(input_range_tells_first_last_and_bytes)
{
	struct buf block = BUF_INIT;
	struct id job = id_of(5);
	uint64_t first, last, bytes;

	fill(&block, 200000, 1);
	begin(ledger);
	put_input(ledger, id_of(4), 1, &block);
	put_input(ledger, job, 7, &block);
	put_input(ledger, job, 9, &block);
	put_input(ledger, id_of(6), 50, &block);
	commit(ledger);
	cr_expect_eq(ledger->ops->input_range(ledger, &job, &first, &last, &bytes, NULL), 1);
	cr_expect_eq(first, 7);
	cr_expect_eq(last, 9);
	cr_expect_eq(bytes, 400000);
	buf_done(&block);
}

/* Around the lengths at which a value is split. */
static const size_t lengths[] = {
	1,
	2000,
	4096,
	BLOCK_SIZE_MAX - 1,
	BLOCK_SIZE_MAX,
	BLOCK_SIZE_MAX + 1,
	2 * BLOCK_SIZE_MAX,
	2 * BLOCK_SIZE_MAX + 1,
	1 << 20,
	5 << 20,
};

static bool check_length(void *arg, uint64_t seq, const void *bytes, size_t len)
{
	size_t *at = arg;

	cr_expect_eq(seq, *at);
	cr_expect_eq(len, lengths[*at]);
	cr_expect(is_filled(bytes, len, (unsigned)*at));
	return ++*at < ARRAY_SIZE(lengths);
}

CONTRACT(values_of_any_length_come_back_as_they_were)
{
	struct buf bytes = BUF_INIT, bitmap = BUF_INIT;
	struct id job = id_of(5);
	uint64_t number;
	size_t visited = 0;

	begin(ledger);
	for (size_t at = 0; at < ARRAY_SIZE(lengths); at++) {
		buf_clear(&bytes);
		fill(&bytes, lengths[at], (unsigned)at);
		put_input(ledger, job, at, &bytes);
		ledger->ops->append(
			ledger, &job, LEDGER_FAILURES, at, bytes.data, bytes.len, NULL);
	}
	commit(ledger);
	for (size_t at = 0; at < ARRAY_SIZE(lengths); at++) {
		ledger->ops->next_input(ledger, &job, at, &number, &bytes, &bitmap, NULL);
		cr_expect_eq(number, at);
		cr_expect_eq(bytes.len, lengths[at]);
		cr_expect(is_filled(bytes.data, bytes.len, (unsigned)at));
	}
	ledger->ops->each_value(ledger, &job, LEDGER_FAILURES, 0, check_length, &visited, NULL);
	cr_expect_eq(visited, ARRAY_SIZE(lengths));
	buf_done(&bytes);
	buf_done(&bitmap);
}

CONTRACT(a_value_is_replaced_by_a_shorter_one)
{
	struct buf bytes = BUF_INIT;
	struct id job = id_of(5);

	for (size_t at = ARRAY_SIZE(lengths); at-- > 0;) {
		buf_clear(&bytes);
		fill(&bytes, lengths[at], (unsigned)at);
		begin(ledger);
		ledger->ops->put_state(ledger, &job, bytes.data, bytes.len, NULL);
		commit(ledger);
		buf_clear(&bytes);
		cr_expect_eq(ledger->ops->get_state(ledger, &job, &bytes, NULL), 0);
		cr_expect_eq(bytes.len, lengths[at]);
		cr_expect(is_filled(bytes.data, bytes.len, (unsigned)at));
	}
	buf_done(&bytes);
}

/* ---- the logs ---- */

CONTRACT(each_value_starts_with_the_block_that_holds_the_number)
{
	struct id job = id_of(5);
	uint64_t numbers[8];

	begin(ledger);
	append_results(ledger, id_of(4), 0, 100, 0);
	append_results(ledger, job, 0, 10, 0);
	append_results(ledger, job, 10, 1, 200000);
	append_results(ledger, job, 11, 30, 0);
	append_results(ledger, id_of(6), 0, 100, 0);
	commit(ledger);
	cr_expect_eq(numbers_from(ledger, job, LEDGER_RESULTS, 0, numbers, 8), 3);
	cr_expect_eq(numbers[0], 0);
	cr_expect_eq(numbers_from(ledger, job, LEDGER_RESULTS, 9, numbers, 8), 3);
	cr_expect_eq(numbers[0], 0);
	cr_expect_eq(numbers_from(ledger, job, LEDGER_RESULTS, 10, numbers, 8), 2);
	cr_expect_eq(numbers[0], 10);
	cr_expect_eq(numbers_from(ledger, job, LEDGER_RESULTS, 40, numbers, 8), 1);
	cr_expect_eq(numbers[0], 11);
	cr_expect_eq(numbers_from(ledger, job, LEDGER_RESULTS, 41, numbers, 8), 0);
	cr_expect_eq(
		numbers_from(ledger, job, LEDGER_RESULTS, 0, numbers, 2), 2, "told to stop");
	cr_expect_eq(numbers_from(ledger, id_of(9), LEDGER_RESULTS, 5, numbers, 8), 0);
}

CONTRACT(a_dropped_failure_is_passed_over)
{
	struct id job = id_of(5);
	uint64_t numbers[8];

	begin(ledger);
	for (uint64_t seq = 0; seq < 6; seq++)
		append_failure(ledger, job, seq);
	commit(ledger);
	begin(ledger);
	ledger->ops->drop_failure(ledger, &job, 0, NULL);
	ledger->ops->drop_failure(ledger, &job, 3, NULL);
	commit(ledger);
	cr_expect_eq(numbers_from(ledger, job, LEDGER_FAILURES, 0, numbers, 8), 4);
	cr_expect_eq(numbers[0], 1);
	cr_expect_eq(numbers_from(ledger, job, LEDGER_FAILURES, 3, numbers, 8), 2);
	cr_expect_eq(numbers[0], 4);
}

CONTRACT(trim_drops_whole_blocks_only)
{
	struct id job = id_of(5);
	uint64_t numbers[8];

	begin(ledger);
	append_results(ledger, id_of(4), 0, 5, 0);
	append_results(ledger, job, 0, 10, 200000);
	append_results(ledger, job, 10, 10, 0);
	append_results(ledger, job, 20, 10, 0);
	commit(ledger);
	begin(ledger);
	ledger->ops->trim_results(ledger, &job, 19, NULL);
	commit(ledger);
	cr_expect_eq(numbers_from(ledger, job, LEDGER_RESULTS, 0, numbers, 8), 2);
	cr_expect_eq(numbers[0], 10);
	begin(ledger);
	ledger->ops->trim_results(ledger, &job, 30, NULL);
	commit(ledger);
	cr_expect_eq(numbers_from(ledger, job, LEDGER_RESULTS, 0, numbers, 8), 0);
	cr_expect_eq(numbers_from(ledger, id_of(4), LEDGER_RESULTS, 0, numbers, 8), 1);
}

/* Appends and drops at every place of a long log, held against a plain array. */
CONTRACT(a_long_log_with_holes_keeps_its_order)
{
	enum { COUNT = 3000 };
	static bool there[COUNT];
	static uint64_t numbers[COUNT];
	struct id job = id_of(5);
	uint64_t random = 12345;
	size_t count = 0, found;

	begin(ledger);
	for (uint64_t seq = 0; seq < COUNT; seq++) {
		append_failure(ledger, job, (seq * 7) % COUNT);
		there[seq] = true;
	}
	commit(ledger);
	for (int round = 0; round < 20; round++) {
		begin(ledger);
		for (int at = 0; at < 200; at++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			uint64_t seq = (random >> 33) % COUNT;

			if (there[seq])
				ledger->ops->drop_failure(ledger, &job, seq, NULL);
			else
				append_failure(ledger, job, seq);
			there[seq] = !there[seq];
		}
		commit(ledger);
	}
	found = numbers_from(ledger, job, LEDGER_FAILURES, 0, numbers, COUNT);
	for (uint64_t seq = 0; seq < COUNT; seq++)
		if (there[seq])
			cr_assert_eq(numbers[count++], seq);
	cr_expect_eq(found, count);
}

/* ---- keys ---- */

struct keys {
	int count;
	uint64_t lines;
	size_t longest;
};

static bool note_key(void *arg, const char *key, size_t len, uint64_t lines)
{
	struct keys *keys = arg;

	keys->count++;
	keys->lines += lines;
	keys->longest = MAX(keys->longest, len);
	return true;
}

CONTRACT(a_key_has_one_number_of_lines)
{
	struct id job = id_of(5);
	struct keys keys = { 0 };
	char key[300], one[16];

	memset(key, 'k', sizeof(key));
	begin(ledger);
	for (int at = 0; at < 100; at++) {
		int len = snprintf(one, sizeof(one), "key-%d", at);

		ledger->ops->put_key(ledger, &job, one, (size_t)len, 1, NULL);
		ledger->ops->put_key(ledger, &job, one, (size_t)len, 2, NULL);
	}
	ledger->ops->put_key(ledger, &job, key, sizeof(key), 1000, NULL);
	ledger->ops->put_key(ledger, &(struct id[]){ id_of(6) }[0], "other", 5, 5, NULL);
	commit(ledger);
	begin(ledger);
	ledger->ops->put_key(ledger, &job, key, sizeof(key), 3000, NULL);
	commit(ledger);
	cr_expect_eq(ledger->ops->each_key(ledger, &job, note_key, &keys, NULL), 0);
	cr_expect_eq(keys.count, 101);
	cr_expect_eq(keys.lines, 3200);
	cr_expect_eq(keys.longest, 300);
}

/* ---- erasing and sizes ---- */

static void put_much(struct ledger *ledger, struct id job)
{
	struct buf block = BUF_INIT;

	fill(&block, 60000, 1);
	begin(ledger);
	put_one_of_each(ledger, job);
	for (uint64_t at = 10; at < 60; at++) {
		put_input(ledger, job, at, &block);
		append_results(ledger, job, at * 10, 10, 60000);
		append_failure(ledger, job, at);
	}
	commit(ledger);
	buf_done(&block);
}

CONTRACT(erase_keeps_or_takes_the_job_and_leaves_others_alone)
{
	put_much(ledger, id_of(4));
	put_much(ledger, id_of(5));
	put_much(ledger, id_of(6));
	erase_all(ledger, id_of(5), false, 1 << 20);
	cr_expect_eq(kinds_of(ledger, id_of(5)), 2, "definition and record stay");
	erase_all(ledger, id_of(5), true, 1 << 20);
	cr_expect_eq(kinds_of(ledger, id_of(5)), 0);
	cr_expect_eq(kinds_of(ledger, id_of(4)), 8);
	cr_expect_eq(kinds_of(ledger, id_of(6)), 8);
}

CONTRACT(used_bytes_follow_what_is_stored)
{
	struct ledger_stat empty, full, after;

	ledger->ops->stat(ledger, &empty);
	put_much(ledger, id_of(4));
	ledger->ops->stat(ledger, &full);
	cr_expect_geq(full.used_bytes, empty.used_bytes + 6000000);
	cr_expect_leq(full.used_bytes, empty.used_bytes + 8000000);
	cr_expect_eq(full.commits, empty.commits + 1);
	cr_expect(full.writable);
	cr_expect_geq(full.max_bytes, 256 << 20);
	cr_expect_gt(full.free_bytes, 0);
	erase_all(ledger, id_of(4), true, 1 << 20);
	ledger->ops->stat(ledger, &after);
	cr_expect_leq(after.used_bytes, empty.used_bytes + 65536);
}

/* ---- reading while writing ---- */

struct racing {
	struct ledger *ledger;
	_Atomic uint64_t trimmed; /* first number that must be there */
	_Atomic bool over;
	_Atomic unsigned rounds;
};

struct order {
	uint64_t expected;
	bool broken;
};

static bool check_order(void *arg, uint64_t seq, const void *bytes, size_t len)
{
	struct order *order = arg;
	struct result_view view;

	order->broken |= order->expected != 0 && seq != order->expected;
	order->broken |= result_view(bytes, len, &view, NULL) < 0;
	order->expected = seq + result_count(bytes, len);
	return !order->broken;
}

static void *read_on(void *arg)
{
	struct racing *racing = arg;
	struct id job = id_of(5);
	bool broken = false;

	while (!racing->over && !broken) {
		struct order order = { 0 };

		racing->ledger->ops->each_value(racing->ledger, &job, LEDGER_RESULTS,
			racing->trimmed, check_order, &order, NULL);
		broken = order.broken;
		racing->rounds++;
	}
	return broken ? racing : NULL;
}

CONTRACT(readers_see_whole_transactions_while_it_is_written)
{
	struct racing racing = { .ledger = ledger };
	struct id job = id_of(5);
	pthread_t readers[2];
	void *broken;
	uint64_t seq = 0;

	for (int at = 0; at < 2; at++)
		pthread_create(&readers[at], NULL, read_on, &racing);
	for (int round = 0; round < 100 || racing.rounds < 20; round++) {
		begin(ledger);
		for (int at = 0; at < 4; at++, seq += 5)
			append_results(ledger, job, seq, 5, 20000);
		if (seq > 400)
			ledger->ops->trim_results(ledger, &job, seq - 400, NULL);
		commit(ledger);
		racing.trimmed = seq > 300 ? seq - 300 : 0;
	}
	racing.over = true;
	for (int at = 0; at < 2; at++) {
		pthread_join(readers[at], &broken);
		cr_expect_null(broken, "a reader saw a gap or a torn block");
	}
}
