/*
 * Backup and compact: LMDB writes all that is in use, in one read transaction, one page
 * behind the other. So a server may go on meanwhile, and nothing of what it does then is in
 * the copy; the copy is read back and checked before it gets its name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/keeping_internal.h"

#define PART "data.mdb.part"

static int copy_error(int code, const char *path, struct error *err)
{
	switch (code) {
	case ENOSPC:
	case EDQUOT:
		return error_set(err, ERR_DISK_FULL,
			"no space is left for %s: make room there and try again", path);
	case ENOMEM:
		return error_no_memory(err);
	case LMDB_UNREADABLE:
	case EFAULT: /* the same, met by a write() */
		return error_set(err, ERR_STORE,
			"%s cannot be written, for the ledger cannot be read: the disk does not "
			"give a page of it; look at the disk, 'leat fsck' says what is lost",
			path);
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_INCOMPATIBLE:
		return error_set(err, ERR_STORE,
			"%s cannot be written, for the ledger is damaged (%s): 'leat fsck' says "
			"more",
			path, mdb_strerror(code));
	default:
		return error_set(
			err, ERR_STORE, "%s cannot be written: %s", path, mdb_strerror(code));
	}
}

/* Large enough for the file, also where it has grown since its map was last written down. */
static int open_to_read(const char *dir, MDB_env **ret)
{
	char path[PATH_SIZE];
	struct stat file;
	MDB_env *env = NULL;
	int code = mdb_env_create(&env);

	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	if (code == 0 && stat(path, &file) != 0)
		code = errno;
	if (code == 0)
		code = mdb_env_set_mapsize(env, (size_t)file.st_size * 2 + (64u << 20));
	if (code == 0)
		code = mdb_env_open(env, dir, MDB_RDONLY | MDB_NOTLS, 0600);
	if (code != 0 && env != NULL)
		mdb_env_close(env);
	else
		*ret = env;
	return code;
}

struct copying {
	MDB_env *env;
	int fd;
};

static int read_all(void *arg)
{
	struct copying *copying = arg;

	return mdb_env_copyfd2(copying->env, copying->fd, MDB_CP_COMPACT);
}

static int copy_to(MDB_env *env, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), code;

	if (fd < 0)
		return errno;
	lmdb_guard_init();
	code = lmdb_guarded(read_all, &(struct copying){ env, fd });
	if (code == 0 && fsync(fd) != 0)
		code = errno;
	if (close(fd) != 0 && code == 0)
		code = errno;
	return code;
}

/* Of `dir` into `part`; the file is there only on success. */
static int copy(const char *dir, const char *part, struct error *err)
{
	MDB_env *env;
	int code = open_to_read(dir, &env);

	if (code != 0)
		return error_set(
			err, ERR_STORE, "%s cannot be opened: %s", dir, mdb_strerror(code));
	code = copy_to(env, part);
	/* Left in the middle, LMDB's second thread still waits for work: both end with the
	 * program that copies. */
	if (code != LMDB_UNREADABLE)
		mdb_env_close(env);
	if (code == 0)
		return 0;
	copy_error(code, part, err);
	unlink(part);
	return -1;
}

/* What was written must be whole, or it is no copy. */
static int check_copy(const char *part, struct keeping_sums *ret, struct error *err)
{
	struct examine examined = { 0 };
	int result = examine(part, &examined, err);

	audit_free(examined.audit);
	if (result == 0 && examined.sums.troubles > 0)
		result = error_set(err, ERR_STORE,
			"what was written to %s is not whole: try again; if it stays so, 'leat "
			"fsck' says what is damaged",
			part);
	if (result < 0) {
		unlink(part);
		return -1;
	}
	*ret = examined.sums;
	return 0;
}

/* The copy gets its name, on disk when this returns. */
static int name_copy(const char *dir, const char *part, struct error *err)
{
	char path[PATH_SIZE];

	if (keeping_path(dir, "data.mdb", path, err) < 0)
		return -1;
	if (rename(part, path) != 0)
		return error_set(err, ERR_STORE, "%s: %s", path, strerror(errno));
	return keeping_sync(dir, err);
}

/* A damaged ledger could make LMDB crash; damage of values is kept as it is. */
static int must_be_sound(const char *dir, struct keeping_sums *ret, struct error *err)
{
	struct examine examined = { 0 };
	char path[PATH_SIZE];
	int result = keeping_path(dir, "data.mdb", path, err);

	if (result == 0)
		result = examine(path, &examined, err);
	audit_free(examined.audit);
	if (result < 0)
		return -1;
	if (examined.sums.troubles > 0)
		return error_set(err, ERR_STORE,
			"the ledger in %s is damaged: 'leat fsck' says more", dir);
	*ret = examined.sums;
	return 0;
}

int keeping_compact(
	const char *dir, uint64_t *ret_before, uint64_t *ret_after, struct error *err)
{
	struct keeping_sums before = { 0 }, after = { 0 };
	char part[PATH_SIZE];
	int fd = keeping_take(dir, err), result;

	if (fd < 0)
		return -1;
	result = must_be_sound(dir, &before, err);
	if (result == 0)
		result = keeping_path(dir, PART, part, err);
	if (result == 0)
		result = copy(dir, part, err);
	if (result == 0)
		result = check_copy(part, &after, err);
	if (result == 0)
		result = name_copy(dir, part, err);
	close(fd);
	if (result < 0)
		return -1;
	*ret_before = before.file_bytes;
	*ret_after = after.file_bytes;
	return 0;
}

static int make_target(const char *to, struct error *err)
{
	char path[PATH_SIZE];
	struct stat file;

	if (mkdir(to, 0700) != 0 && errno != EEXIST)
		return error_set(
			err, ERR_STORE, "cannot make the folder %s: %s", to, strerror(errno));
	if (keeping_path(to, "data.mdb", path, err) < 0)
		return -1;
	if (stat(path, &file) != 0)
		return 0;
	return error_set(
		err, ERR_STORE, "%s holds a ledger already: choose another folder", to);
}

int keeping_backup(const char *dir, const char *to, struct keeping_sums *ret, struct error *err)
{
	char path[PATH_SIZE], part[PATH_SIZE];
	struct stat file;

	if (keeping_path(dir, "data.mdb", path, err) < 0 ||
		keeping_path(to, PART, part, err) < 0)
		return -1;
	if (stat(path, &file) != 0)
		return error_set(
			err, ERR_STORE, "there is no ledger in %s: %s", dir, strerror(errno));
	if (make_target(to, err) < 0 || copy(dir, part, err) < 0 ||
		check_copy(part, ret, err) < 0)
		return -1;
	return name_copy(to, part, err);
}
