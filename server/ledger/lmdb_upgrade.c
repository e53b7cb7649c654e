/*
 * lmdb_upgrade: a folder of format 1 becomes one of format 2.
 *
 * Everything that a job has few of is sealed at once, a thousand values a transaction; input
 * blocks, results and failures are left as they are, for they may be many, and say themselves
 * whether they are whole. The first transaction writes the new format down, so that no older
 * leat opens what is half done, and the last one that it is done: in between SIGKILL does no
 * harm, what is sealed already is passed over.
 */
#include <errno.h>

#include "base/fault.h"
#include "base/log.h"
#include "ledger/lmdb_internal.h"

#define VALUES_A_ROUND 1000

static const unsigned small_tables[] = { TABLE_JOBS, TABLE_DONE, TABLE_KEYS, TABLE_STATE };

struct upgrade {
	struct lmdb_env *env;
	MDB_txn *txn;
	unsigned table;
	struct lmdb_key at; /* the value that is looked at */
	struct buf bytes;
};

static void key_of(const MDB_val *from, struct lmdb_key *ret)
{
	memcpy(ret, from->mv_data, sizeof(*ret));
	memset(ret->segment, 0, sizeof(ret->segment));
}

/* Collect the value at or behind `at`, and say which it is. */
static int next_value(struct upgrade *upgrade)
{
	MDB_val key = { KEY_SIZE, &upgrade->at }, value;
	struct lmdb_key found;
	MDB_cursor *cursor;
	int code = mdb_cursor_open(upgrade->txn, upgrade->env->tables[upgrade->table], &cursor);

	if (code != 0)
		return code;
	buf_clear(&upgrade->bytes);
	code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	if (code == 0 && key.mv_size != KEY_SIZE)
		code = MDB_CORRUPTED;
	if (code == 0)
		key_of(&key, &found);
	while (code == 0 && key.mv_size == KEY_SIZE &&
		memcmp(key.mv_data, &found, KEY_VALUE_SIZE) == 0) {
		if (buf_append(&upgrade->bytes, value.mv_data, value.mv_size) < 0)
			code = ENOMEM;
		else
			code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
		upgrade->at = found;
	}
	mdb_cursor_close(cursor);
	return code == MDB_NOTFOUND && upgrade->bytes.len > 0 ? 0 : code;
}

/* To the smallest key behind all segments of this value. */
static void step(struct lmdb_key *key)
{
	memset(key->segment, 0, sizeof(key->segment));
	for (unsigned at = KEY_VALUE_SIZE; at-- > 0;)
		if (++((uint8_t *)key)[at] != 0)
			break;
}

/* MDB_NOTFOUND: the table has no more. */
static int seal_some(struct upgrade *upgrade)
{
	int code = 0;

	for (unsigned n = 0; n < VALUES_A_ROUND && code == 0; n++) {
		size_t len;

		code = next_value(upgrade);
		if (code == 0 && !lmdb_unseal(upgrade->table, &upgrade->at, upgrade->bytes.data,
					 upgrade->bytes.len, false, &len))
			code = lmdb_put_sealed(upgrade->env, upgrade->txn, upgrade->table,
				&upgrade->at, upgrade->bytes.data, upgrade->bytes.len);
		if (code == 0)
			step(&upgrade->at);
	}
	return code;
}

static int seal_table(struct upgrade *upgrade, unsigned table)
{
	int code, ended;

	upgrade->table = table;
	memset(&upgrade->at, 0, sizeof(upgrade->at));
	do {
		code = mdb_txn_begin(upgrade->env->env, NULL, 0, &upgrade->txn);
		if (code != 0)
			return code;
		ended = seal_some(upgrade);
		if (ended != 0 && ended != MDB_NOTFOUND) {
			mdb_txn_abort(upgrade->txn);
			return ended;
		}
		FAULT_POINT("upgrade-sealed");
		code = mdb_txn_commit(upgrade->txn);
	} while (code == 0 && ended == 0);
	return code;
}

static int put_flags(struct lmdb_env *env, uint64_t flags)
{
	MDB_txn *txn;
	int code = mdb_txn_begin(env->env, NULL, 0, &txn);

	if (code != 0)
		return code;
	code = lmdb_env_put_flags(env, txn, flags);
	if (code != 0) {
		mdb_txn_abort(txn);
		return code;
	}
	code = mdb_txn_commit(txn);
	if (code == 0)
		env->flags = flags;
	return code;
}

int lmdb_upgrade(struct lmdb_env *env)
{
	struct upgrade upgrade = { .env = env };
	int code = 0;

	log_info("store_upgrade", "format=%d what=\"checksums for every value\"",
		FORMAT_VERSION);
	for (size_t at = 0; at < ARRAY_SIZE(small_tables) && code == 0; at++)
		code = seal_table(&upgrade, small_tables[at]);
	buf_done(&upgrade.bytes);
	FAULT_POINT("upgrade-ends");
	return code == 0 ? put_flags(env, env->flags & ~(uint64_t)FLAG_UPGRADING) : code;
}
