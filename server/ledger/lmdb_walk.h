/*
 * lmdb_walk: one reading call's way through a table of the ledger.
 *
 *	struct walk walk;
 *	int code = walk_open(&walk, ledger, TABLE_JOBS);
 *
 *	if (code == 0)
 *		code = walk_seek_in_job(&walk, job, 0);
 *	…
 *	return walk_close(&walk, code, err);
 *
 * Each has a read transaction of its own. Codes are LMDB's, and LMDB_DAMAGED (what it is about
 * is kept) and LMDB_UNREADABLE: everything that reads the map goes through lmdb_guarded().
 *
 * Thread: any; on the loop it does not wait for an environment that is being opened again.
 */
#ifndef LEAT_LEDGER_LMDB_WALK_H
#define LEAT_LEDGER_LMDB_WALK_H

#include "ledger/lmdb_internal.h"

struct walk {
	struct ledger_lmdb *lmdb;
	unsigned table;
	MDB_txn *txn;
	MDB_cursor *cursor;
	MDB_val key, value; /* where it stands: the first segment of a value */
	MDB_cursor_op op;
	struct buf whole;          /* a value of several segments, put together */
	struct lmdb_damage damage; /* what LMDB_DAMAGED is about */
};

int walk_open(struct walk *walk, struct ledger *ledger, unsigned table);
/* Ends what walk_open() began, also where that failed; turns `code` into the call's result. */
int walk_close(struct walk *walk, int code, struct error *err);

static inline const struct lmdb_key *walk_key(const struct walk *walk)
{
	return walk->key.mv_data;
}

static inline uint64_t walk_number(const struct walk *walk)
{
	return be64_get(walk_key(walk)->number);
}

static inline unsigned walk_segment(const struct walk *walk)
{
	return (unsigned)walk_key(walk)->segment[0] << 8 | walk_key(walk)->segment[1];
}

static inline bool walk_at_job(const struct walk *walk, const struct id *job)
{
	return memcmp(walk_key(walk)->job, job->bytes, ID_BYTES) == 0;
}

int walk_move(struct walk *walk, MDB_cursor_op op);
/* To the first record at or behind (job, number). */
int walk_seek(struct walk *walk, const struct id *job, uint64_t number);
/* The same, and it is one of the job's; else MDB_NOTFOUND. */
int walk_seek_in_job(struct walk *walk, const struct id *job, uint64_t number);

/* The value where it stands is read, and the leaf page that it hangs on. */
void walk_touched(struct walk *walk);
/* LMDB_DAMAGED, and what it is about. */
int walk_damaged(struct walk *walk, unsigned table, const struct lmdb_key *key);
/* Is the whole value as it was written? Then how long is it? */
int walk_unseal(struct walk *walk, unsigned table, const struct lmdb_key *key,
	const void *bytes, size_t len, size_t *ret_len);
/*
 * Append the value that the walk stands at, all its segments, and stand behind it: at the
 * next value, or MDB_NOTFOUND at the table's end, in *ret_next. Also behind a damaged one,
 * of which nothing is appended.
 */
int walk_take(struct walk *walk, struct buf *to, int *ret_next);

#endif
