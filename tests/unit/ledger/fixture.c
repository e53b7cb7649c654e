#include "fixture.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void folder_make(char ret_path[static 256])
{
	const char *tmp = getenv("TMPDIR");

	snprintf(ret_path, 256, "%s/leat-ledger-XXXXXX", tmp == NULL ? "/tmp" : tmp);
	cr_assert_not_null(mkdtemp(ret_path));
}

void folder_remove(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char file[600];

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		unlink(file);
	}
	if (dir != NULL)
		closedir(dir);
	rmdir(path);
}

struct ledger *open_memory(void)
{
	struct ledger *ledger;

	cr_assert_eq(ledger_memory_open(&ledger, NULL), 0);
	return ledger;
}

struct ledger *open_lmdb(const char *dir, uint64_t max_bytes)
{
	struct ledger_lmdb_config config = { dir, max_bytes };
	struct ledger *ledger;
	struct error err;

	cr_assert_eq(ledger_lmdb_open(&config, &ledger, &err), 0, "%s", err.text);
	return ledger;
}

struct id id_of(uint8_t byte)
{
	struct id id;

	memset(id.bytes, byte, sizeof(id.bytes));
	return id;
}

void begin(struct ledger *ledger)
{
	struct error err;

	cr_assert_eq(ledger->ops->begin(ledger, &err), 0, "%s", err.text);
}

void commit(struct ledger *ledger)
{
	struct error err;

	cr_assert_eq(ledger->ops->commit(ledger, &err), 0, "%s", err.text);
}

void put_job(struct ledger *ledger, struct id job, const char *definition, const char *record)
{
	struct error err;

	cr_assert_eq(ledger->ops->put_job(ledger, &job, definition,
			     definition == NULL ? 0 : strlen(definition), record,
			     record == NULL ? 0 : strlen(record), &err),
		0, "%s", err.text);
}

void put_input(struct ledger *ledger, struct id job, uint64_t block, const struct buf *bytes)
{
	struct error err;

	cr_assert_eq(ledger->ops->put_input(ledger, &job, block, bytes->data, bytes->len, &err),
		0, "%s", err.text);
}

void result_block(struct buf *to, uint64_t seq, uint32_t count, size_t size)
{
	struct result_head head = { .version = BLOCK_VERSION, .count = count };

	buf_clear(to);
	cr_assert_eq(buf_append(to, &head, sizeof(head)), 0);
	for (uint64_t at = 0; at < count; at++)
		cr_assert_eq(buf_append(to, &(uint64_t){ seq + at }, 8), 0);
	for (uint32_t at = 0; at < count; at++)
		cr_assert_eq(buf_printf(to, "%llu\n", (unsigned long long)seq + at), 0);
	if (size > to->len)
		fill(to, size - to->len, (unsigned)seq);
	head.checksum = block_checksum(to->data + sizeof(head), to->len - sizeof(head));
	memcpy(to->data, &head, sizeof(head));
}

void append_results(
	struct ledger *ledger, struct id job, uint64_t seq, uint32_t count, size_t size)
{
	struct buf block = BUF_INIT;
	struct error err;

	result_block(&block, seq, count, size);
	cr_assert_eq(ledger->ops->append(
			     ledger, &job, LEDGER_RESULTS, seq, block.data, block.len, &err),
		0, "%s", err.text);
	buf_done(&block);
}

void append_failure(struct ledger *ledger, struct id job, uint64_t seq)
{
	struct failure_head head = { .item = seq, .error_len = 3, .input_len = 2 };
	struct buf failure = BUF_INIT;
	struct error err;

	cr_assert_eq(failure_encode(head, "why", "{}", &failure), 0);
	cr_assert_eq(ledger->ops->append(ledger, &job, LEDGER_FAILURES, seq, failure.data,
			     failure.len, &err),
		0, "%s", err.text);
	buf_done(&failure);
}

int erase_all(struct ledger *ledger, struct id job, bool all, size_t budget)
{
	struct error err;
	bool more = true;
	int times = 0;

	for (; more; times++) {
		begin(ledger);
		cr_assert_eq(ledger->ops->erase(ledger, &job, all, budget, &more, &err), 0,
			"%s", err.text);
		commit(ledger);
		cr_assert_lt(times, 100000, "erase() never ends");
	}
	return times;
}

static uint8_t filler(size_t at, unsigned seed)
{
	return (uint8_t)((at * 31 + at / 251 + seed * 7919u) >> 2);
}

void fill(struct buf *to, size_t len, unsigned seed)
{
	cr_assert_eq(buf_reserve(to, len), 0);
	for (size_t at = 0; at < len; at++)
		to->data[to->len + at] = (char)filler(at, seed);
	to->len += len;
}

bool is_filled(const void *bytes, size_t len, unsigned seed)
{
	const uint8_t *at = bytes;

	for (size_t index = 0; index < len; index++)
		if (at[index] != filler(index, seed))
			return false;
	return true;
}

struct numbers {
	uint64_t *to;
	size_t count, max;
};

static bool note_number(void *arg, uint64_t seq, const void *bytes, size_t len)
{
	struct numbers *numbers = arg;

	numbers->to[numbers->count++] = seq;
	return numbers->count < numbers->max;
}

size_t numbers_from(struct ledger *ledger, struct id job, enum ledger_log log, uint64_t seq,
	uint64_t *ret, size_t max)
{
	struct numbers numbers = { ret, 0, max };
	struct error err;

	cr_assert_eq(
		ledger->ops->each_value(ledger, &job, log, seq, note_number, &numbers, &err), 0,
		"%s", err.text);
	return numbers.count;
}

int64_t next_block(struct ledger *ledger, struct id job, uint64_t from)
{
	struct buf bytes = BUF_INIT, bitmap = BUF_INIT;
	struct error err;
	uint64_t block = 0;
	int found;

	found = ledger->ops->next_input(ledger, &job, from, &block, &bytes, &bitmap, &err);
	cr_assert_geq(found, 0, "%s", err.text);
	buf_done(&bytes);
	buf_done(&bitmap);
	return found == 1 ? (int64_t)block : -1;
}
