/*
 * faultclock: a shim for LD_PRELOAD that sets the clock on the wall, for one program only.
 *
 * CLOCK_REALTIME of clock_gettime, gettimeofday and time are shifted by shift_ms, which a test
 * changes as the program runs: LEAT_FAULTCLOCK_CONTROL names a file of at least sizeof(struct
 * control), shared. CLOCK_MONOTONIC is left alone, as the system leaves it alone when somebody
 * sets the clock.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "control.h"

/* The same layout stands in shims.py. */
struct control {
	int64_t shift_ms;
	uint64_t asked; /* how often for the time of day; written by the shim */
};

static struct control own;
static struct control *control = &own;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int (*real_gettime)(clockid_t clock, struct timespec *ret);

static void read_environment(void)
{
	const char *path = getenv("LEAT_FAULTCLOCK_CONTROL");

	if (path != NULL)
		control = map_control(path, sizeof(*control));
	real_gettime = (__typeof__(real_gettime))dlsym(RTLD_NEXT, "clock_gettime");
}

static void shift(struct timespec *time)
{
	int64_t ms = __atomic_load_n(&control->shift_ms, __ATOMIC_ACQUIRE);

	__atomic_add_fetch(&control->asked, 1, __ATOMIC_RELAXED);
	time->tv_sec += ms / 1000;
	time->tv_nsec += ms % 1000 * 1000000;
	if (time->tv_nsec < 0) {
		time->tv_nsec += 1000000000;
		time->tv_sec--;
	} else if (time->tv_nsec >= 1000000000) {
		time->tv_nsec -= 1000000000;
		time->tv_sec++;
	}
}

#define EXPORT __attribute__((visibility("default")))

EXPORT int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int result;

	pthread_once(&once, read_environment);
	result = real_gettime(clock, ret);
	if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		shift(ret);
	return result;
}

EXPORT int gettimeofday(struct timeval *ret, void *zone)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*ret = (struct timeval){ .tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000 };
	return 0;
}

EXPORT time_t time(time_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (ret != NULL)
		*ret = now.tv_sec;
	return now.tv_sec;
}
