/*
 * faultio: a shim for LD_PRELOAD that makes writes and syncs of one file fail.
 *
 * It counts pwrite, pwritev, write, writev (kind 1), fdatasync, fsync, msync (kind 2) and pread
 * (kind 4; what is read through a map has no call) on files whose path ends with
 * LEAT_FAULTIO_FILE (default "data.mdb"), and fails those whose number lies in
 * [fail_at, fail_at + fail_count). Two ways to steer it:
 *
 *	LEAT_FAULTIO_CONTROL=path	a file of at least sizeof(struct control), shared: a
 *					test arms it and reads counters as the server runs
 *	LEAT_FAULTIO_AT=n		the n-th call fails, from the start
 *	LEAT_FAULTIO_COUNT=m		and the m - 1 after it (default 1, 0: all)
 *	LEAT_FAULTIO_ERRNO=ENOSPC|EIO	with this error (default EIO)
 *	LEAT_FAULTIO_KINDS=1|2|4…	which kinds are counted (default 3)
 *
 * `how` a call fails: with its error; or a write takes half of its bytes, as a disk does that
 * becomes full; or the process ends by SIGKILL in its place; or it takes delay_ms longer and
 * does not fail.
 */
#undef _FILE_OFFSET_BITS /* with it pwrite() would be pwrite64() already; both are wanted */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "control.h"

enum { KIND_WRITE = 1, KIND_SYNC = 2, KIND_READ = 4 };
enum { HOW_FAIL, HOW_HALF, HOW_KILL, HOW_SLOW };

/* The same layout stands in faultio.py. */
struct control {
	uint64_t counted;    /* calls of the kinds since armed; written by the shim */
	uint64_t fail_at;    /* 1: the next one; 0: none fails */
	uint64_t fail_count; /* 0: all from fail_at on */
	uint64_t failed;     /* how many were made to fail; written by the shim */
	int32_t error;
	uint32_t kinds;
	uint32_t how;
	uint32_t delay_ms;
};

static struct control own = { .fail_count = 1, .error = EIO, .kinds = KIND_WRITE | KIND_SYNC };
static struct control *control = &own;
static const char *file_end = "data.mdb";
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL && *text != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

static void read_environment(void)
{
	const char *error = getenv("LEAT_FAULTIO_ERRNO"), *end = getenv("LEAT_FAULTIO_FILE"),
		   *path = getenv("LEAT_FAULTIO_CONTROL");

	if (end != NULL && *end != '\0')
		file_end = end;
	own.fail_at = number_of("LEAT_FAULTIO_AT", 0);
	own.fail_count = number_of("LEAT_FAULTIO_COUNT", 1);
	own.kinds = (uint32_t)number_of("LEAT_FAULTIO_KINDS", own.kinds);
	if (error != NULL && strcmp(error, "ENOSPC") == 0)
		own.error = ENOSPC;
	if (path != NULL && *path != '\0')
		control = map_control(path, sizeof(*control));
}

/* Counts the call; true when it is one that must fail. */
static bool must_fail(uint32_t kind)
{
	uint64_t number, at, count;

	if ((__atomic_load_n(&control->kinds, __ATOMIC_ACQUIRE) & kind) == 0)
		return false;
	number = __atomic_add_fetch(&control->counted, 1, __ATOMIC_ACQ_REL);
	at = __atomic_load_n(&control->fail_at, __ATOMIC_ACQUIRE);
	count = __atomic_load_n(&control->fail_count, __ATOMIC_ACQUIRE);
	if (at == 0 || number < at || (count != 0 && number - at >= count))
		return false;
	__atomic_add_fetch(&control->failed, 1, __ATOMIC_ACQ_REL);
	return true;
}

static bool hit(int fd, uint32_t kind)
{
	int saved = errno;
	bool fails;

	pthread_once(&once, read_environment);
	fails = is_named(fd, file_end) && must_fail(kind);
	if (fails && control->how == HOW_KILL)
		raise(SIGKILL);
	if (fails && control->how == HOW_SLOW) {
		usleep(control->delay_ms * 1000);
		fails = false;
	}
	errno = saved;
	return fails;
}

static int fail(void)
{
	errno = control->error;
	return -1;
}

/* The function behind ours; looked up once a name. */
#define REAL(name)                     \
	static __typeof__(&name) real; \
	if (real == NULL)              \
	real = (__typeof__(real))dlsym(RTLD_NEXT, #name)

#define EXPORT __attribute__((visibility("default")))

EXPORT ssize_t write(int fd, const void *bytes, size_t len)
{
	REAL(write);
	if (!hit(fd, KIND_WRITE))
		return real(fd, bytes, len);
	return control->how == HOW_HALF ? real(fd, bytes, len / 2) : fail();
}

EXPORT ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	REAL(pwrite);
	if (!hit(fd, KIND_WRITE))
		return real(fd, bytes, len, at);
	return control->how == HOW_HALF ? real(fd, bytes, len / 2, at) : fail();
}

EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
	REAL(pwrite64);
	if (!hit(fd, KIND_WRITE))
		return real(fd, bytes, len, at);
	return control->how == HOW_HALF ? real(fd, bytes, len / 2, at) : fail();
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
	REAL(writev);
	if (!hit(fd, KIND_WRITE))
		return real(fd, parts, count);
	return control->how == HOW_HALF ? real(fd, parts, (count + 1) / 2) : fail();
}

EXPORT ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
	REAL(pwritev);
	if (!hit(fd, KIND_WRITE))
		return real(fd, parts, count, at);
	return control->how == HOW_HALF ? real(fd, parts, (count + 1) / 2, at) : fail();
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at)
{
	REAL(pwritev64);
	if (!hit(fd, KIND_WRITE))
		return real(fd, parts, count, at);
	return control->how == HOW_HALF ? real(fd, parts, (count + 1) / 2, at) : fail();
}

EXPORT ssize_t pread(int fd, void *bytes, size_t len, off_t at)
{
	REAL(pread);
	return hit(fd, KIND_READ) ? fail() : real(fd, bytes, len, at);
}

EXPORT ssize_t pread64(int fd, void *bytes, size_t len, off64_t at)
{
	REAL(pread64);
	return hit(fd, KIND_READ) ? fail() : real(fd, bytes, len, at);
}

EXPORT int fdatasync(int fd)
{
	REAL(fdatasync);
	return hit(fd, KIND_SYNC) ? fail() : real(fd);
}

EXPORT int fsync(int fd)
{
	REAL(fsync);
	return hit(fd, KIND_SYNC) ? fail() : real(fd);
}

/* A mapping has no name here: every msync counts. */
EXPORT int msync(void *at, size_t len, int flags)
{
	REAL(msync);
	pthread_once(&once, read_environment);
	return must_fail(KIND_SYNC) ? fail() : real(at, len, flags);
}
