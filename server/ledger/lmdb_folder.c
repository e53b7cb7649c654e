#include "ledger/lmdb_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fault.h"

#define LOCK_WAIT_MS 5000
#define LOCK_LOOK_MS 5

/* File systems of other machines, from linux/magic.h and their own sources. */
static const struct network_fs {
	uint32_t magic;
	const char *name;
} network_fs[] = {
	{ 0x6969, "NFS" },
	{ 0x517b, "SMB" },
	{ 0xff534d42, "CIFS" },
	{ 0xfe534d42, "SMB2" },
	{ 0x5346414f, "AFS" },
	{ 0x6b414653, "AFS" },
	{ 0x73757245, "Coda" },
	{ 0x564c, "NCP" },
	{ 0x00c36400, "Ceph" },
	{ 0x0bd00bd0, "Lustre" },
	{ 0x47504653, "GPFS" },
	{ 0x19830326, "FhGFS" },
};

static int refuse_network(const char *dir, struct error *err)
{
	struct statfs fs;

	if (statfs(dir, &fs) != 0)
		return error_set(err, ERR_STORE, "cannot look at the data folder %s: %s", dir,
			strerror(errno));
	for (size_t at = 0; at < ARRAY_SIZE(network_fs); at++)
		if ((uint32_t)fs.f_type == network_fs[at].magic)
			return error_set(err, ERR_STORE,
				"the data folder %s lies on a network file system (%s), where a "
				"memory map is not safe: choose a folder on a local disk",
				dir, network_fs[at].name);
	return 0;
}

/* Like mkdir -p. */
static int make_folder(const char *dir, struct error *err)
{
	_auto_free_ char *path = mem_strdup(dir);

	if (path == NULL)
		return error_no_memory(err);
	for (char *at = path + 1; *at != '\0'; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		mkdir(path, 0777); /* if it fails, so does the last one, which says why */
		*at = '/';
	}
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return error_set(err, ERR_STORE, "cannot make the data folder %s: %s", dir,
			strerror(errno));
	return 0;
}

/* Who holds the lock file? 0: it does not say. */
static long holder(int fd)
{
	char text[24] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	return strtol(text, NULL, 10);
}

/* Does the process that wrote the lock file live? If it does not say which: perhaps. */
static bool holder_lives(int fd)
{
	long pid = holder(fd);

	return pid <= 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH;
}

/*
 * A process that was killed while it started a child leaves the lock to that one, until the
 * child has become another program: a moment, for which nobody shall be refused.
 */
static bool take_lock(int fd)
{
	for (unsigned ms = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; ms += LOCK_LOOK_MS) {
		if (errno != EWOULDBLOCK)
			return false;
		if (ms >= LOCK_WAIT_MS || holder_lives(fd)) {
			errno = EWOULDBLOCK;
			return false;
		}
		usleep(LOCK_LOOK_MS * 1000);
	}
	return true;
}

static int refuse_second(const char *dir, int fd, struct error *err)
{
	long pid = holder(fd);

	if (errno != EWOULDBLOCK)
		return error_set(
			err, ERR_STORE, "cannot lock %s/leat.lock: %s", dir, strerror(errno));
	return error_set(err, ERR_STORE,
		"the data folder %s is in use by another leat (process %ld): stop that one, or "
		"choose another folder",
		dir, pid);
}

int lmdb_folder_take(const char *dir, struct error *err)
{
	_auto_free_ char *path = mem_alloc(strlen(dir) + sizeof("/leat.lock"));
	char text[24];
	int fd, len;

	if (path == NULL)
		return error_no_memory(err);
	if (make_folder(dir, err) < 0 || refuse_network(dir, err) < 0)
		return -1;
	FAULT_POINT("folder-made");
	sprintf(path, "%s/leat.lock", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(err, ERR_STORE, "cannot write in the data folder %s: %s", dir,
			strerror(errno));
	if (!take_lock(fd)) {
		refuse_second(dir, fd, err);
		close(fd);
		return -1;
	}
	/* For people and refuse_second(); the lock does not depend on it, nor on a full disk.
	 */
	len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len)
		errno = 0;
	FAULT_POINT("folder-taken");
	return fd;
}
