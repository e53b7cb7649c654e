#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* ---- reading ---- */

static int read_all(int fd, size_t max, struct buf *to, const char *path, struct error *err)
{
	size_t before = to->len;
	char piece[16384];
	ssize_t got;

	while ((got = read(fd, piece, sizeof(piece))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_set(err, ERR_BAD_REQUEST, "%s cannot be read: %m", path);
		if (to->len - before + (size_t)got > max)
			return error_set(err, ERR_BAD_REQUEST, "%s: it has more than %zu %s",
				path, max >> (max >= 1u << 20 ? 20 : 10),
				max >= 1u << 20 ? "MiB" : "KiB");
		if (buf_append(to, piece, (size_t)got) < 0)
			return error_no_memory(err);
	}
	return 0;
}

int file_read(const char *path, size_t max, struct buf *to, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), result;
	size_t before = to->len;

	if (fd < 0)
		return error_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_BAD_REQUEST,
			"%s cannot be read: %m", path);
	result = read_all(fd, max, to, path, err);
	close(fd);
	if (result < 0)
		to->len = before;
	return result;
}

/* ---- replacing ---- */

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t put = write(fd, bytes, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		bytes += put;
		len -= (size_t)put;
	}
	return 0;
}

/* NULL without memory. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return mem_strdup(".");
	return slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
}

static int own(int fd, const struct stat *like)
{
	if (like->st_uid == geteuid() && like->st_gid == getegid())
		return 0;
	return fchown(fd, like->st_uid, like->st_gid);
}

/* What root makes in the folder of a service is for that to read. */
static int own_as_folder(int fd, const char *path)
{
	_auto_free_ char *folder = folder_of(path);
	struct stat like;

	if (geteuid() != 0)
		return 0;
	return folder == NULL || stat(folder, &like) < 0 ? -1 : own(fd, &like);
}

/* As the old one, where there is one: whoever could read it still can. */
static int take_after(int fd, const char *path, unsigned mode)
{
	struct stat old;

	if (stat(path, &old) == 0)
		return own(fd, &old) < 0 ? -1 : fchmod(fd, old.st_mode & 0777);
	if (errno != ENOENT || own_as_folder(fd, path) < 0)
		return -1;
	return fchmod(fd, mode);
}

static int open_folder(const char *path)
{
	_auto_free_ char *folder = folder_of(path);

	return folder == NULL ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int sync_folder(const char *path)
{
	int fd = open_folder(path), result = fd < 0 ? -1 : fsync(fd);

	if (fd >= 0)
		close(fd);
	return result;
}

static int replace(const char *path, const void *bytes, size_t len, unsigned mode)
{
	char fresh[4096];
	int fd, saved;
	bool good;

	if (snprintf(fresh, sizeof(fresh), "%s.XXXXXX", path) >= (int)sizeof(fresh)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(fresh, O_CLOEXEC);
	if (fd < 0)
		return -1;
	good = take_after(fd, path, mode) == 0 && write_all(fd, bytes, len) == 0 &&
	       fsync(fd) == 0;
	good &= close(fd) == 0;
	if (good && rename(fresh, path) == 0)
		return sync_folder(path);
	saved = errno;
	unlink(fresh);
	errno = saved;
	return -1;
}

int file_replace(
	const char *path, const void *bytes, size_t len, unsigned mode, struct error *err)
{
	char *real = realpath(path, NULL); /* malloc's */
	int result;

	result = real == NULL && errno != ENOENT
			 ? -1
			 : replace(real == NULL ? path : real, bytes, len, mode);
	if (result < 0)
		error_set(err, ERR_BAD_REQUEST, "%s cannot be written: %m", path);
	free(real);
	return result;
}

/* On its folder: the file itself is another one after each change. */
int file_lock(const char *path, int *ret_fd, struct error *err)
{
	char *real = realpath(path, NULL);
	int fd = open_folder(real == NULL ? path : real);

	free(real);
	if (fd >= 0 && flock(fd, LOCK_EX) == 0) {
		*ret_fd = fd;
		return 0;
	}
	error_set(err, ERR_BAD_REQUEST, "the folder of %s cannot be locked: %m", path);
	if (fd >= 0)
		close(fd);
	return -1;
}
