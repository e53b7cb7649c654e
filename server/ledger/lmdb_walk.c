#include "ledger/lmdb_walk.h"

#include <errno.h>

#include "base/role.h"

/* How long to wait for an environment that is being opened again. */
#define REOPEN_WAIT_S 3

/* Begin to read; fails, and then holds nothing, while the environment is not usable. */
static int begin(struct walk *walk)
{
	struct ledger_lmdb *lmdb = walk->lmdb;
	int code = MDB_PANIC;

	pthread_rwlock_rdlock(&lmdb->lock);
	if (lmdb->env.env != NULL && !lmdb_is_spoilt(lmdb))
		code = mdb_txn_begin(lmdb->env.env, NULL, MDB_RDONLY, &walk->txn);
	if (code != 0)
		pthread_rwlock_unlock(&lmdb->lock);
	return code;
}

/* LMDB reads the head of the table, which opening a cursor would do after it has allocated. */
static int read_head(void *arg)
{
	const struct walk *walk = arg;
	MDB_stat stat;

	return mdb_stat(walk->txn, walk->lmdb->env.tables[walk->table], &stat);
}

int walk_open(struct walk *walk, struct ledger *ledger, unsigned table)
{
	struct ledger_lmdb *lmdb = lmdb_of(ledger);
	struct timespec until;
	uint64_t openings;
	int code;

	*walk = (struct walk){ .lmdb = lmdb, .table = table };
	clock_gettime(CLOCK_MONOTONIC, &until);
	if (role_current != ROLE_LOOP) /* which never waits */
		until.tv_sec += REOPEN_WAIT_S;
	do {
		openings = lmdb_openings(lmdb);
		code = begin(walk);
	} while (code == MDB_PANIC && lmdb_wait_for_opening(lmdb, openings, &until));
	if (code == 0)
		code = lmdb_guarded(read_head, walk);
	if (code == 0)
		code = mdb_cursor_open(walk->txn, lmdb->env.tables[table], &walk->cursor);
	return code;
}

static int say_damaged(struct walk *walk, struct error *err)
{
	char text[DAMAGE_TEXT_SIZE];

	lmdb_note_damage(walk->lmdb, &walk->damage);
	lmdb_format_damage(&walk->damage, text, sizeof(text));
	return error_set(err, ERR_STORE,
		"%s is damaged on disk: its checksum is wrong ('leat fsck' lists all that is "
		"damaged)",
		text);
}

/* There is no environment, or one that must be opened again. */
static int say_closed(struct ledger_lmdb *lmdb, struct error *err)
{
	bool is_closed;

	pthread_rwlock_rdlock(&lmdb->lock);
	is_closed = lmdb->env.env == NULL;
	if (is_closed && err != NULL)
		*err = lmdb->closed;
	pthread_rwlock_unlock(&lmdb->lock);
	return is_closed
		       ? -1
		       : error_set(err, ERR_STORE,
				 "the store in %s is being opened again: ask again in a moment",
				 lmdb->dir);
}

int walk_close(struct walk *walk, int code, struct error *err)
{
	struct ledger_lmdb *lmdb = walk->lmdb;

	if (walk->cursor != NULL)
		mdb_cursor_close(walk->cursor);
	if (walk->txn != NULL) {
		/* What was read may have been a stand-in, and what was not found is there. */
		if (lmdb_is_spoilt(lmdb))
			code = LMDB_UNREADABLE;
		mdb_txn_abort(walk->txn);
		pthread_rwlock_unlock(&lmdb->lock);
	}
	buf_done(&walk->whole);
	if (code == LMDB_DAMAGED)
		return say_damaged(walk, err);
	if (code == MDB_PANIC)
		return say_closed(lmdb, err);
	return code == 0 || code == MDB_NOTFOUND ? 0 : lmdb_error(lmdb, code, "reading", err);
}

static int read_move(void *arg)
{
	struct walk *walk = arg;

	return mdb_cursor_get(walk->cursor, &walk->key, &walk->value, walk->op);
}

int walk_move(struct walk *walk, MDB_cursor_op op)
{
	int code;

	walk->op = op;
	code = lmdb_guarded(read_move, walk);
	return code == 0 && walk->key.mv_size != KEY_SIZE ? MDB_CORRUPTED : code;
}

int walk_seek(struct walk *walk, const struct id *job, uint64_t number)
{
	struct lmdb_key key = lmdb_key(job, number, 0);

	walk->key = (MDB_val){ KEY_SIZE, &key };
	return walk_move(walk, MDB_SET_RANGE);
}

int walk_seek_in_job(struct walk *walk, const struct id *job, uint64_t number)
{
	int code = walk_seek(walk, job, number);

	return code == 0 && !walk_at_job(walk, job) ? MDB_NOTFOUND : code;
}

void walk_touched(struct walk *walk)
{
	lmdb_env_touched(&walk->lmdb->env, walk->value.mv_size + 4096);
}

struct append {
	const MDB_val *value;
	struct buf *to;
};

static int read_append(void *arg)
{
	const struct append *append = arg;
	const MDB_val *value = append->value;

	return buf_append(append->to, value->mv_data, value->mv_size) < 0 ? ENOMEM : 0;
}

static int append(struct walk *walk, struct buf *to)
{
	walk_touched(walk);
	return lmdb_guarded(read_append, &(struct append){ &walk->value, to });
}

int walk_damaged(struct walk *walk, unsigned table, const struct lmdb_key *key)
{
	walk->damage.table = table;
	walk->damage.number = be64_get(key->number);
	memcpy(walk->damage.job.bytes, key->job, ID_BYTES);
	return LMDB_DAMAGED;
}

struct unseal {
	struct walk *walk;
	unsigned table;
	const struct lmdb_key *key;
	const void *bytes;
	size_t len;
	size_t plain; /* without the seal */
};

static int read_unseal(void *arg)
{
	struct unseal *it = arg;
	bool old_too = it->walk->lmdb->env.flags & FLAG_UNSEALED;

	return lmdb_unseal(it->table, it->key, it->bytes, it->len, old_too, &it->plain)
		       ? 0
		       : walk_damaged(it->walk, it->table, it->key);
}

int walk_unseal(struct walk *walk, unsigned table, const struct lmdb_key *key,
	const void *bytes, size_t len, size_t *ret_len)
{
	struct unseal it = { walk, table, key, bytes, len, 0 };
	int code = lmdb_guarded(read_unseal, &it);

	if (code == 0)
		*ret_len = it.plain;
	return code;
}

int walk_take(struct walk *walk, struct buf *to, int *ret_next)
{
	size_t before = to->len, len = 0;
	struct lmdb_key value_key;
	unsigned segment = 0;
	bool in_order = true;
	int code;

	memcpy(&value_key, walk->key.mv_data, sizeof(value_key));
	do {
		in_order = in_order && walk_segment(walk) == segment++;
		code = append(walk, to);
		if (code != 0)
			return code;
		*ret_next = walk_move(walk, MDB_NEXT);
	} while (*ret_next == 0 && memcmp(walk->key.mv_data, &value_key, KEY_VALUE_SIZE) == 0);
	if (!in_order)
		code = walk_damaged(walk, walk->table, &value_key);
	else
		code = walk_unseal(walk, walk->table, &value_key, to->data + before,
			to->len - before, &len);
	to->len = before + len;
	return code;
}
