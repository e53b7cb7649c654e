#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static _Atomic uint64_t fake_mono_ns;
static _Atomic uint64_t fake_wall_ms;

uint64_t clock_mono_ns(void)
{
	uint64_t fake = atomic_load_explicit(&fake_mono_ns, memory_order_relaxed);
	struct timespec now;

	if (fake != 0)
		return fake;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_wall_ms(void)
{
	uint64_t fake = atomic_load_explicit(&fake_wall_ms, memory_order_relaxed);
	struct timespec now;

	if (fake != 0)
		return fake;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / NS_PER_MS;
}

void clock_fake(uint64_t mono_ns, uint64_t wall_ms)
{
	atomic_store(&fake_mono_ns, mono_ns);
	atomic_store(&fake_wall_ms, wall_ms);
}

void clock_fake_advance_ms(uint64_t ms)
{
	atomic_fetch_add(&fake_mono_ns, ms * NS_PER_MS);
	atomic_fetch_add(&fake_wall_ms, ms);
}

void clock_format(uint64_t wall_ms, char ret_text[static 32])
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm parts = { 0 };
	size_t len;

	gmtime_r(&seconds, &parts);
	len = strftime(ret_text, 24, "%Y-%m-%dT%H:%M:%S", &parts);

	snprintf(ret_text + len, 32 - len, ".%03uZ", (unsigned)(wall_ms % 1000));
}
