#include "base/fault.h"

#ifdef LEAT_FAULTS

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What LEAT_FAULT_CONTROL maps is an array of these: tests/fault/faultmem.py knows the layout.
 */
struct counter {
	atomic_long count;
	atomic_long nth;  /* 0: not armed */
	atomic_long many; /* how many fail from there on; 0: all */
	atomic_long failed;
};

static struct counter own[FAULT_KINDS];
static struct counter *counters = own;
static const char *planted;

static struct {
	char crash[64]; /* the point to end at; "": none */
	long nth;
	atomic_long passed;
	int list; /* where points are written down; -1: nowhere */
} points = { .list = -1 };

static const char *const variables[FAULT_KINDS] = { [FAULT_ALLOC] = "LEAT_FAULT_ALLOC" };

/* "name" or "name:n" */
static void read_crash(const char *value)
{
	const char *colon = strchrnul(value, ':');

	snprintf(points.crash, sizeof(points.crash), "%.*s", (int)(colon - value), value);
	points.nth = *colon == ':' ? atol(colon + 1) : 1;
}

static void init_points(void)
{
	const char *crash = getenv("LEAT_FAULT_CRASH"), *list = getenv("LEAT_FAULT_POINTS");

	if (crash != NULL)
		read_crash(crash);
	if (list != NULL)
		points.list = open(list, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* A test that set a control up wrong must not run as if nothing were to fail. */
static void map_control(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *shared = MAP_FAILED;

	if (fd >= 0) {
		shared = mmap(NULL, sizeof(own), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (shared == MAP_FAILED)
		abort();
	counters = shared;
}

void fault_init(void)
{
	const char *control = getenv("LEAT_FAULT_CONTROL");

	if (control != NULL)
		map_control(control);
	for (int kind = 0; kind < FAULT_KINDS; kind++) {
		const char *value = getenv(variables[kind]);

		if (value != NULL)
			fault_arm(kind, atol(value), strchr(value, '+') != NULL);
	}
	planted = getenv("LEAT_FAULT_PLANT");
	init_points();
}

void fault_arm(enum fault_kind kind, long nth, bool onwards)
{
	atomic_store(&counters[kind].count, 0);
	atomic_store(&counters[kind].failed, 0);
	atomic_store(&counters[kind].many, onwards ? 0 : 1);
	atomic_store(&counters[kind].nth, nth);
}

long fault_count(enum fault_kind kind)
{
	return atomic_load(&counters[kind].count);
}

bool fault_hit(enum fault_kind kind)
{
	struct counter *counter = &counters[kind];
	long nth = atomic_load_explicit(&counter->nth, memory_order_relaxed);
	long now = atomic_fetch_add_explicit(&counter->count, 1, memory_order_relaxed) + 1;
	long many;

	if (nth == 0 || now < nth)
		return false;
	many = atomic_load(&counter->many);
	if (many != 0 && now >= nth + many)
		return false;
	atomic_fetch_add(&counter->failed, 1);
	return true;
}

bool fault_planted(const char *name)
{
	return planted != NULL && strcmp(planted, name) == 0;
}

/* A line is one write, so those of several threads and processes do not mix. */
static void write_down(const char *name)
{
	char line[80];
	int len = snprintf(line, sizeof(line), "%s\n", name);

	if (write(points.list, line, (size_t)len) != len)
		abort();
}

void fault_point(const char *name)
{
	int saved = errno;

	if (points.list >= 0)
		write_down(name);
	if (points.crash[0] != '\0' && strcmp(points.crash, name) == 0 &&
		atomic_fetch_add(&points.passed, 1) + 1 == points.nth)
		raise(SIGKILL);
	errno = saved;
}

#endif
