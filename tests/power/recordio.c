/*
 * recordio: a shim for LD_PRELOAD that writes down what is written to one file.
 *
 * Every pwrite, pwritev, write, writev, fsync and fdatasync on data.mdb, or on data.mdb.new
 * before it gets that name, the renaming and the sync of a folder is done, and then appended to
 * the file LEAT_RECORDIO: a struct record, for writes with the bytes behind it. A write through
 * a descriptor with O_DSYNC is durable when it returns and says so. What fails is not written
 * down.
 *
 * Each record is appended by one call, so that tests can put marks of their own in between
 * (recording.py); the order is that of the ends of the calls.
 */
#undef _FILE_OFFSET_BITS /* with it pwrite() would be pwrite64() already; both are wanted */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	RECORD_WRITE = 1,
	RECORD_SYNC = 2,
	RECORD_DURABLE_WRITE = 3, /* 4 is a mark of the test's */
	RECORD_RENAME = 5,
	RECORD_FOLDER_SYNC = 6,
	PARTS_MAX = 64,
};

/* The same layout stands in recording.py. */
struct record {
	uint32_t kind, len;
	uint64_t offset;
};

static int out = -1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void begin(void)
{
	const char *path = getenv("LEAT_RECORDIO");

	if (path == NULL)
		return;
	out = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (out < 0) {
		perror(path);
		abort();
	}
}

static bool ends_with(const char *path, size_t len, const char *end)
{
	size_t end_len = strlen(end);

	return len >= end_len && memcmp(path + len - end_len, end, end_len) == 0;
}

static bool is_recording(void)
{
	pthread_once(&once, begin);
	return out >= 0;
}

static bool is_the_file(int fd)
{
	char link[64], path[4096];
	ssize_t len;

	if (!is_recording())
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path));
	return len > 0 && (ends_with(path, (size_t)len, "/data.mdb") ||
				  ends_with(path, (size_t)len, "/data.mdb.new"));
}

static bool is_folder(int fd)
{
	struct stat file;

	return is_recording() && fstat(fd, &file) == 0 && S_ISDIR(file.st_mode);
}

/* Past our own writev(). A recording with a hole would be worse than none. */
static void append(const struct record *record, const struct iovec *parts, int count)
{
	struct iovec all[PARTS_MAX + 1] = { { (void *)record, sizeof(*record) } };
	size_t left = record->len, whole = sizeof(*record) + record->len;
	int used = 1;

	for (int at = 0; at < count && left > 0; at++) {
		if (used > PARTS_MAX)
			abort();
		all[used] = parts[at];
		all[used].iov_len = parts[at].iov_len < left ? parts[at].iov_len : left;
		left -= all[used++].iov_len;
	}
	if (syscall(SYS_writev, out, all, used) != (long)whole)
		abort();
}

static ssize_t wrote(int fd, ssize_t done, const struct iovec *parts, int count, int64_t offset)
{
	int saved = errno;

	if (done > 0 && is_the_file(fd)) {
		struct record record = {
			.kind = fcntl(fd, F_GETFL) & O_DSYNC ? RECORD_DURABLE_WRITE
							     : RECORD_WRITE,
			.len = (uint32_t)done,
			.offset = (uint64_t)(offset >= 0 ? offset
							 : lseek(fd, 0, SEEK_CUR) - done),
		};

		append(&record, parts, count);
	}
	errno = saved;
	return done;
}

static int synced(int fd, int result)
{
	static const struct record sync = { .kind = RECORD_SYNC },
				   folder = { .kind = RECORD_FOLDER_SYNC };
	int saved = errno;

	if (result == 0 && is_the_file(fd))
		append(&sync, NULL, 0);
	else if (result == 0 && is_folder(fd))
		append(&folder, NULL, 0);
	errno = saved;
	return result;
}

/* The function behind ours; looked up once a name. */
#define REAL(name)                     \
	static __typeof__(&name) real; \
	if (real == NULL)              \
	real = (__typeof__(real))dlsym(RTLD_NEXT, #name)

#define EXPORT __attribute__((visibility("default")))

EXPORT ssize_t write(int fd, const void *bytes, size_t len)
{
	struct iovec part = { (void *)bytes, len };

	REAL(write);
	return wrote(fd, real(fd, bytes, len), &part, 1, -1);
}

EXPORT ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	struct iovec part = { (void *)bytes, len };

	REAL(pwrite);
	return wrote(fd, real(fd, bytes, len, at), &part, 1, at);
}

EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
	struct iovec part = { (void *)bytes, len };

	REAL(pwrite64);
	return wrote(fd, real(fd, bytes, len, at), &part, 1, at);
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
	REAL(writev);
	return wrote(fd, real(fd, parts, count), parts, count, -1);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
	REAL(pwritev);
	return wrote(fd, real(fd, parts, count, at), parts, count, at);
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at)
{
	REAL(pwritev64);
	return wrote(fd, real(fd, parts, count, at), parts, count, at);
}

EXPORT int rename(const char *from, const char *to)
{
	static const struct record record = { .kind = RECORD_RENAME };
	int result, saved;

	REAL(rename);
	result = real(from, to);
	saved = errno;
	if (result == 0 && is_recording() && ends_with(to, strlen(to), "/data.mdb"))
		append(&record, NULL, 0);
	errno = saved;
	return result;
}

EXPORT int fdatasync(int fd)
{
	REAL(fdatasync);
	return synced(fd, real(fd));
}

EXPORT int fsync(int fd)
{
	REAL(fsync);
	return synced(fd, real(fd));
}
