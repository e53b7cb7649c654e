/*
 * ledger_memory: the ledger's contract without a disk.
 *
 * What a transaction writes is collected as a list of changes, each of them one of four kinds
 * to one of a job's tables; commit() first makes room for all of them, which may fail, and
 * then applies them, which cannot. abort() forgets the list. So readers, who hold the lock
 * shared, see all of a transaction or nothing.
 */
#include "ledger/memory_internal.h"

#include <assert.h>
#include <xxhash.h>

#include "base/mem.h"
#include "base/role.h"
#include "ledger/block.h"

enum change_kind { CHANGE_PUT, CHANGE_DROP, CHANGE_TRIM, CHANGE_ERASE };

struct change {
	enum change_kind kind;
	bool all;
	unsigned table;
	struct id job;
	uint64_t key;
	struct value *value;
};

/* ---- jobs ---- */

size_t memory_job_index(const struct ledger_memory *memory, const struct id *id)
{
	size_t low = 0, high = memory->job_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (memcmp(memory->jobs[middle]->id.bytes, id->bytes, ID_BYTES) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct memory_job *memory_job_find(const struct ledger_memory *memory, const struct id *id)
{
	size_t index = memory_job_index(memory, id);

	if (index == memory->job_count || !id_equal(&memory->jobs[index]->id, id))
		return NULL;
	return memory->jobs[index];
}

static struct memory_job *job_add(struct ledger_memory *memory, const struct id *id)
{
	size_t index = memory_job_index(memory, id), capacity = memory->job_capacity * 2 + 16;
	struct memory_job **jobs = memory->jobs, *job;

	if (memory->job_count == memory->job_capacity) {
		jobs = mem_realloc(jobs, capacity * sizeof(jobs[0]));
		if (jobs == NULL)
			return NULL;
		memory->jobs = jobs;
		memory->job_capacity = capacity;
	}
	job = mem_zalloc(sizeof(*job));
	if (job == NULL)
		return NULL;
	job->id = *id;
	memmove(jobs + index + 1, jobs + index, (memory->job_count - index) * sizeof(jobs[0]));
	jobs[index] = job;
	memory->job_count++;
	return job;
}

/* The tables keep their arrays: a put that follows must not fail. */
static void job_erase(struct memory_job *job, bool all)
{
	for (unsigned table = 0; table < TABLES; table++)
		if (table != T_SINGLE || all)
			table_drop_first(&job->tables[table], job->tables[table].count);
	table_drop(&job->tables[T_SINGLE], SINGLE_STATE);
}

static void job_free(struct memory_job *job)
{
	for (unsigned table = 0; table < TABLES; table++)
		table_clear(&job->tables[table]);
	mem_free(job);
}

/* After an erasure: free empty tables, and jobs that hold nothing. */
static void jobs_sweep(struct ledger_memory *memory)
{
	size_t kept = 0;

	for (size_t index = 0; index < memory->job_count; index++) {
		struct memory_job *job = memory->jobs[index];
		bool empty = true;

		for (unsigned table = 0; table < TABLES; table++) {
			if (job->tables[table].count == 0)
				table_clear(&job->tables[table]);
			else
				empty = false;
		}
		if (empty)
			job_free(job);
		else
			memory->jobs[kept++] = job;
	}
	memory->job_count = kept;
}

/* ---- the log's records ---- */

uint64_t memory_log_end(const struct table *table, unsigned which, size_t index)
{
	const struct entry *entry = table_at(table, index);
	uint32_t count = 1;

	if (which == T_RESULTS)
		count = result_count(entry->value->bytes, entry->value->len);
	return count == 0 ? UINT64_MAX : entry->key + count;
}

static void log_trim(struct table *table, unsigned which, uint64_t seq)
{
	size_t count = 0;

	while (count < table->count && memory_log_end(table, which, count) <= seq)
		count++;
	table_drop_first(table, count);
}

/* ---- the transaction ---- */

static int memory_begin(struct ledger *ledger, struct error *err)
{
	assert_on(ROLE_COMMIT);
	assert(memory_of(ledger)->change_count == 0);
	return 0;
}

static void memory_abort(struct ledger *ledger)
{
	struct ledger_memory *memory = memory_of(ledger);

	for (size_t at = 0; at < memory->change_count; at++)
		mem_free(memory->changes[at].value);
	memory->change_count = 0;
}

static int stage(struct ledger_memory *memory, struct change change, struct error *err)
{
	size_t capacity = memory->change_capacity * 2 + 32;
	struct change *changes = memory->changes;

	if (memory->change_count == memory->change_capacity) {
		changes = mem_realloc(changes, capacity * sizeof(changes[0]));
		if (changes == NULL) {
			mem_free(change.value);
			return error_no_memory(err);
		}
		memory->changes = changes;
		memory->change_capacity = capacity;
	}
	changes[memory->change_count++] = change;
	return 0;
}

static int stage_put(struct ledger *ledger, const struct id *job, unsigned table, uint64_t key,
	const void *bytes, size_t len, struct error *err)
{
	struct value *value = value_new(bytes, len);

	if (value == NULL)
		return error_no_memory(err);
	return stage(memory_of(ledger),
		(struct change){ CHANGE_PUT, false, table, *job, key, value }, err);
}

/* Make room for every change, so that applying them cannot fail. */
static int make_room(struct ledger_memory *memory, struct error *err)
{
	int result = 0;

	for (size_t at = 0; at < memory->change_count && result == 0; at++) {
		const struct change *change = &memory->changes[at];
		struct memory_job *job = memory_job_find(memory, &change->job);

		if (change->kind != CHANGE_PUT)
			continue;
		if (job == NULL)
			job = job_add(memory, &change->job);
		if (job == NULL || table_reserve(&job->tables[change->table],
					   ++job->coming[change->table]) < 0)
			result = error_no_memory(err);
	}
	for (size_t at = 0; at < memory->change_count; at++) {
		struct memory_job *job = memory_job_find(memory, &memory->changes[at].job);

		if (job != NULL)
			job->coming[memory->changes[at].table] = 0;
	}
	return result;
}

/* The slot of a key among values by hash: its own, or the next that no other key has. */
static uint64_t key_slot(const struct table *table, const struct value *value)
{
	const struct key_value *key = (const struct key_value *)value->bytes, *found;
	size_t len = value->len - sizeof(*key);
	uint64_t slot = XXH3_64bits(key->text, len);

	for (;; slot++) {
		size_t index = table_find(table, slot);

		if (index == table->count || table_at(table, index)->key != slot)
			return slot;
		found = (const struct key_value *)table_at(table, index)->value->bytes;
		if (table_at(table, index)->value->len == value->len &&
			memcmp(found->text, key->text, len) == 0)
			return slot;
	}
}

/* Returns whether a job may have become empty. */
static bool apply(struct ledger_memory *memory, struct change *change)
{
	struct memory_job *job = memory_job_find(memory, &change->job);
	struct table *table;

	if (job == NULL)
		return false;
	table = &job->tables[change->table];
	switch (change->kind) {
	case CHANGE_PUT:
		if (change->table == T_KEYS)
			change->key = key_slot(table, change->value);
		table_put(table, change->key, TAKE(change->value));
		return false;
	case CHANGE_DROP:
		table_drop(table, change->key);
		return false;
	case CHANGE_TRIM:
		log_trim(table, change->table, change->key);
		return false;
	case CHANGE_ERASE:
		job_erase(job, change->all);
		return true;
	}
	return false;
}

static int memory_commit(struct ledger *ledger, struct error *err)
{
	struct ledger_memory *memory = memory_of(ledger);
	bool sweep = false;
	int result;

	assert_on(ROLE_COMMIT);
	pthread_rwlock_wrlock(&memory->lock);
	result = make_room(memory, err);
	if (result == 0) {
		for (size_t at = 0; at < memory->change_count; at++)
			sweep |= apply(memory, &memory->changes[at]);
		memory->commits++;
	}
	if (sweep)
		jobs_sweep(memory);
	pthread_rwlock_unlock(&memory->lock);
	memory_abort(ledger); /* frees what was not handed over */
	return result;
}

/* ---- writing ---- */

static int memory_put_job(struct ledger *ledger, const struct id *job, const void *definition,
	size_t definition_len, const void *record, size_t record_len, struct error *err)
{
	if (definition != NULL && stage_put(ledger, job, T_SINGLE, SINGLE_DEFINITION,
					  definition, definition_len, err) < 0)
		return -1;
	return record == NULL ? 0
			      : stage_put(ledger, job, T_SINGLE, SINGLE_RECORD, record,
					record_len, err);
}

static int memory_put_input(struct ledger *ledger, const struct id *job, uint64_t block,
	const void *bytes, size_t len, struct error *err)
{
	return stage_put(ledger, job, T_INPUT, block, bytes, len, err);
}

static int memory_put_done(struct ledger *ledger, const struct id *job, uint64_t block,
	const void *bitmap, size_t len, struct error *err)
{
	return stage_put(ledger, job, T_DONE, block, bitmap, len, err);
}

static int memory_drop_input(
	struct ledger *ledger, const struct id *job, uint64_t block, struct error *err)
{
	struct ledger_memory *memory = memory_of(ledger);

	if (stage(memory, (struct change){ CHANGE_DROP, false, T_INPUT, *job, block }, err) < 0)
		return -1;
	return stage(memory, (struct change){ CHANGE_DROP, false, T_DONE, *job, block }, err);
}

static int memory_append(struct ledger *ledger, const struct id *job, enum ledger_log log,
	uint64_t seq, const void *bytes, size_t len, struct error *err)
{
	return stage_put(ledger, job, log_table(log), seq, bytes, len, err);
}

static int memory_drop_failure(
	struct ledger *ledger, const struct id *job, uint64_t seq, struct error *err)
{
	return stage(memory_of(ledger),
		(struct change){ CHANGE_DROP, false, T_FAILURES, *job, seq }, err);
}

static int memory_trim_results(
	struct ledger *ledger, const struct id *job, uint64_t seq, struct error *err)
{
	return stage(memory_of(ledger),
		(struct change){ CHANGE_TRIM, false, T_RESULTS, *job, seq }, err);
}

static int memory_put_key(struct ledger *ledger, const struct id *id, const char *key,
	size_t len, uint64_t lines, struct error *err)
{
	_auto_free_ struct key_value *bytes = mem_alloc(sizeof(*bytes) + len);

	if (bytes == NULL)
		return error_no_memory(err);
	bytes->lines = lines;
	memcpy(bytes->text, key, len);
	/* Its slot is known when it is applied. */
	return stage_put(ledger, id, T_KEYS, 0, bytes, sizeof(*bytes) + len, err);
}

static int memory_put_state(struct ledger *ledger, const struct id *job, const void *bytes,
	size_t len, struct error *err)
{
	return stage_put(ledger, job, T_SINGLE, SINGLE_STATE, bytes, len, err);
}

static int memory_erase(struct ledger *ledger, const struct id *job, bool all, size_t budget,
	bool *ret_more, struct error *err)
{
	if (stage(memory_of(ledger), (struct change){ CHANGE_ERASE, all, 0, *job }, err) < 0)
		return -1;
	*ret_more = false; /* freeing is quick: once is enough, whatever the budget */
	return 0;
}

/* ---- open and close ---- */

static void memory_close(struct ledger *ledger)
{
	struct ledger_memory *memory = memory_of(ledger);

	memory_abort(ledger);
	for (size_t index = 0; index < memory->job_count; index++)
		job_free(memory->jobs[index]);
	pthread_rwlock_destroy(&memory->lock);
	mem_free(memory->jobs);
	mem_free(memory->changes);
	mem_free(memory);
}

static const struct ledger_ops memory_ops = {
	.begin = memory_begin,
	.commit = memory_commit,
	.abort = memory_abort,
	.put_job = memory_put_job,
	.put_input = memory_put_input,
	.put_done = memory_put_done,
	.drop_input = memory_drop_input,
	.append = memory_append,
	.drop_failure = memory_drop_failure,
	.trim_results = memory_trim_results,
	.put_key = memory_put_key,
	.put_state = memory_put_state,
	.erase = memory_erase,
	.each_job = memory_each_job,
	.get_job = memory_get_job,
	.next_input = memory_next_input,
	.input_range = memory_input_range,
	.each_value = memory_each_value,
	.each_key = memory_each_key,
	.get_state = memory_get_state,
	.stat = memory_stat,
	.close = memory_close,
};

/*
 * New readers let the writer pass, or a few that read all the time would keep him out. The
 * price: whoever reads must not begin to read again before he has ended.
 */
static void init_lock(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(lock, &attr);
	pthread_rwlockattr_destroy(&attr);
}

int ledger_memory_open(struct ledger **ret, struct error *err)
{
	struct ledger_memory *memory = mem_zalloc(sizeof(*memory));

	if (memory == NULL)
		return error_no_memory(err);
	memory->ledger.ops = &memory_ops;
	init_lock(&memory->lock);
	*ret = &memory->ledger;
	return 0;
}
