/*
 * memory_read: reading the ledger in memory; the lock is held shared for as long as a call
 * takes, the visits of its function included.
 */
#include "ledger/memory_internal.h"

#include "base/mem.h"
#include "ledger/block.h"

static const struct value *single(const struct memory_job *job, uint64_t key)
{
	const struct table *table = &job->tables[T_SINGLE];
	size_t index = table_find(table, key);

	if (index == table->count || table_at(table, index)->key != key)
		return NULL;
	return table_at(table, index)->value;
}

static const struct value *single_or_empty(const struct memory_job *job, uint64_t key)
{
	static const struct value empty;
	const struct value *value = single(job, key);

	return value == NULL ? &empty : value;
}

/* Has it been put as a job, and not only things of it? */
static bool is_job(const struct memory_job *job)
{
	return job != NULL && (single(job, SINGLE_DEFINITION) || single(job, SINGLE_RECORD));
}

int memory_each_job(struct ledger *ledger, const struct id *before, ledger_job_fn fn, void *arg,
	struct error *err)
{
	struct ledger_memory *memory = memory_of(ledger);
	size_t index;
	bool more = true;

	pthread_rwlock_rdlock(&memory->lock);
	index = before == NULL ? memory->job_count : memory_job_index(memory, before);
	while (more && index-- > 0) {
		const struct memory_job *job = memory->jobs[index];
		const struct value *definition = single_or_empty(job, SINGLE_DEFINITION);
		const struct value *record = single_or_empty(job, SINGLE_RECORD);

		if (is_job(job))
			more = fn(arg, &job->id, definition->bytes, definition->len,
				record->bytes, record->len);
	}
	pthread_rwlock_unlock(&memory->lock);
	return 0;
}

static int append_value(struct buf *to, const struct value *value)
{
	return value == NULL ? 0 : buf_append(to, value->bytes, value->len);
}

int memory_get_job(struct ledger *ledger, const struct id *id, struct buf *definition,
	struct buf *record, struct error *err)
{
	struct ledger_memory *memory = memory_of(ledger);
	size_t len = definition->len;
	const struct memory_job *job;
	int result = 0;

	pthread_rwlock_rdlock(&memory->lock);
	job = memory_job_find(memory, id);
	if (!is_job(job)) {
		char text[ID_TEXT_SIZE];

		id_format(id, text);
		result = error_set(err, ERR_JOB_NOT_FOUND, "no job %s", text);
	} else if (append_value(definition, single(job, SINGLE_DEFINITION)) < 0 ||
		   append_value(record, single(job, SINGLE_RECORD)) < 0) {
		definition->len = len;
		result = error_no_memory(err);
	}
	pthread_rwlock_unlock(&memory->lock);
	return result;
}

static int copy_input(const struct memory_job *job, uint64_t from_block, uint64_t *ret_block,
	struct buf *bytes, struct buf *bitmap, struct error *err)
{
	const struct table *input = &job->tables[T_INPUT], *done = &job->tables[T_DONE];
	size_t index = table_find(input, from_block), bits;
	const struct entry *block;

	if (index == input->count)
		return 0;
	block = table_at(input, index);
	bits = table_find(done, block->key);
	buf_clear(bytes);
	buf_clear(bitmap);
	if (append_value(bytes, block->value) < 0)
		return error_no_memory(err);
	if (bits < done->count && table_at(done, bits)->key == block->key &&
		append_value(bitmap, table_at(done, bits)->value) < 0)
		return error_no_memory(err);
	*ret_block = block->key;
	return 1;
}

int memory_next_input(struct ledger *ledger, const struct id *id, uint64_t from_block,
	uint64_t *ret_block, struct buf *bytes, struct buf *bitmap, struct error *err)
{
	struct ledger_memory *memory = memory_of(ledger);
	const struct memory_job *job;
	int result;

	pthread_rwlock_rdlock(&memory->lock);
	job = memory_job_find(memory, id);
	result = job == NULL ? 0 : copy_input(job, from_block, ret_block, bytes, bitmap, err);
	pthread_rwlock_unlock(&memory->lock);
	return result;
}

int memory_input_range(struct ledger *ledger, const struct id *id, uint64_t *ret_first,
	uint64_t *ret_last, uint64_t *ret_bytes, struct error *err)
{
	struct ledger_memory *memory = memory_of(ledger);
	const struct memory_job *job;
	const struct table *input;
	int result = 0;

	*ret_first = *ret_last = *ret_bytes = 0;
	pthread_rwlock_rdlock(&memory->lock);
	job = memory_job_find(memory, id);
	if (job != NULL && job->tables[T_INPUT].count > 0) {
		input = &job->tables[T_INPUT];
		*ret_first = table_at(input, 0)->key;
		*ret_last = table_at(input, input->count - 1)->key;
		*ret_bytes = input->bytes;
		result = 1;
	}
	pthread_rwlock_unlock(&memory->lock);
	return result;
}

/* Index of the record that holds `seq`, or else of the next one. */
static size_t log_find(const struct table *table, unsigned which, uint64_t seq)
{
	size_t index = table_find(table, seq);

	if (index < table->count && table_at(table, index)->key == seq)
		return index;
	return index > 0 && memory_log_end(table, which, index - 1) > seq ? index - 1 : index;
}

int memory_each_value(struct ledger *ledger, const struct id *id, enum ledger_log log,
	uint64_t seq, ledger_value_fn fn, void *arg, struct error *err)
{
	struct ledger_memory *memory = memory_of(ledger);
	const struct memory_job *job;
	const struct table *table;
	bool more = true;

	pthread_rwlock_rdlock(&memory->lock);
	job = memory_job_find(memory, id);
	if (job != NULL) {
		table = &job->tables[log_table(log)];
		for (size_t index = log_find(table, log_table(log), seq);
			more && index < table->count; index++) {
			const struct entry *entry = table_at(table, index);

			more = fn(arg, entry->key, entry->value->bytes, entry->value->len);
		}
	}
	pthread_rwlock_unlock(&memory->lock);
	return 0;
}

int memory_each_key(struct ledger *ledger, const struct id *id, ledger_key_fn fn, void *arg,
	struct error *err)
{
	struct ledger_memory *memory = memory_of(ledger);
	const struct memory_job *job;
	const struct table *table;
	bool more = true;

	pthread_rwlock_rdlock(&memory->lock);
	job = memory_job_find(memory, id);
	table = job == NULL ? NULL : &job->tables[T_KEYS];
	for (size_t index = 0; table != NULL && more && index < table->count; index++) {
		const struct value *value = table_at(table, index)->value;
		const struct key_value *key = (const struct key_value *)value->bytes;

		more = fn(arg, key->text, value->len - sizeof(*key), key->lines);
	}
	pthread_rwlock_unlock(&memory->lock);
	return 0;
}

int memory_get_state(
	struct ledger *ledger, const struct id *id, struct buf *bytes, struct error *err)
{
	struct ledger_memory *memory = memory_of(ledger);
	const struct memory_job *job;
	int result = 0;

	pthread_rwlock_rdlock(&memory->lock);
	job = memory_job_find(memory, id);
	if (job != NULL && append_value(bytes, single(job, SINGLE_STATE)) < 0)
		result = error_no_memory(err);
	pthread_rwlock_unlock(&memory->lock);
	return result;
}

/* There is no bound but memory; so much that a sum of it still is a JSON integer. */
#define UNBOUNDED ((uint64_t)INT64_MAX)

void memory_stat(struct ledger *ledger, struct ledger_stat *ret)
{
	struct ledger_memory *memory = memory_of(ledger);

	*ret = (struct ledger_stat){
		.max_bytes = UNBOUNDED, .free_bytes = UNBOUNDED, .writable = true
	};
	pthread_rwlock_rdlock(&memory->lock);
	for (size_t index = 0; index < memory->job_count; index++)
		for (unsigned table = 0; table < TABLES; table++)
			ret->used_bytes += memory->jobs[index]->tables[table].bytes;
	ret->commits = memory->commits;
	pthread_rwlock_unlock(&memory->lock);
}
