#include "fault_io.h"

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>

/* Not <unistd.h>: it makes pwrite and pwrite64 one name. */
#define EXPORT __attribute__((visibility("default")))
EXPORT long pwrite(int fd, const void *bytes, size_t len, long at);
EXPORT long pwrite64(int fd, const void *bytes, size_t len, long at);
EXPORT long writev(int fd, const void *parts, int count);
EXPORT long pwritev(int fd, const void *parts, int count, long at);
EXPORT long pwritev64(int fd, const void *parts, int count, long at);
EXPORT int fdatasync(int fd);
long syscall(long number, ...);

struct faults faults;

static bool must_fail(void)
{
	long call;

	if (!faults.armed)
		return false;
	call = ++faults.calls;
	return call >= faults.first && call < faults.first + faults.count;
}

/* The result of a system call that may be told to fail. */
#define FAULTY(call)                                                                    \
	({                                                                              \
		bool fail_ = must_fail();                                               \
		long result_ = fail_ && !(faults.after && faults.calls == faults.first) \
				       ? -1                                             \
				       : (call);                                        \
		if (fail_) {                                                            \
			errno = faults.code;                                            \
			result_ = -1;                                                   \
		}                                                                       \
		result_;                                                                \
	})

long pwrite(int fd, const void *bytes, size_t len, long at)
{
	return FAULTY(syscall(SYS_pwrite64, fd, bytes, len, at));
}

long pwrite64(int fd, const void *bytes, size_t len, long at)
{
	return pwrite(fd, bytes, len, at);
}

long writev(int fd, const void *parts, int count)
{
	return FAULTY(syscall(SYS_writev, fd, parts, count));
}

long pwritev(int fd, const void *parts, int count, long at)
{
	return FAULTY(syscall(SYS_pwritev, fd, parts, count, at, 0L));
}

long pwritev64(int fd, const void *parts, int count, long at)
{
	return pwritev(fd, parts, count, at);
}

int fdatasync(int fd)
{
	return (int)FAULTY(syscall(SYS_fdatasync, fd));
}
