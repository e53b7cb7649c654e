/*
 * lmdb_read: reading, each call in a read transaction of its own.
 */
#include "ledger/lmdb_internal.h"

#include <errno.h>

#include "base/role.h"

/* How long to wait for an environment that is being opened again. */
#define REOPEN_WAIT_S 3

/* One call's way through a table. */
struct walk {
	struct ledger_lmdb *lmdb;
	unsigned table;
	MDB_txn *txn;
	MDB_cursor *cursor;
	MDB_val key, value;        /* where it stands: the first segment of a value */
	struct buf whole;          /* a value of several segments, put together */
	struct lmdb_damage damage; /* what LMDB_DAMAGED is about */
};

/* Begin to read; fails, and then holds nothing, while the environment is not usable. */
static int begin(struct walk *walk)
{
	struct ledger_lmdb *lmdb = walk->lmdb;
	int code = MDB_PANIC;

	pthread_rwlock_rdlock(&lmdb->lock);
	if (lmdb->env.env != NULL)
		code = mdb_txn_begin(lmdb->env.env, NULL, MDB_RDONLY, &walk->txn);
	if (code != 0)
		pthread_rwlock_unlock(&lmdb->lock);
	return code;
}

static int walk_open(struct walk *walk, struct ledger *ledger, unsigned table)
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

/* Ends what walk_open() began, also where that failed; turns `code` into the call's result. */
static int walk_close(struct walk *walk, int code, struct error *err)
{
	struct ledger_lmdb *lmdb = walk->lmdb;

	if (walk->cursor != NULL)
		mdb_cursor_close(walk->cursor);
	if (walk->txn != NULL) {
		mdb_txn_abort(walk->txn);
		pthread_rwlock_unlock(&lmdb->lock);
	}
	buf_done(&walk->whole);
	if (code == LMDB_DAMAGED)
		return say_damaged(walk, err);
	return code == 0 || code == MDB_NOTFOUND ? 0 : lmdb_error(lmdb, code, "reading", err);
}

static const struct lmdb_key *walk_key(const struct walk *walk)
{
	return walk->key.mv_data;
}

static uint64_t walk_number(const struct walk *walk)
{
	return be64_get(walk_key(walk)->number);
}

static unsigned walk_segment(const struct walk *walk)
{
	return (unsigned)walk_key(walk)->segment[0] << 8 | walk_key(walk)->segment[1];
}

static bool at_job(const struct walk *walk, const struct id *job)
{
	return memcmp(walk_key(walk)->job, job->bytes, ID_BYTES) == 0;
}

static int move(struct walk *walk, MDB_cursor_op op)
{
	int code = mdb_cursor_get(walk->cursor, &walk->key, &walk->value, op);

	return code == 0 && walk->key.mv_size != KEY_SIZE ? MDB_CORRUPTED : code;
}

/* To the first record at or behind (job, number). */
static int seek(struct walk *walk, const struct id *job, uint64_t number)
{
	struct lmdb_key key = lmdb_key(job, number, 0);

	walk->key = (MDB_val){ KEY_SIZE, &key };
	return move(walk, MDB_SET_RANGE);
}

/* The same, and it is one of the job's; else MDB_NOTFOUND. */
static int seek_in_job(struct walk *walk, const struct id *job, uint64_t number)
{
	int code = seek(walk, job, number);

	return code == 0 && !at_job(walk, job) ? MDB_NOTFOUND : code;
}

/* The value where it stands is read, and the leaf page that it hangs on. */
static void touched(struct walk *walk)
{
	lmdb_env_touched(&walk->lmdb->env, walk->value.mv_size + 4096);
}

static int append(struct walk *walk, struct buf *to)
{
	touched(walk);
	return buf_append(to, walk->value.mv_data, walk->value.mv_size) < 0 ? ENOMEM : 0;
}

/* LMDB_DAMAGED, and what it is about. */
static int damaged(struct walk *walk, unsigned table, const struct lmdb_key *key)
{
	walk->damage.table = table;
	walk->damage.number = be64_get(key->number);
	memcpy(walk->damage.job.bytes, key->job, ID_BYTES);
	return LMDB_DAMAGED;
}

/* Is the whole value as it was written? Then how long is it? */
static int unseal(struct walk *walk, unsigned table, const struct lmdb_key *key,
	const void *bytes, size_t len, size_t *ret_len)
{
	bool old_too = walk->lmdb->env.flags & FLAG_UNSEALED;

	return lmdb_unseal(table, key, bytes, len, old_too, ret_len)
		       ? 0
		       : damaged(walk, table, key);
}

/*
 * Append the value that the walk stands at, all its segments, and stand behind it: at the
 * next value, or MDB_NOTFOUND at the table's end, in *ret_next. Also behind a damaged one,
 * of which nothing is appended.
 */
static int take_value(struct walk *walk, struct buf *to, int *ret_next)
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
		*ret_next = move(walk, MDB_NEXT);
	} while (*ret_next == 0 && memcmp(walk->key.mv_data, &value_key, KEY_VALUE_SIZE) == 0);
	if (!in_order)
		code = damaged(walk, walk->table, &value_key);
	else
		code = unseal(walk, walk->table, &value_key, to->data + before,
			to->len - before, &len);
	to->len = before + len;
	return code;
}

/* ---- jobs ---- */

/* Append one of the values of a job; none is fine. */
static int get_value(struct walk *walk, const struct id *job, uint64_t number, struct buf *to,
	bool *ret_found)
{
	int code = seek_in_job(walk, job, number), next;

	if (code != 0 || walk_number(walk) != number)
		return code == MDB_NOTFOUND ? 0 : code;
	*ret_found = true;
	return take_value(walk, to, &next);
}

static int get_job(struct walk *walk, const struct id *job, struct buf *definition,
	struct buf *record, bool *ret_found)
{
	int code = get_value(walk, job, JOB_DEFINITION, definition, ret_found);

	return code == 0 ? get_value(walk, job, JOB_RECORD, record, ret_found) : code;
}

int lmdb_get_job(struct ledger *ledger, const struct id *job, struct buf *definition,
	struct buf *record, struct error *err)
{
	size_t definition_len = definition->len, record_len = record->len;
	struct walk walk;
	bool found = false;
	char text[ID_TEXT_SIZE];
	int code = walk_open(&walk, ledger, TABLE_JOBS);

	if (code == 0)
		code = get_job(&walk, job, definition, record, &found);
	if (walk_close(&walk, code, err) < 0) {
		definition->len = definition_len;
		record->len = record_len;
		return -1;
	}
	if (found)
		return 0;
	id_format(job, text);
	return error_set(err, ERR_JOB_NOT_FOUND, "there is no job %s", text);
}

/* Stand at any record of the newest job that is older than `before`. */
static int newest_before(struct walk *walk, const struct id *before)
{
	int code;

	if (before == NULL)
		return move(walk, MDB_LAST);
	code = seek(walk, before, 0);
	return move(walk, code == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
}

static int each_job(struct walk *walk, const struct id *before, ledger_job_fn fn, void *arg)
{
	struct buf definition = BUF_INIT, record = BUF_INIT;
	struct id job;
	bool more = true, found = false;
	int code;

	while (more && (code = newest_before(walk, before)) == 0) {
		memcpy(job.bytes, walk_key(walk)->job, ID_BYTES);
		buf_clear(&definition);
		buf_clear(&record);
		code = get_job(walk, &job, &definition, &record, &found);
		if (code == LMDB_DAMAGED) { /* the others are shown all the same */
			lmdb_note_damage(walk->lmdb, &walk->damage);
			buf_clear(&definition);
			buf_clear(&record);
			code = 0;
		}
		if (code != 0)
			break;
		more = fn(arg, &job, definition.data, definition.len, record.data, record.len);
		before = &job;
	}
	buf_done(&definition);
	buf_done(&record);
	return code;
}

int lmdb_each_job(struct ledger *ledger, const struct id *before, ledger_job_fn fn, void *arg,
	struct error *err)
{
	struct walk walk;
	int code = walk_open(&walk, ledger, TABLE_JOBS);

	if (code == 0)
		code = each_job(&walk, before, fn, arg);
	return walk_close(&walk, code, err);
}

/* ---- input ---- */

static int get_bitmap(struct walk *walk, const struct id *job, uint64_t block, struct buf *to)
{
	struct lmdb_key key = lmdb_key(job, block, 0);
	MDB_val at = { KEY_SIZE, &key }, found;
	int code = mdb_get(walk->txn, walk->lmdb->env.tables[TABLE_DONE], &at, &found);
	size_t len;

	if (code != 0)
		return code == MDB_NOTFOUND ? 0 : code;
	code = unseal(walk, TABLE_DONE, &key, found.mv_data, found.mv_size, &len);
	if (code != 0)
		return code;
	return buf_append(to, found.mv_data, len) < 0 ? ENOMEM : 0;
}

int lmdb_next_input(struct ledger *ledger, const struct id *job, uint64_t from,
	uint64_t *ret_block, struct buf *bytes, struct buf *bitmap, struct error *err)
{
	struct walk walk;
	uint64_t block = 0;
	bool found = false;
	int code = walk_open(&walk, ledger, TABLE_INPUT), next;

	buf_clear(bytes);
	buf_clear(bitmap);
	if (code == 0)
		code = seek_in_job(&walk, job, from);
	if (code == 0) {
		found = true;
		block = walk_number(&walk);
		code = take_value(&walk, bytes, &next);
	}
	if (code == 0)
		code = get_bitmap(&walk, job, block, bitmap);
	if (walk_close(&walk, code, err) < 0)
		return -1;
	if (found)
		*ret_block = block;
	return found ? 1 : 0;
}

/* Where values of format 1 may stand, only a look at the whole says how long one is. */
static int range_of_old(
	struct walk *walk, const struct id *job, uint64_t *ret_last, uint64_t *ret_bytes)
{
	int code = 0, next = 0;

	while (code == 0 && next == 0 && at_job(walk, job)) {
		*ret_last = walk_number(walk);
		buf_clear(&walk->whole);
		code = take_value(walk, &walk->whole, &next);
		*ret_bytes += walk->whole.len;
		if (code == LMDB_DAMAGED)
			code = 0; /* whoever reads it will say so */
	}
	return code == 0 ? next : code;
}

static int input_range(struct walk *walk, const struct id *job, uint64_t *ret_first,
	uint64_t *ret_last, uint64_t *ret_bytes)
{
	int code = seek_in_job(walk, job, 0);

	if (code == 0)
		*ret_first = walk_number(walk);
	if (code == 0 && walk->lmdb->env.flags & FLAG_UNSEALED)
		return range_of_old(walk, job, ret_last, ret_bytes);
	for (; code == 0 && at_job(walk, job); code = move(walk, MDB_NEXT)) {
		*ret_last = walk_number(walk);
		*ret_bytes += walk->value.mv_size;
		if (walk_segment(walk) == 0)
			*ret_bytes -= MIN(*ret_bytes, (uint64_t)SEAL_SIZE);
	}
	return code;
}

int lmdb_input_range(struct ledger *ledger, const struct id *job, uint64_t *ret_first,
	uint64_t *ret_last, uint64_t *ret_bytes, struct error *err)
{
	struct walk walk;
	int code = walk_open(&walk, ledger, TABLE_INPUT);

	*ret_first = *ret_last = *ret_bytes = 0;
	if (code == 0)
		code = input_range(&walk, job, ret_first, ret_last, ret_bytes);
	if (walk_close(&walk, code, err) < 0)
		return -1;
	return *ret_bytes > 0 ? 1 : 0;
}

/* ---- the logs ---- */

/* Its head can be believed? Of longer values that is known once they are read. */
static bool is_whole(struct walk *walk)
{
	size_t len;

	return walk->value.mv_size == SEGMENT_SIZE ||
	       unseal(walk, walk->table, walk_key(walk), walk->value.mv_data,
		       walk->value.mv_size, &len) == 0;
}

/* Stand at the result block that holds `seq`, or else at the next one. */
static int seek_results(struct walk *walk, const struct id *job, uint64_t seq)
{
	uint64_t number;
	uint32_t count;
	int code = seek_in_job(walk, job, seq);

	if (code == 0 && walk_number(walk) == seq)
		return 0;
	if (code != 0 && code != MDB_NOTFOUND)
		return code;
	/* Where nothing is behind it, LMDB's "previous" is the last. */
	code = seek(walk, job, seq);
	code = move(walk, code == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
	if (code == 0 && at_job(walk, job)) {
		number = walk_number(walk);
		code = seek(walk, job, number); /* its first segment */
		if (code != 0)
			return code;
		count = result_count(walk->value.mv_data, walk->value.mv_size);
		if (count == 0 || number + count > seq || !is_whole(walk))
			return 0;
	}
	return seek_in_job(walk, job, seq);
}

/* Hand one value to `fn` and stand at the next; a value of one segment is not copied. */
static int visit(struct walk *walk, ledger_value_fn fn, void *arg, bool *ret_more)
{
	uint64_t number = walk_number(walk);
	int code, next = 0;
	size_t len;

	if (walk->value.mv_size < SEGMENT_SIZE && walk_segment(walk) == 0) {
		touched(walk);
		code = unseal(walk, walk->table, walk_key(walk), walk->value.mv_data,
			walk->value.mv_size, &len);
		if (code != 0)
			return code;
		*ret_more = fn(arg, number, walk->value.mv_data, len);
		return *ret_more ? move(walk, MDB_NEXT) : 0;
	}
	buf_clear(&walk->whole);
	code = take_value(walk, &walk->whole, &next);
	if (code != 0)
		return code;
	*ret_more = fn(arg, number, walk->whole.data, walk->whole.len);
	return next;
}

int lmdb_each_value(struct ledger *ledger, const struct id *job, enum ledger_log log,
	uint64_t seq, ledger_value_fn fn, void *arg, struct error *err)
{
	struct walk walk;
	bool more = true;
	int code = walk_open(&walk, ledger, lmdb_log_table(log));

	if (code == 0)
		code = log == LEDGER_RESULTS ? seek_results(&walk, job, seq)
					     : seek_in_job(&walk, job, seq);
	while (code == 0 && more && at_job(&walk, job))
		code = visit(&walk, fn, arg, &more);
	return walk_close(&walk, code, err);
}

/* ---- keys and state ---- */

static int visit_key(struct walk *walk, ledger_key_fn fn, void *arg, bool *ret_more)
{
	const char *bytes = walk->value.mv_data;
	struct key_value head;
	size_t len = 0;
	int code = unseal(walk, TABLE_KEYS, walk_key(walk), bytes, walk->value.mv_size, &len);

	if (code == 0 && (len < sizeof(head) || walk_segment(walk) != 0))
		code = damaged(walk, TABLE_KEYS, walk_key(walk));
	if (code != 0)
		return code;
	memcpy(&head, bytes, sizeof(head)); /* it may not be aligned */
	*ret_more = fn(arg, bytes + sizeof(head), len - sizeof(head), head.lines);
	return 0;
}

int lmdb_each_key(struct ledger *ledger, const struct id *job, ledger_key_fn fn, void *arg,
	struct error *err)
{
	struct walk walk;
	bool more = true;
	int code = walk_open(&walk, ledger, TABLE_KEYS);

	if (code == 0)
		code = seek_in_job(&walk, job, 0);
	while (code == 0 && more && at_job(&walk, job)) {
		code = visit_key(&walk, fn, arg, &more);
		touched(&walk);
		if (code == 0)
			code = move(&walk, MDB_NEXT);
	}
	return walk_close(&walk, code, err);
}

int lmdb_get_state(
	struct ledger *ledger, const struct id *job, struct buf *bytes, struct error *err)
{
	struct walk walk;
	size_t len = bytes->len;
	bool found = false;
	int code = walk_open(&walk, ledger, TABLE_STATE);

	if (code == 0)
		code = get_value(&walk, job, 0, bytes, &found);
	if (walk_close(&walk, code, err) < 0) {
		bytes->len = len;
		return -1;
	}
	return 0;
}
