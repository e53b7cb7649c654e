#include "ledger/lmdb_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"

/* So much of the map may be touched before its pages are let go of. */
#define TOUCHED_MAX (2u << 20)
/* With less than that left on the disk, a failed write is taken for its being full. */
#define FULL_BYTES      (8u << 20)
#define HEADROOM        (16ull << 20)
#define LOCK_FILE_BYTES (32 << 10) /* room for about 500 readers at a time */

const char *const lmdb_table_names[TABLE_COUNT] = {
	[TABLE_META] = "meta",
	[TABLE_JOBS] = "jobs",
	[TABLE_INPUT] = "input",
	[TABLE_DONE] = "done",
	[TABLE_RESULTS] = "results",
	[TABLE_FAILURES] = "failures",
	[TABLE_KEYS] = "keys",
	[TABLE_STATE] = "state",
};

/* LMDB makes EIO of a write that was cut short, which is how most file systems get full. */
static bool is_full(const struct ledger_lmdb *lmdb)
{
	struct statvfs fs;

	return statvfs(lmdb->dir, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < FULL_BYTES;
}

int lmdb_error(struct ledger_lmdb *lmdb, int code, const char *what, struct error *err)
{
	if (code == EIO && is_full(lmdb))
		code = ENOSPC;
	if (lmdb_is_spoilt(lmdb) && code != ENOMEM)
		code = LMDB_UNREADABLE;
	switch (code) {
	case MDB_MAP_FULL:
		lmdb->was_full = true;
		return error_set(err, ERR_DISK_FULL,
			"the data folder %s has reached its bound of %llu MiB: delete jobs that "
			"are done, or start leat with a larger bound",
			lmdb->dir, (unsigned long long)(lmdb->max_bytes >> 20));
	case ENOSPC:
	case EDQUOT:
		return error_set(err, ERR_DISK_FULL,
			"no space is left on the disk of the data folder %s: make room there, "
			"and leat goes on by itself",
			lmdb->dir);
	case ENOMEM:
		return error_no_memory(err);
	case LMDB_UNREADABLE:
		return error_set(err, ERR_STORE,
			"%s/data.mdb cannot be read: the disk does not give a page of it, or it "
			"was cut short; look at the disk, 'leat fsck' says what is lost",
			lmdb->dir);
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
		return error_set(err, ERR_STORE,
			"%s/data.mdb is damaged (%s, while %s): 'leat fsck' says more, with "
			"--repair it saves what can be read; or put a backup in its place",
			lmdb->dir, mdb_strerror(code), what);
	default:
		return error_set(err, ERR_STORE, "the store in %s failed while %s: %s",
			lmdb->dir, what, mdb_strerror(code));
	}
}

/*
 * ---- the serial number of commits, the format's version, flags ----
 *
 * The format stands there as every leat has written it, a number and nothing else, so that
 * an older one can say that it is too old. The others are sealed.
 */

struct meta_value {
	uint64_t number, seal;
};

static int meta_get_format(struct lmdb_env *env, MDB_txn *txn, uint64_t *ret)
{
	MDB_val key = { 6, (char[]){ "format" } }, value;
	int code = mdb_get(txn, env->tables[TABLE_META], &key, &value);

	if (code == 0 && value.mv_size != sizeof(*ret))
		code = MDB_CORRUPTED;
	if (code == 0)
		memcpy(ret, value.mv_data, sizeof(*ret));
	return code;
}

static int meta_put_format(struct lmdb_env *env, MDB_txn *txn)
{
	uint64_t format = FORMAT_VERSION;
	MDB_val key = { 6, (char[]){ "format" } }, value = { sizeof(format), &format };

	return mdb_put(txn, env->tables[TABLE_META], &key, &value, 0);
}

static int meta_get(struct lmdb_env *env, MDB_txn *txn, const char *name, uint64_t *ret)
{
	MDB_val key = { strlen(name), (void *)name }, value;
	struct meta_value found;
	int code = mdb_get(txn, env->tables[TABLE_META], &key, &value);

	if (code != 0)
		return code;
	if (value.mv_size != sizeof(found))
		return MDB_CORRUPTED;
	memcpy(&found, value.mv_data, sizeof(found));
	if (found.seal != lmdb_meta_seal(name, found.number))
		return MDB_CORRUPTED;
	*ret = found.number;
	return 0;
}

static int meta_put(struct lmdb_env *env, MDB_txn *txn, const char *name, uint64_t number)
{
	struct meta_value sealed = { number, lmdb_meta_seal(name, number) };
	MDB_val key = { strlen(name), (void *)name }, value = { sizeof(sealed), &sealed };

	return mdb_put(txn, env->tables[TABLE_META], &key, &value, 0);
}

int lmdb_env_put_serial(struct lmdb_env *env, MDB_txn *txn, uint64_t serial)
{
	return meta_put(env, txn, "serial", serial);
}

int lmdb_env_put_flags(struct lmdb_env *env, MDB_txn *txn, uint64_t flags)
{
	return meta_put(env, txn, "flags", flags);
}

int lmdb_env_get_serial(struct lmdb_env *env, uint64_t *ret_serial)
{
	MDB_txn *txn;
	int code = mdb_txn_begin(env->env, NULL, MDB_RDONLY, &txn);

	if (code != 0)
		return code;
	code = meta_get(env, txn, "serial", ret_serial);
	mdb_txn_abort(txn);
	return code;
}

/* LMDB's own table of the names of the others. */
#define MAIN_DBI 1

/* ---- opening ---- */

/* The bound; a file that was larger once needs pages beyond it until something was removed. */
static size_t map_size(const struct ledger_lmdb *lmdb, const char *data_path)
{
	uint64_t bytes = lmdb->max_bytes;
	struct stat file;

	if (stat(data_path, &file) == 0 && (uint64_t)file.st_size > bytes)
		bytes = (uint64_t)file.st_size + HEADROOM;
	return bytes & ~((size_t)sysconf(_SC_PAGESIZE) - 1);
}

/*
 * LMDB writes its table of readers through a map: were the disk full when a page of it is
 * first used, that would be a SIGBUS. So it gets its space before it is opened (not after:
 * closing any descriptor of the file drops LMDB's lock on it).
 */
static int fill_lock_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), code;

	if (fd < 0)
		return errno;
	code = posix_fallocate(fd, 0, LOCK_FILE_BYTES);
	close(fd);
	return code == EOPNOTSUPP || code == EINVAL ? 0 : code;
}

/* Where anything stands, every table must: one that is missing has lost its name. */
static int open_tables(struct lmdb_env *env, MDB_txn *txn, bool *ret_is_new)
{
	MDB_stat stat;
	int code = mdb_stat(txn, MAIN_DBI, &stat);

	if (code != 0)
		return code;
	*ret_is_new = stat.ms_entries == 0;
	for (unsigned table = 0; table < TABLE_COUNT && code == 0; table++)
		code = mdb_dbi_open(txn, lmdb_table_names[table], *ret_is_new ? MDB_CREATE : 0,
			&env->tables[table]);
	return code == MDB_NOTFOUND ? MDB_CORRUPTED : code;
}

/* What a folder of format 1 gets at once; the rest is lmdb_upgrade()'s. */
static int begin_upgrade(struct lmdb_env *env, MDB_txn *txn)
{
	int code = meta_put_format(env, txn);

	if (code == 0)
		code = lmdb_env_put_serial(env, txn, 0);
	return code == 0 ? lmdb_env_put_flags(env, txn, FLAG_UNSEALED | FLAG_UPGRADING) : code;
}

/* The entries of the meta table: made, brought up to date, read. */
static int open_meta(
	struct lmdb_env *env, MDB_txn *txn, bool is_new, uint64_t format, uint64_t *ret_serial)
{
	int code = 0;

	if (is_new) {
		code = meta_put_format(env, txn);
		if (code == 0)
			code = lmdb_env_put_serial(env, txn, 0);
		if (code == 0)
			code = lmdb_env_put_flags(env, txn, 0);
	} else if (format == 1) {
		code = begin_upgrade(env, txn);
	}
	if (code == 0)
		code = meta_get(env, txn, "serial", ret_serial);
	if (code == 0)
		code = meta_get(env, txn, "flags", &env->flags);
	return code == MDB_NOTFOUND ? MDB_CORRUPTED : code;
}

static int refuse_newer(const struct ledger_lmdb *lmdb, uint64_t format, struct error *err)
{
	return error_set(err, ERR_STORE,
		"the data folder %s was written by a newer leat (format %llu, this one "
		"knows %d): use that leat, or another folder",
		lmdb->dir, (unsigned long long)format, FORMAT_VERSION);
}

/* Find the map that holds `inside`; it may consist of several (proc_pid_maps(5)). */
static void find_map(struct lmdb_env *env, const void *inside)
{
	uintptr_t at = (uintptr_t)inside;
	unsigned long start, end, offset;
	MDB_envinfo info;
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");

	env->map = NULL;
	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) != 3 || at < start ||
			at >= end || mdb_env_info(env->env, &info) != 0)
			continue;
		env->map = (void *)(start - offset);
		env->map_size = info.me_mapsize;
		break;
	}
	if (maps != NULL)
		fclose(maps);
}

struct first {
	MDB_cursor *cursor;
	MDB_val key, value;
};

static int read_first(void *arg)
{
	struct first *first = arg;

	return mdb_cursor_get(first->cursor, &first->key, &first->value, MDB_FIRST);
}

/* The name of a table committed earlier lies in the map; a new file has none. */
static int locate_map(struct ledger_lmdb *lmdb, struct lmdb_env *env)
{
	struct first first = { 0 };
	MDB_txn *txn;
	int code = mdb_txn_begin(env->env, NULL, MDB_RDONLY, &txn);

	if (code != 0)
		return code;
	code = mdb_cursor_open(txn, MAIN_DBI, &first.cursor);
	if (code == 0) {
		code = lmdb_guarded(read_first, &first);
		mdb_cursor_close(first.cursor);
	}
	if (code == 0)
		find_map(env, first.key.mv_data);
	mdb_txn_abort(txn);
	lmdb->writing.map = env->map;
	lmdb->writing.map_size = env->map_size;
	return code == MDB_NOTFOUND ? 0 : code;
}

/* Make the tables and the first serial number, or read it; check the format. */
static int open_content(
	struct ledger_lmdb *lmdb, struct lmdb_env *env, uint64_t *ret_serial, struct error *err)
{
	uint64_t format = FORMAT_VERSION;
	bool is_new = false;
	MDB_txn *txn;
	int code = mdb_txn_begin(env->env, NULL, 0, &txn);

	if (code != 0)
		return lmdb_error(lmdb, code, "opening it", err);
	code = open_tables(env, txn, &is_new);
	if (code == 0 && !is_new)
		code = meta_get_format(env, txn, &format);
	if (code == 0 && format > FORMAT_VERSION) {
		mdb_txn_abort(txn);
		return refuse_newer(lmdb, format, err);
	}
	if (code == MDB_NOTFOUND || format == 0)
		code = MDB_CORRUPTED;
	if (code == 0)
		code = open_meta(env, txn, is_new, format, ret_serial);
	if (code == 0)
		atomic_store(&lmdb->used_bytes, lmdb_env_used(env, txn));
	FAULT_POINT("ledger-tables");
	if (code != 0)
		mdb_txn_abort(txn);
	else
		code = mdb_txn_commit(txn);
	FAULT_POINT("ledger-ready");
	return code == 0 ? 0 : lmdb_error(lmdb, code, "opening it", err);
}

/* LMDB opens its data file without O_CLOEXEC: no program that a stage starts shall have it.
 * And which file it is, lest another takes its name. */
static int know_file(struct lmdb_env *env)
{
	mdb_filehandle_t fd;
	int code = mdb_env_get_fd(env->env, &fd);

	if (code != 0)
		return code;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	env->fd = fd;
	return fstat(fd, &env->file) == 0 ? 0 : errno;
}

/* Tests plant a server that does not sync, to see that it is found out. */
static unsigned open_flags(void)
{
	return MDB_NOTLS | MDB_NORDAHEAD | (fault_planted("no-sync") ? MDB_NOSYNC : 0);
}

/* Behind this LMDB ends the process: what it believes of its pages is not so. */
static void say_assertion(MDB_env *env, const char *text)
{
	struct ledger_lmdb *lmdb = mdb_env_get_userctx(env);

	log_error("store_broken", "err=\"%s/data.mdb: %s\" hint=\"%s\"", lmdb->dir, text,
		lmdb_is_spoilt(lmdb)
			? "the disk does not give a page of it: look at the disk"
			: "it was changed by somebody else, or the disk is broken");
}

static int open_files(struct ledger_lmdb *lmdb, struct lmdb_env *env)
{
	_auto_free_ char *path = mem_alloc(strlen(lmdb->dir) + sizeof("/data.mdb"));
	int code = path == NULL ? ENOMEM : mdb_env_create(&env->env);

	if (code != 0)
		return code;
	mdb_env_set_userctx(env->env, lmdb);
	mdb_env_set_assert(env->env, say_assertion);
	sprintf(path, "%s/data.mdb", lmdb->dir);
	if (!lmdb_is_made(path)) /* LMDB would make a new one */
		return ENOENT;
	code = mdb_env_set_mapsize(env->env, map_size(lmdb, path));
	if (code == 0)
		code = mdb_env_set_maxdbs(env->env, TABLE_COUNT);
	sprintf(path, "%s/lock.mdb", lmdb->dir);
	if (code == 0)
		code = fill_lock_file(path);
	if (code == 0)
		code = mdb_env_open(env->env, lmdb->dir, open_flags(), 0600);
	if (code == 0)
		code = know_file(env);
	lmdb->writing.fd = env->fd;
	if (code == 0)
		code = locate_map(lmdb, env);
	FAULT_POINT("ledger-opened");
	return code;
}

int lmdb_env_open(
	struct ledger_lmdb *lmdb, struct lmdb_env *ret, uint64_t *ret_serial, struct error *err)
{
	struct lmdb_env env = { 0 };
	int code;

	lmdb->writing.map = NULL;
	atomic_store(&lmdb->writing.spoilt, false);
	code = open_files(lmdb, &env);
	if (code != 0) {
		lmdb_error(lmdb, code, "opening it", err);
	} else if (open_content(lmdb, &env, ret_serial, err) == 0) {
		if (env.flags & FLAG_PARTIAL) {
			lmdb_env_close(&env);
			return error_set(err, ERR_STORE,
				"the ledger in %s was only begun to be written, by a repair: "
				"remove that folder",
				lmdb->dir);
		}
		if (env.flags & FLAG_UPGRADING)
			code = lmdb_upgrade(&env);
		if (code == 0 && env.map == NULL)
			code = locate_map(lmdb, &env);
		if (code == 0 && lmdb_is_spoilt(lmdb))
			code = LMDB_UNREADABLE;
		if (code == 0) {
			*ret = env;
			return 0;
		}
		lmdb_error(lmdb, code, "opening it", err);
	}
	lmdb_env_close(&env);
	return -1;
}

void lmdb_env_close(struct lmdb_env *env)
{
	if (env->env != NULL)
		mdb_env_close(env->env);
	*env = (struct lmdb_env){ 0 };
}

/* ---- sizes ---- */

static uint64_t pages_of(MDB_txn *txn, MDB_dbi table)
{
	MDB_stat stat;

	if (mdb_stat(txn, table, &stat) != 0)
		return 0;
	return stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
}

uint64_t lmdb_env_used(struct lmdb_env *env, MDB_txn *txn)
{
	/* LMDB's own two tables: the free list and the names of the others; two meta pages. */
	uint64_t pages = 2 + pages_of(txn, 0) + pages_of(txn, 1);
	MDB_stat stat;

	for (unsigned table = 0; table < TABLE_COUNT; table++)
		pages += pages_of(txn, env->tables[table]);
	return mdb_env_stat(env->env, &stat) == 0 ? pages * stat.ms_psize : 0;
}

void lmdb_env_touched(struct lmdb_env *env, size_t bytes)
{
	size_t touched = atomic_fetch_add(&env->touched, bytes) + bytes;

	if (touched < TOUCHED_MAX || env->map == NULL)
		return;
	/* Of those who come here together one does it. */
	if (atomic_exchange(&env->touched, 0) >= TOUCHED_MAX)
		madvise(env->map, env->map_size, MADV_DONTNEED);
}
