#include "engine/keys.h"

#include "engine/internal.h"
#include "engine/upload.h"

static struct key **chain_of(struct job *job, const char *text, size_t len)
{
	return &job->keys[block_checksum(text, len) % KEY_CHAINS];
}

static struct key *key_new(const char *text, size_t len)
{
	struct key *key = mem_zalloc(sizeof(*key) + len + 1);

	if (key == NULL)
		return NULL;
	memcpy(key->text, text, len);
	key->len = len;
	return key;
}

static void put_in(struct job *job, struct key *key)
{
	struct key **chain = chain_of(job, key->text, key->len);

	key->next = *chain;
	*chain = key;
	job->key_count++;
}

struct key *job_key(struct job *job, const char *text, size_t len, bool make)
{
	struct key *key = *chain_of(job, text, len);

	for (; key != NULL; key = key->next)
		if (key->len == len && memcmp(key->text, text, len) == 0)
			return key;
	key = make ? key_new(text, len) : NULL;
	if (key != NULL)
		put_in(job, key);
	return key;
}

void job_keys_free(struct job *job)
{
	for (unsigned at = 0; at < KEY_CHAINS; at++)
		keys_free(TAKE(job->keys[at]));
}

uint64_t job_key_lines(struct job *job, const char *text)
{
	struct key *key = job_key(job, text, strlen(text), false);

	return key == NULL ? 0 : key->lines;
}

/* ---- from the ledger ---- */

struct reading {
	struct key *list;
	bool no_memory;
};

static bool add_key(void *arg, const char *text, size_t len, uint64_t lines)
{
	struct reading *reading = arg;
	struct key *key = key_new(text, len);

	reading->no_memory = key == NULL;
	if (key == NULL)
		return false;
	key->lines = key->taken = lines;
	key->next = reading->list;
	reading->list = key;
	return true;
}

int keys_read(struct ledger *ledger, const struct id *job, struct key **ret, struct error *err)
{
	struct reading reading = { 0 };
	int result = ledger->ops->each_key(ledger, job, add_key, &reading, err);

	if (result == 0 && reading.no_memory)
		result = error_no_memory(err);
	if (result < 0)
		keys_free(reading.list);
	else
		*ret = reading.list;
	return result;
}

void keys_free(struct key *list)
{
	while (list != NULL) {
		struct key *next = list->next;

		mem_free(list);
		list = next;
	}
}

void job_keys_take(struct job *job, struct key *list)
{
	while (list != NULL) {
		struct key *next = list->next;

		put_in(job, list);
		list = next;
	}
}
