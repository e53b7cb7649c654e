/*
 * ledger_lmdb: transactions on LMDB.
 *
 * A commit that fails may have happened all the same (the write of the last page failed, say).
 * So every transaction writes a serial number, and after a failure the environment is asked
 * which one it holds: if it is ours the commit is reported as the success it was. While it
 * cannot be asked, or what it says may not be on disk, the commit is in doubt.
 *
 * A transaction that needs a page which the disk does not give spoils the map (lmdb_guard.h):
 * it is aborted, or cannot be committed, and the environment is opened again before anything
 * else.
 */
#include "ledger/lmdb_check.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/role.h"

#define STAT_EVERY_MS 100
#define READERS_EVERY 64 /* transactions */

/* Below that nobody cares how much was freed; so much the next transaction may write. */
#define FREED_BYTES (64ull << 10)
#define NEXT_BYTES  (8ull << 20)

/* ---- transactions ---- */

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/*
 * Whoever removes the folder, or puts another in its place, leaves us with files that have no
 * name: what is written there is gone with this process. So it is looked for before each
 * transaction, and nothing is acknowledged until it is back.
 */
static int check_place(struct ledger_lmdb *lmdb, struct error *err)
{
	struct stat held, named;
	char path[4096];
	bool there;

	snprintf(path, sizeof(path), "%s/leat.lock", lmdb->dir);
	there = fstat(lmdb->lock_fd, &held) == 0 && stat(path, &named) == 0 &&
		is_same(&held, &named);
	snprintf(path, sizeof(path), "%s/data.mdb", lmdb->dir);
	if (there)
		there = stat(path, &named) == 0 && is_same(&lmdb->file, &named);
	if (there)
		return 0;
	atomic_store(&lmdb->writable, false);
	return error_set(err, ERR_STORE,
		"the data folder %s was removed or replaced while leat runs, and nothing can be "
		"kept: put it back, or stop leat and start it on what is there",
		lmdb->dir);
}

/* Open the environment again; -1: it is closed, begin() will try again. */
static int reopen(struct ledger_lmdb *lmdb, uint64_t *ret_serial, struct error *err)
{
	int result;

	pthread_rwlock_wrlock(&lmdb->lock);
	lmdb_env_close(&lmdb->env);
	result = lmdb_env_open(lmdb, &lmdb->env, ret_serial, &lmdb->closed);
	if (result < 0 && err != NULL)
		*err = lmdb->closed;
	pthread_rwlock_unlock(&lmdb->lock);
	pthread_mutex_lock(&lmdb->opened_lock);
	lmdb->openings++;
	pthread_cond_broadcast(&lmdb->opened);
	pthread_mutex_unlock(&lmdb->opened_lock);
	return result;
}

uint64_t lmdb_openings(struct ledger_lmdb *lmdb)
{
	uint64_t openings;

	pthread_mutex_lock(&lmdb->opened_lock);
	openings = lmdb->openings;
	pthread_mutex_unlock(&lmdb->opened_lock);
	return openings;
}

bool lmdb_wait_for_opening(
	struct ledger_lmdb *lmdb, uint64_t openings, const struct timespec *until)
{
	int code = 0;

	pthread_mutex_lock(&lmdb->opened_lock);
	while (lmdb->openings == openings && code == 0)
		code = pthread_cond_timedwait(&lmdb->opened, &lmdb->opened_lock, until);
	pthread_mutex_unlock(&lmdb->opened_lock);
	return code == 0;
}

/* A `leat backup` that was killed would keep pages from being used again for ever. */
static void forget_dead_readers(struct ledger_lmdb *lmdb)
{
	int dead;

	if (lmdb->begun++ % READERS_EVERY == 0)
		mdb_reader_check(lmdb->env.env, &dead);
}

/*
 * What the store holds now is to be what the disk has. A sync is not enough: after one that
 * failed, the system may take for clean what never arrived. So a transaction is written, and
 * with it a page of its own that says where all of it is.
 */
static int write_afresh(struct lmdb_env *env, uint64_t serial)
{
	MDB_txn *txn;
	int code = mdb_txn_begin(env->env, NULL, 0, &txn);

	if (code != 0)
		return code;
	code = lmdb_env_put_serial(env, txn, serial);
	if (code == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return code;
}

/*
 * What a transaction has freed can be used in the one after the next. Where that may be missed,
 * or one has found no page, an empty one stands in between.
 */
static void let_go_of_pages(struct ledger_lmdb *lmdb)
{
	uint64_t taken = atomic_load(&lmdb->used_bytes) + lmdb->freed_bytes;
	uint64_t next = MAX(NEXT_BYTES, lmdb->max_bytes / 16);
	bool tight = lmdb->freed_bytes >= FREED_BYTES && taken + next > lmdb->max_bytes;

	if (!lmdb->was_full && !tight)
		return;
	if (write_afresh(&lmdb->env, lmdb->serial) != 0)
		return; /* the transaction that is to begin will say why */
	lmdb->was_full = false;
	lmdb->freed_bytes = 0;
}

/* Pages are written anew, never changed: what it has written and is not more is free now. */
static void note_freed(struct ledger_lmdb *lmdb, uint64_t used_before)
{
	uint64_t used = atomic_load(&lmdb->used_bytes), had = used_before + lmdb->written_bytes;

	lmdb->freed_bytes = had - MIN(had, used);
}

/* MDB_PANIC when the environment must be opened again. */
static int begin_txn(struct ledger_lmdb *lmdb)
{
	int code = lmdb_is_spoilt(lmdb) ? MDB_PANIC
					: mdb_txn_begin(lmdb->env.env, NULL, 0, &lmdb->txn);

	if (code == 0 && lmdb_is_spoilt(lmdb)) {
		mdb_txn_abort(TAKE(lmdb->txn));
		code = MDB_PANIC;
	}
	return code;
}

static int lmdb_begin(struct ledger *ledger, struct error *err)
{
	struct ledger_lmdb *lmdb = lmdb_of(ledger);
	int code;

	assert_on(ROLE_COMMIT);
	assert(lmdb->txn == NULL);
	FAULT_POINT("transaction-begins");
	lmdb_guard_writing(&lmdb->writing);
	if (check_place(lmdb, err) < 0)
		return -1;
	if (lmdb->env.env == NULL && reopen(lmdb, &lmdb->serial, err) < 0)
		return -1;
	forget_dead_readers(lmdb);
	let_go_of_pages(lmdb);
	code = begin_txn(lmdb);
	if (code == MDB_PANIC) {
		if (reopen(lmdb, &lmdb->serial, err) < 0)
			return -1;
		code = begin_txn(lmdb);
	}
	lmdb->written_bytes = 0;
	FAULT_POINT("transaction-begun");
	return code == 0 ? 0 : lmdb_error(lmdb, code, "beginning to write", err);
}

/* Readers wait for it. Where it cannot be opened, begin() will try again and say why. */
static void restore_map(struct ledger_lmdb *lmdb)
{
	atomic_store(&lmdb->writable, false);
	reopen(lmdb, &lmdb->serial, NULL);
}

static void lmdb_abort(struct ledger *ledger)
{
	struct ledger_lmdb *lmdb = lmdb_of(ledger);

	mdb_txn_abort(TAKE(lmdb->txn));
	if (lmdb_is_spoilt(lmdb))
		restore_map(lmdb);
}

/* The store holds the serial number `found`: was the last commit a success? */
static int conclude(struct ledger_lmdb *lmdb, uint64_t found, struct error *err)
{
	bool there = found == lmdb->serial;
	uint64_t used_before;

	lmdb->serial = found;
	atomic_store(&lmdb->writable, there);
	if (!there)
		return lmdb_error(lmdb, lmdb->doubt_code, "committing", err);
	used_before = atomic_exchange(&lmdb->used_bytes, lmdb->doubt_bytes);
	note_freed(lmdb, used_before);
	atomic_fetch_add(&lmdb->commits, 1);
	return 0;
}

/*
 * Which serial number does the store hold? It must be known, and be on disk, before anything
 * else is written, or an operation could happen twice.
 */
static int lmdb_settle(struct ledger *ledger, struct error *err)
{
	struct ledger_lmdb *lmdb = lmdb_of(ledger);
	uint64_t found;
	int code;

	assert_on(ROLE_COMMIT);
	if (check_place(lmdb, err) < 0 || reopen(lmdb, &found, err) < 0)
		return LEDGER_IN_DOUBT;
	code = write_afresh(&lmdb->env, found);
	if (code == 0)
		return conclude(lmdb, found, err);
	lmdb_error(lmdb, code, "finding out what it holds", err);
	return LEDGER_IN_DOUBT;
}

/*
 * LMDB lets nobody read once it has failed in the middle of the meta page, the last thing that
 * a commit writes. Where reading still works that page is as it was: it did not happen.
 */
static int after_failure(struct ledger_lmdb *lmdb, struct error *err)
{
	uint64_t found;

	atomic_store(&lmdb->writable, false);
	if (!lmdb_is_spoilt(lmdb) && lmdb_env_get_serial(&lmdb->env, &found) == 0)
		return conclude(lmdb, found, err);
	return lmdb_settle(&lmdb->ledger, err);
}

static int lmdb_commit(struct ledger *ledger, struct error *err)
{
	struct ledger_lmdb *lmdb = lmdb_of(ledger);
	uint64_t serial = lmdb->serial + 1;
	int code;

	assert_on(ROLE_COMMIT);
	code = lmdb_env_put_serial(&lmdb->env, lmdb->txn, serial);
	if (lmdb_is_spoilt(lmdb))
		code = LMDB_UNREADABLE;
	if (code != 0) {
		lmdb_abort(ledger);
		atomic_store(&lmdb->writable, false);
		return lmdb_error(lmdb, code, "committing", err);
	}
	lmdb->doubt_bytes = lmdb_env_used(&lmdb->env, lmdb->txn);
	FAULT_POINT("commit-begins");
	code = mdb_txn_commit(TAKE(lmdb->txn));
	lmdb->doubt_code = lmdb_is_spoilt(lmdb) ? LMDB_UNREADABLE : code;
	lmdb->serial = serial;
	FAULT_POINT("commit-synced");
	if (code != 0)
		return after_failure(lmdb, err);
	code = conclude(lmdb, serial, err);
	if (lmdb_is_spoilt(lmdb)) /* behind the last that was written: it is there */
		reopen(lmdb, &lmdb->serial, NULL);
	return code;
}

/* ---- stat ---- */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void read_sizes(struct ledger_lmdb *lmdb)
{
	char path[4096];
	struct statvfs fs;
	struct stat file;

	snprintf(path, sizeof(path), "%s/data.mdb", lmdb->dir);
	if (stat(path, &file) == 0)
		lmdb->file_bytes = (uint64_t)file.st_blocks * 512;
	if (statvfs(lmdb->dir, &fs) == 0)
		lmdb->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
}

static void lmdb_stat(struct ledger *ledger, struct ledger_stat *ret)
{
	struct ledger_lmdb *lmdb = lmdb_of(ledger);
	uint64_t ms = now_ms();

	pthread_mutex_lock(&lmdb->stat_lock);
	if (lmdb->stat_ms == 0 || ms - lmdb->stat_ms >= STAT_EVERY_MS) {
		read_sizes(lmdb);
		lmdb->stat_ms = ms;
	}
	ret->file_bytes = lmdb->file_bytes;
	ret->free_bytes = lmdb->free_bytes;
	pthread_mutex_unlock(&lmdb->stat_lock);
	ret->used_bytes = atomic_load(&lmdb->used_bytes);
	ret->max_bytes = lmdb->max_bytes;
	ret->commits = atomic_load(&lmdb->commits);
	ret->writable = atomic_load(&lmdb->writable);
	ret->damaged = lmdb_damaged(lmdb);
}

/* ---- open and close ---- */

static void lmdb_close(struct ledger *ledger)
{
	struct ledger_lmdb *lmdb = lmdb_of(ledger);

	if (lmdb->txn != NULL)
		mdb_txn_abort(TAKE(lmdb->txn));
	lmdb_env_close(&lmdb->env);
	lmdb_guard_writing(NULL);
	pthread_cond_destroy(&lmdb->opened);
	pthread_mutex_destroy(&lmdb->opened_lock);
	pthread_mutex_destroy(&lmdb->stat_lock);
	pthread_mutex_destroy(&lmdb->damage_lock);
	pthread_rwlock_destroy(&lmdb->lock);
	if (lmdb->lock_fd >= 0)
		close(lmdb->lock_fd);
	mem_free(lmdb->dir);
	mem_free(lmdb);
}

static const struct ledger_ops lmdb_ops = {
	.begin = lmdb_begin,
	.commit = lmdb_commit,
	.settle = lmdb_settle,
	.abort = lmdb_abort,
	.put_job = lmdb_put_job,
	.put_input = lmdb_put_input,
	.put_done = lmdb_put_done,
	.drop_input = lmdb_drop_input,
	.append = lmdb_append,
	.drop_failure = lmdb_drop_failure,
	.trim_results = lmdb_trim_results,
	.put_key = lmdb_put_key,
	.put_state = lmdb_put_state,
	.erase = lmdb_erase,
	.each_job = lmdb_each_job,
	.get_job = lmdb_get_job,
	.next_input = lmdb_next_input,
	.input_range = lmdb_input_range,
	.each_value = lmdb_each_value,
	.each_key = lmdb_each_key,
	.get_state = lmdb_get_state,
	.stat = lmdb_stat,
	.close = lmdb_close,
};

static void init_locks(struct ledger_lmdb *lmdb)
{
	pthread_condattr_t attr;

	pthread_rwlock_init(&lmdb->lock, NULL);
	pthread_mutex_init(&lmdb->stat_lock, NULL);
	pthread_mutex_init(&lmdb->damage_lock, NULL);
	pthread_mutex_init(&lmdb->opened_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&lmdb->opened, &attr);
	pthread_condattr_destroy(&attr);
}

/* ---- before it is opened ---- */

static void say_trouble(void *arg, const char *text)
{
	(void)arg;
	log_error("store_broken", "err=\"%s\"", text);
}

static void say_damage(void *arg, const struct lmdb_damage *damage)
{
	lmdb_note_damage(arg, damage);
}

static int refuse_damaged(const struct ledger_lmdb *lmdb, const char *why, struct error *err)
{
	return error_set(err, ERR_STORE,
		"the ledger in %s is damaged (%s): 'leat fsck --data %s' says more, with "
		"--repair it saves what can be read; or put a backup in its place",
		lmdb->dir, why, lmdb->dir);
}

/* LMDB believes its file; what it is to be given must be whole. */
static int check_file(struct ledger_lmdb *lmdb, struct error *err)
{
	struct lmdb_check check = { .trouble = say_trouble, .damage = say_damage, .arg = lmdb };
	char path[4096], part[4096];
	struct stat file;
	struct error why;

	snprintf(path, sizeof(path), "%s/data.mdb", lmdb->dir);
	snprintf(part, sizeof(part), "%s/data.mdb.part", lmdb->dir);
	if (stat(path, &file) != 0 && stat(part, &file) == 0)
		return error_set(err, ERR_STORE,
			"%s is a backup that was not finished: make it again, or remove it",
			lmdb->dir);
	if (stat(path, &file) != 0 || file.st_size == 0)
		return 0;
	if (lmdb_check(path, &check, &why) < 0) {
		if (why.code == ERR_NO_MEMORY)
			return error_no_memory(err);
		/* Of a newer one LMDB can say more. */
		return check.format > FORMAT_VERSION ? 0 : refuse_damaged(lmdb, why.text, err);
	}
	if (check.read_error != 0)
		return error_set(err, ERR_STORE,
			"%s cannot be read: %s; look at the disk before anything else", path,
			strerror(check.read_error));
	return check.troubles == 0 ? 0 : refuse_damaged(lmdb, "the log says where", err);
}

int ledger_lmdb_open(
	const struct ledger_lmdb_config *config, struct ledger **ret, struct error *err)
{
	struct ledger_lmdb *lmdb = mem_zalloc(sizeof(*lmdb));
	int code;

	if (lmdb == NULL)
		return error_no_memory(err);
	lmdb->ledger.ops = &lmdb_ops;
	lmdb->max_bytes = config->max_bytes;
	lmdb->lock_fd = -1;
	lmdb->writable = true;
	init_locks(lmdb);
	lmdb_guard_init();
	lmdb->dir = mem_strdup(config->dir);
	if (lmdb->dir == NULL) {
		error_no_memory(err);
		goto failed;
	}
	lmdb->lock_fd = lmdb_folder_take(lmdb->dir, err);
	if (lmdb->lock_fd < 0 || check_file(lmdb, err) < 0)
		goto failed;
	code = lmdb_make(lmdb->dir);
	if (code != 0)
		lmdb_error(lmdb, code, "making it", err);
	lmdb_guard_writing(&lmdb->writing);
	if (code != 0 || lmdb_env_open(lmdb, &lmdb->env, &lmdb->serial, err) < 0)
		goto failed;
	lmdb_guard_writing(NULL); /* it is the commit thread's from now on */
	lmdb->file = lmdb->env.file;
	*ret = &lmdb->ledger;
	return 0;
failed:
	lmdb_close(&lmdb->ledger);
	return -1;
}
