/*
 * fuzz_idempotency: whatever bytes a key has, and however many there are, each has the lines
 * that were stored for it last, in memory, in the ledger, and when a job comes back from it.
 *
 * The input is a list: a byte with the key's length, a byte with its lines, the key.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"
#include "fuzz.h"

static const struct id id = { { 1, 2, 3 } };

static void must(int truth)
{
	if (!truth)
		abort();
}

static void store(struct ledger *ledger, const char *text, size_t len, uint64_t lines)
{
	struct error err = { 0 };

	must(ledger->ops->begin(ledger, &err) == 0);
	must(ledger->ops->put_key(ledger, &id, text, len, lines, &err) == 0);
	must(ledger->ops->commit(ledger, &err) == 0);
}

/* What the test knows of a key: the last entry of the list that names it. */
static uint64_t lines_of(const uint8_t *data, size_t size, const char *text, size_t len)
{
	uint64_t lines = UINT64_MAX;

	for (size_t at = 0; size - at >= 2 && size - at - 2 >= data[at]; at += 2 + data[at])
		if (data[at] == len && memcmp(data + at + 2, text, len) == 0)
			lines = data[at + 1];
	return lines;
}

static unsigned check(struct job *job, const uint8_t *data, size_t size)
{
	unsigned count = 0;

	for (size_t at = 0; at < KEY_CHAINS; at++)
		for (struct key *key = job->keys[at]; key != NULL; key = key->next, count++)
			must(key->lines == lines_of(data, size, key->text, key->len));
	must(count == job->key_count);
	for (size_t at = 0; size - at >= 2 && size - at - 2 >= data[at]; at += 2 + data[at])
		must(job_key(job, (const char *)data + at + 2, data[at], false) != NULL);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct job lives, back;
	struct ledger *ledger;
	struct error err = { 0 };
	struct key *list = NULL;

	lives = back = (struct job){ 0 };
	must(ledger_memory_open(&ledger, &err) == 0);
	for (size_t at = 0; size - at >= 2 && size - at - 2 >= data[at]; at += 2 + data[at]) {
		const char *text = (const char *)data + at + 2;
		struct key *key = job_key(&lives, text, data[at], true);

		must(key != NULL && key->len == data[at]);
		key->lines = data[at + 1];
		store(ledger, text, data[at], data[at + 1]);
	}
	must(keys_read(ledger, &id, &list, &err) == 0);
	job_keys_take(&back, list);
	must(check(&lives, data, size) == check(&back, data, size));
	job_keys_free(&lives);
	job_keys_free(&back);
	ledger_close(ledger);
	return 0;
}
