/*
 * faultthread: a shim for LD_PRELOAD that refuses threads.
 *
 * It counts pthread_create and answers EAGAIN, as a system does that has no more, to the calls
 * from the refuse_from-th on, refuse_count of them (0: all). LEAT_FAULTTHREAD_CONTROL names a
 * file of at least sizeof(struct control) that a test shares with it; LEAT_FAULTTHREAD_FROM=n
 * arms it from the start.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control.h"

/* The same layout stands in shims.py. */
struct control {
	uint64_t counted;      /* calls since armed; written by the shim */
	uint64_t refuse_from;  /* 1: the next one; 0: none */
	uint64_t refuse_count; /* 0: all from there on */
	uint64_t refused;      /* written by the shim */
};

static struct control own;
static struct control *control = &own;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void read_environment(void)
{
	const char *path = getenv("LEAT_FAULTTHREAD_CONTROL"),
		   *from = getenv("LEAT_FAULTTHREAD_FROM");

	if (path != NULL)
		control = map_control(path, sizeof(*control));
	if (from != NULL)
		control->refuse_from = strtoull(from, NULL, 10);
}

static int is_refused(void)
{
	uint64_t number = __atomic_add_fetch(&control->counted, 1, __ATOMIC_ACQ_REL),
		 from = __atomic_load_n(&control->refuse_from, __ATOMIC_ACQUIRE),
		 count = __atomic_load_n(&control->refuse_count, __ATOMIC_ACQUIRE);

	if (from == 0 || number < from || (count != 0 && number - from >= count))
		return 0;
	__atomic_add_fetch(&control->refused, 1, __ATOMIC_ACQ_REL);
	return 1;
}

__attribute__((visibility("default"))) int pthread_create(
	pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *arg), void *arg)
{
	static __typeof__(&pthread_create) real;

	if (real == NULL)
		real = (__typeof__(real))dlsym(RTLD_NEXT, "pthread_create");
	pthread_once(&once, read_environment);
	return is_refused() ? EAGAIN : real(ret, attr, run, arg);
}
