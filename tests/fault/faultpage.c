/*
 * faultpage: a shim for LD_PRELOAD that takes pages of the ledger's file away from who reads
 * them through a map, as a disk with bad sectors does: touching one is a SIGBUS.
 *
 * Maps of files whose path ends with "data.mdb" are followed. LEAT_FAULTPAGE_CONTROL names a
 * file of at least sizeof(struct control), shared: a test says which pages are away, and a
 * thread of the shim's sees to it, also in the maps that come.
 */
#undef _FILE_OFFSET_BITS /* with it mmap() would be mmap64() already; both are wanted */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "control.h"

#define PAGE 4096u

/* The same layout stands in shims.py. */
struct control {
	uint64_t first, count; /* pages that are away */
	uint64_t asked;        /* how often a test has changed them */
	uint64_t applied;      /* what was asked so often is so; written by the shim */
};

static struct control own;
static struct control *control = &own;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static char *map;
static size_t map_size;
static int map_fd = -1;
static int nothing_fd = -1;
static pthread_t watcher;
static uint64_t away_first, away_count;

static void *real_mmap(void *at, size_t len, int prot, int flags, int fd, off_t from)
{
	return (void *)syscall(SYS_mmap, at, len, prot, flags, fd, from);
}

static void put_there(size_t first, size_t count, int fd, off_t from)
{
	if (real_mmap(map + first * PAGE, count * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
		    from) == MAP_FAILED)
		abort();
}

/* With the lock. */
static void apply(void)
{
	uint64_t asked = __atomic_load_n(&control->asked, __ATOMIC_ACQUIRE);
	uint64_t first = __atomic_load_n(&control->first, __ATOMIC_ACQUIRE);
	uint64_t count = __atomic_load_n(&control->count, __ATOMIC_ACQUIRE);

	if (map != NULL && (first != away_first || count != away_count)) {
		put_there(0, map_size / PAGE, map_fd, 0);
		if (count > 0 && (first + count) * PAGE <= map_size)
			put_there(first, count, nothing_fd, 0);
		away_first = first;
		away_count = count;
	}
	__atomic_store_n(&control->applied, asked, __ATOMIC_RELEASE);
}

static void *watch(void *arg)
{
	(void)arg;
	for (;;) {
		pthread_mutex_lock(&lock);
		apply();
		pthread_mutex_unlock(&lock);
		usleep(500);
	}
	return NULL;
}

static void read_environment(void)
{
	const char *path = getenv("LEAT_FAULTPAGE_CONTROL");

	if (path != NULL)
		control = map_control(path, sizeof(*control));
	nothing_fd = memfd_create("nothing", MFD_CLOEXEC);
	if (pthread_create(&watcher, NULL, watch, NULL) != 0)
		abort();
}

static void *follow(void *at, size_t len, int prot, int flags, int fd, off_t from)
{
	void *result = real_mmap(at, len, prot, flags, fd, from);

	if (result == MAP_FAILED || at != NULL || prot != PROT_READ || from != 0 || fd < 0 ||
		!is_named(fd, "data.mdb"))
		return result;
	pthread_once(&once, read_environment);
	pthread_mutex_lock(&lock);
	if (map_fd >= 0)
		close(map_fd);
	map_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	map = result;
	map_size = len;
	away_first = away_count = 0;
	apply();
	pthread_mutex_unlock(&lock);
	return result;
}

#define EXPORT __attribute__((visibility("default")))

EXPORT void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t from)
{
	return follow(at, len, prot, flags, fd, from);
}

EXPORT void *mmap64(void *at, size_t len, int prot, int flags, int fd, off64_t from)
{
	return follow(at, len, prot, flags, fd, from);
}

/* One that is gone must not be put back under somebody else. */
EXPORT int munmap(void *at, size_t len)
{
	pthread_mutex_lock(&lock);
	if (at == map)
		map = NULL;
	pthread_mutex_unlock(&lock);
	return (int)syscall(SYS_munmap, at, len);
}
