/*
 * lmdb_make: the data file of a new folder.
 *
 * LMDB writes the first two pages of a new file without a sync, and does not know a file again
 * of which the disk has kept less. So it is made under another name, synced, and renamed: it
 * is there whole or not at all, also when the power goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/lmdb_internal.h"

#include "base/fault.h"

#define NEW_NAME "/data.mdb.new"

static int write_empty(const char *path)
{
	MDB_env *env;
	int code = mdb_env_create(&env);

	if (code != 0)
		return code;
	code = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK, 0600);
	if (code == 0)
		code = mdb_env_sync(env, 1);
	mdb_env_close(env);
	return code;
}

int lmdb_sync_folder(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), code = 0;

	if (fd < 0)
		return errno;
	if (fsync(fd) != 0)
		code = errno;
	close(fd);
	return code;
}

bool lmdb_is_made(const char *data_path)
{
	struct stat file;

	return stat(data_path, &file) == 0 && file.st_size > 0;
}

int lmdb_make(const char *dir)
{
	_auto_free_ char *path = mem_alloc(strlen(dir) + sizeof("/data.mdb"));
	_auto_free_ char *made = mem_alloc(strlen(dir) + sizeof(NEW_NAME));
	int code;

	if (path == NULL || made == NULL)
		return ENOMEM;
	sprintf(path, "%s/data.mdb", dir);
	sprintf(made, "%s" NEW_NAME, dir);
	if (unlink(made) != 0 && errno != ENOENT)
		return errno;
	if (lmdb_is_made(path))
		return 0;
	code = write_empty(made);
	FAULT_POINT("data-written");
	if (code == 0 && rename(made, path) != 0)
		code = errno;
	FAULT_POINT("data-renamed");
	if (code != 0)
		unlink(made);
	return code == 0 ? lmdb_sync_folder(dir) : code;
}
