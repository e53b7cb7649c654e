/*
 * lmdb_write: what the commit thread puts into and takes out of the open transaction.
 */
#include "ledger/lmdb_internal.h"

#include <assert.h>
#include <xxhash.h>

#include "base/fault.h"
#include "base/role.h"

/* Deleting a value reads the first page of its run, and the system maps its neighbours. */
#define TOUCHED_BY_DROP (64u << 10)
/* What removing a record costs beside its bytes, for erase()'s budget. */
#define RECORD_COST 64

static MDB_val key_val(struct lmdb_key *key)
{
	return (MDB_val){ KEY_SIZE, key };
}

/* Remove the segments of a value from number `segment` on. */
static int drop_segments(struct lmdb_env *env, MDB_txn *txn, unsigned table,
	const struct lmdb_key *value_key, unsigned segment)
{
	struct lmdb_key key = *value_key;
	MDB_val at = key_val(&key);
	int code = 0;

	for (; code == 0 && segment <= SEGMENTS_MAX; segment++) {
		key.segment[0] = (uint8_t)(segment >> 8);
		key.segment[1] = (uint8_t)segment;
		code = mdb_del(txn, env->tables[table], &at, NULL);
		if (code == 0)
			lmdb_env_touched(env, TOUCHED_BY_DROP);
	}
	return code == MDB_NOTFOUND ? 0 : code;
}

/* Bytes `from` to `from + part` of a value with its seal behind it. */
static void copy_part(
	char *to, size_t part, size_t from, const char *bytes, size_t len, const uint64_t *seal)
{
	size_t plain = from < len ? MIN(part, len - from) : 0;

	if (plain > 0)
		memcpy(to, bytes + from, plain);
	if (plain < part)
		memcpy(to + plain, (const char *)seal + (from + plain - len), part - plain);
}

int lmdb_put_sealed(struct lmdb_env *env, MDB_txn *txn, unsigned table,
	const struct lmdb_key *value_key, const void *bytes, size_t len)
{
	uint64_t seal = lmdb_seal(table, value_key, bytes, len);
	size_t from = 0, whole = len + SEAL_SIZE;
	struct lmdb_key key = *value_key;
	unsigned segment = 0;
	int code;

	for (; from < whole; from += SEGMENT_SIZE, segment++) {
		size_t part = MIN(whole - from, (size_t)SEGMENT_SIZE);
		MDB_val at = key_val(&key), room = { part, NULL };

		key.segment[0] = (uint8_t)(segment >> 8);
		key.segment[1] = (uint8_t)segment;
		code = mdb_put(txn, env->tables[table], &at, &room, MDB_RESERVE);
		if (code != 0)
			return code;
		copy_part(room.mv_data, part, from, bytes, len, &seal);
	}
	/* What stood there before may have been longer. */
	return drop_segments(env, txn, table, value_key, segment);
}

static int put(struct ledger *ledger, unsigned table, const struct id *job, uint64_t number,
	const void *bytes, size_t len, struct error *err)
{
	struct ledger_lmdb *lmdb = lmdb_of(ledger);
	struct lmdb_key key = lmdb_key(job, number, 0);
	int code;

	assert_on(ROLE_COMMIT);
	assert(lmdb->txn != NULL);
	if (len > (size_t)BLOCK_SIZE_MAX * SEGMENTS_MAX)
		return error_set(
			err, ERR_STORE, "a value of %zu bytes is too large to store", len);
	lmdb->written_bytes += len + 4096;
	code = lmdb_put_sealed(&lmdb->env, lmdb->txn, table, &key, bytes, len);
	return code == 0 ? 0 : lmdb_error(lmdb, code, "writing", err);
}

static int drop(struct ledger *ledger, unsigned table, const struct id *job, uint64_t number,
	struct error *err)
{
	struct ledger_lmdb *lmdb = lmdb_of(ledger);
	struct lmdb_key key = lmdb_key(job, number, 0);
	int code;

	assert_on(ROLE_COMMIT);
	assert(lmdb->txn != NULL);
	code = drop_segments(&lmdb->env, lmdb->txn, table, &key, 0);
	return code == 0 ? 0 : lmdb_error(lmdb, code, "removing", err);
}

int lmdb_put_job(struct ledger *ledger, const struct id *job, const void *definition,
	size_t definition_len, const void *record, size_t record_len, struct error *err)
{
	if (definition != NULL && put(ledger, TABLE_JOBS, job, JOB_DEFINITION, definition,
					  definition_len, err) < 0)
		return -1;
	FAULT_POINT("write-job");
	if (record == NULL)
		return 0;
	return put(ledger, TABLE_JOBS, job, JOB_RECORD, record, record_len, err);
}

int lmdb_put_input(struct ledger *ledger, const struct id *job, uint64_t block,
	const void *bytes, size_t len, struct error *err)
{
	FAULT_POINT("write-input");
	return put(ledger, TABLE_INPUT, job, block, bytes, len, err);
}

int lmdb_put_done(struct ledger *ledger, const struct id *job, uint64_t block,
	const void *bitmap, size_t len, struct error *err)
{
	FAULT_POINT("write-done");
	return put(ledger, TABLE_DONE, job, block, bitmap, len, err);
}

int lmdb_drop_input(
	struct ledger *ledger, const struct id *job, uint64_t block, struct error *err)
{
	if (drop(ledger, TABLE_INPUT, job, block, err) < 0)
		return -1;
	FAULT_POINT("drop-input");
	return drop(ledger, TABLE_DONE, job, block, err);
}

int lmdb_append(struct ledger *ledger, const struct id *job, enum ledger_log log, uint64_t seq,
	const void *bytes, size_t len, struct error *err)
{
	return put(ledger, lmdb_log_table(log), job, seq, bytes, len, err);
}

int lmdb_drop_failure(
	struct ledger *ledger, const struct id *job, uint64_t seq, struct error *err)
{
	FAULT_POINT("drop-failure");
	return drop(ledger, TABLE_FAILURES, job, seq, err);
}

int lmdb_put_state(struct ledger *ledger, const struct id *job, const void *bytes, size_t len,
	struct error *err)
{
	FAULT_POINT("write-state");
	return put(ledger, TABLE_STATE, job, 0, bytes, len, err);
}

/* ---- looking for a place; nothing is changed by it, so it can be left ---- */

struct look {
	MDB_txn *txn;
	MDB_dbi table;
	MDB_cursor *cursor;
	MDB_val key, value;
};

static int read_get(void *arg)
{
	struct look *look = arg;

	return mdb_get(look->txn, look->table, &look->key, &look->value);
}

static int read_seek(void *arg)
{
	struct look *look = arg;

	return mdb_cursor_get(look->cursor, &look->key, &look->value, MDB_SET_RANGE);
}

/* ---- keys ---- */

/* The number of a key: its hash, or the next that no other key has. */
static int key_number(struct ledger_lmdb *lmdb, const struct id *job, const char *text,
	size_t len, uint64_t *ret)
{
	uint64_t number = XXH3_64bits(text, len);

	for (;; number++) {
		struct lmdb_key key = lmdb_key(job, number, 0);
		struct look at = { .txn = lmdb->txn,
			.table = lmdb->env.tables[TABLE_KEYS],
			.key = key_val(&key) };
		int code = lmdb_guarded(read_get, &at);

		if (code != 0 && code != MDB_NOTFOUND)
			return code;
		if (code == 0 &&
			(at.value.mv_size != sizeof(struct key_value) + len + SEAL_SIZE ||
				memcmp((char *)at.value.mv_data + sizeof(struct key_value),
					text, len) != 0))
			continue;
		*ret = number;
		return 0;
	}
}

int lmdb_put_key(struct ledger *ledger, const struct id *job, const char *key, size_t len,
	uint64_t lines, struct error *err)
{
	struct ledger_lmdb *lmdb = lmdb_of(ledger);
	_auto_free_ struct key_value *value = mem_alloc(sizeof(*value) + len);
	uint64_t number;
	int code;

	if (value == NULL)
		return error_no_memory(err);
	code = key_number(lmdb, job, key, len, &number);
	if (code != 0)
		return lmdb_error(lmdb, code, "writing", err);
	value->lines = lines;
	memcpy(value->text, key, len);
	FAULT_POINT("write-key");
	return put(ledger, TABLE_KEYS, job, number, value, sizeof(*value) + len, err);
}

/* ---- removing ranges ---- */

/* Move to the job's first record in a table; MDB_NOTFOUND when there is none. */
static int first_of_job(
	MDB_cursor *cursor, const struct id *job, MDB_val *ret_key, MDB_val *ret_value)
{
	struct lmdb_key first = lmdb_key(job, 0, 0);
	struct look at = { .cursor = cursor, .key = key_val(&first) };
	int code = lmdb_guarded(read_seek, &at);

	if (code != 0)
		return code;
	if (at.key.mv_size != KEY_SIZE)
		return MDB_CORRUPTED;
	if (memcmp(at.key.mv_data, job->bytes, ID_BYTES) != 0)
		return MDB_NOTFOUND;
	*ret_key = at.key;
	*ret_value = at.value;
	return 0;
}

/* The first number behind a result block; 0 when only its successor knows. */
static uint64_t results_end(const MDB_val *key, const MDB_val *value)
{
	const struct lmdb_key *at = key->mv_data;
	uint32_t count = result_count(value->mv_data, value->mv_size);

	return count == 0 ? 0 : be64_get(at->number) + count;
}

static int trim(
	struct ledger_lmdb *lmdb, MDB_cursor *cursor, const struct id *job, uint64_t seq)
{
	MDB_val key, value;
	int code;

	while ((code = first_of_job(cursor, job, &key, &value)) == 0) {
		struct lmdb_key first = *(struct lmdb_key *)key.mv_data;
		uint64_t end = results_end(&key, &value);

		if (end == 0 || end > seq)
			return 0;
		code = drop_segments(&lmdb->env, lmdb->txn, TABLE_RESULTS, &first, 0);
		if (code != 0)
			return code;
	}
	return code == MDB_NOTFOUND ? 0 : code;
}

int lmdb_trim_results(
	struct ledger *ledger, const struct id *job, uint64_t seq, struct error *err)
{
	struct ledger_lmdb *lmdb = lmdb_of(ledger);
	MDB_cursor *cursor;
	int code = mdb_cursor_open(lmdb->txn, lmdb->env.tables[TABLE_RESULTS], &cursor);

	assert_on(ROLE_COMMIT);
	if (code == 0) {
		code = trim(lmdb, cursor, job, seq);
		mdb_cursor_close(cursor);
	}
	FAULT_POINT("trim-results");
	return code == 0 ? 0 : lmdb_error(lmdb, code, "removing", err);
}

/* Remove the job's records from one table, within the budget. */
static int erase_table(
	struct ledger_lmdb *lmdb, unsigned table, const struct id *job, size_t *budget)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int code = mdb_cursor_open(lmdb->txn, lmdb->env.tables[table], &cursor);

	if (code != 0)
		return code;
	while (*budget > 0 && (code = first_of_job(cursor, job, &key, &value)) == 0) {
		*budget -= MIN(*budget, value.mv_size + RECORD_COST);
		code = mdb_cursor_del(cursor, 0);
		if (code != 0)
			break;
		lmdb_env_touched(&lmdb->env, TOUCHED_BY_DROP);
	}
	mdb_cursor_close(cursor);
	return code == MDB_NOTFOUND ? 0 : code;
}

/* In the order of erasing: the job itself goes last, so that it can be gone on with. */
static const unsigned tables_of_job[] = {
	TABLE_INPUT,
	TABLE_DONE,
	TABLE_RESULTS,
	TABLE_FAILURES,
	TABLE_KEYS,
	TABLE_STATE,
	TABLE_JOBS,
};

int lmdb_erase(struct ledger *ledger, const struct id *job, bool all, size_t budget,
	bool *ret_more, struct error *err)
{
	struct ledger_lmdb *lmdb = lmdb_of(ledger);
	size_t left = MAX(budget, (size_t)1);
	int code = 0;

	assert_on(ROLE_COMMIT);
	for (size_t at = 0; at < ARRAY_SIZE(tables_of_job) && left > 0 && code == 0; at++)
		if (tables_of_job[at] != TABLE_JOBS || all) {
			code = erase_table(lmdb, tables_of_job[at], job, &left);
			FAULT_POINT("erase-table");
		}
	if (code != 0)
		return lmdb_error(lmdb, code, "removing", err);
	*ret_more = left == 0;
	return 0;
}
