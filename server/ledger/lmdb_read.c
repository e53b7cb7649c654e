/*
 * lmdb_read: reading, each call in a read transaction of its own.
 */
#include <errno.h>

#include "ledger/lmdb_walk.h"

/* ---- jobs ---- */

/* Append one of the values of a job; none is fine. */
static int get_value(struct walk *walk, const struct id *job, uint64_t number, struct buf *to,
	bool *ret_found)
{
	int code = walk_seek_in_job(walk, job, number), next;

	if (code != 0 || walk_number(walk) != number)
		return code == MDB_NOTFOUND ? 0 : code;
	*ret_found = true;
	return walk_take(walk, to, &next);
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
		return walk_move(walk, MDB_LAST);
	code = walk_seek(walk, before, 0);
	return walk_move(walk, code == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
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

struct bitmap {
	struct walk *walk;
	struct lmdb_key key;
	struct buf *to;
};

static int read_bitmap(void *arg)
{
	struct bitmap *it = arg;
	struct walk *walk = it->walk;
	MDB_val at = { KEY_SIZE, &it->key }, found;
	int code = mdb_get(walk->txn, walk->lmdb->env.tables[TABLE_DONE], &at, &found);

	if (code != 0)
		return code == MDB_NOTFOUND ? 0 : code;
	return buf_append(it->to, found.mv_data, found.mv_size) < 0 ? ENOMEM : 0;
}

static int get_bitmap(struct walk *walk, const struct id *job, uint64_t block, struct buf *to)
{
	struct bitmap it = { walk, lmdb_key(job, block, 0), to };
	size_t before = to->len, len;
	int code = lmdb_guarded(read_bitmap, &it);

	if (code == 0 && to->len > before) {
		code = walk_unseal(
			walk, TABLE_DONE, &it.key, to->data + before, to->len - before, &len);
		to->len = code == 0 ? before + len : before;
	}
	return code;
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
		code = walk_seek_in_job(&walk, job, from);
	if (code == 0) {
		found = true;
		block = walk_number(&walk);
		code = walk_take(&walk, bytes, &next);
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

	while (code == 0 && next == 0 && walk_at_job(walk, job)) {
		*ret_last = walk_number(walk);
		buf_clear(&walk->whole);
		code = walk_take(walk, &walk->whole, &next);
		*ret_bytes += walk->whole.len;
		if (code == LMDB_DAMAGED)
			code = 0; /* whoever reads it will say so */
	}
	return code == 0 ? next : code;
}

static int input_range(struct walk *walk, const struct id *job, uint64_t *ret_first,
	uint64_t *ret_last, uint64_t *ret_bytes)
{
	int code = walk_seek_in_job(walk, job, 0);

	if (code == 0)
		*ret_first = walk_number(walk);
	if (code == 0 && walk->lmdb->env.flags & FLAG_UNSEALED)
		return range_of_old(walk, job, ret_last, ret_bytes);
	for (; code == 0 && walk_at_job(walk, job); code = walk_move(walk, MDB_NEXT)) {
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
	       walk_unseal(walk, walk->table, walk_key(walk), walk->value.mv_data,
		       walk->value.mv_size, &len) == 0;
}

struct count {
	const MDB_val *value;
	uint32_t count;
};

static int read_count(void *arg)
{
	struct count *it = arg;

	it->count = result_count(it->value->mv_data, it->value->mv_size);
	return 0;
}

/* Stand at the result block that holds `seq`, or else at the next one. */
static int seek_results(struct walk *walk, const struct id *job, uint64_t seq)
{
	struct count count = { .value = &walk->value };
	uint64_t number;
	int code = walk_seek_in_job(walk, job, seq);

	if (code == 0 && walk_number(walk) == seq)
		return 0;
	if (code != 0 && code != MDB_NOTFOUND)
		return code;
	/* Where nothing is behind it, LMDB's "previous" is the last. */
	code = walk_seek(walk, job, seq);
	code = walk_move(walk, code == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
	if (code == 0 && walk_at_job(walk, job)) {
		number = walk_number(walk);
		code = walk_seek(walk, job, number); /* its first segment */
		if (code == 0)
			code = lmdb_guarded(read_count, &count);
		if (code != 0)
			return code;
		if (count.count == 0 || number + count.count > seq || !is_whole(walk))
			return 0;
	}
	return walk_seek_in_job(walk, job, seq);
}

/* Hand one value to `fn` and stand at the next; a value of one segment is not copied. */
static int visit(struct walk *walk, ledger_value_fn fn, void *arg, bool *ret_more)
{
	uint64_t number = walk_number(walk);
	int code, next = 0;
	size_t len;

	if (walk->value.mv_size < SEGMENT_SIZE && walk_segment(walk) == 0) {
		walk_touched(walk);
		code = walk_unseal(walk, walk->table, walk_key(walk), walk->value.mv_data,
			walk->value.mv_size, &len);
		if (code != 0)
			return code;
		*ret_more = fn(arg, number, walk->value.mv_data, len);
		return *ret_more ? walk_move(walk, MDB_NEXT) : 0;
	}
	buf_clear(&walk->whole);
	code = walk_take(walk, &walk->whole, &next);
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
					     : walk_seek_in_job(&walk, job, seq);
	while (code == 0 && more && walk_at_job(&walk, job))
		code = visit(&walk, fn, arg, &more);
	return walk_close(&walk, code, err);
}

/* ---- keys and state ---- */

static int visit_key(struct walk *walk, ledger_key_fn fn, void *arg, bool *ret_more)
{
	const char *bytes = walk->value.mv_data;
	struct key_value head;
	size_t len = 0;
	int code =
		walk_unseal(walk, TABLE_KEYS, walk_key(walk), bytes, walk->value.mv_size, &len);

	if (code == 0 && (len < sizeof(head) || walk_segment(walk) != 0))
		code = walk_damaged(walk, TABLE_KEYS, walk_key(walk));
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
		code = walk_seek_in_job(&walk, job, 0);
	while (code == 0 && more && walk_at_job(&walk, job)) {
		code = visit_key(&walk, fn, arg, &more);
		walk_touched(&walk);
		if (code == 0)
			code = walk_move(&walk, MDB_NEXT);
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
