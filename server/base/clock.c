#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static _Atomic uint64_t fake_mono_ns;
static _Atomic uint64_t fake_wall_ms;
static _Atomic uint64_t beat_ns;  /* when the process was last known to run; 0: nobody says */
static _Atomic uint64_t stood_ns; /* grows before beat_ns does: see take_out() */
static pthread_mutex_t stood_lock = PTHREAD_MUTEX_INITIALIZER; /* for both to grow */

/* ---- monotonic ---- */

static uint64_t raw_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* What was read before, by whomever, was at most the last beat and CLOCK_BEAT_NS: there it goes
 * on. Lock held. */
static void take_out(uint64_t now_ns)
{
	uint64_t last_ns = atomic_load(&beat_ns);

	if (last_ns == 0 || now_ns <= last_ns + CLOCK_BEAT_NS)
		return;
	atomic_fetch_add(&stood_ns, now_ns - last_ns - CLOCK_BEAT_NS);
	atomic_store(&beat_ns, now_ns);
}

static void look_again(void)
{
	pthread_mutex_lock(&stood_lock);
	take_out(raw_ns());
	pthread_mutex_unlock(&stood_lock);
}

uint64_t clock_mono_ns(void)
{
	uint64_t fake = atomic_load_explicit(&fake_mono_ns, memory_order_relaxed);

	if (fake != 0)
		return fake;
	for (;;) {
		uint64_t stood = atomic_load(&stood_ns), now_ns = raw_ns(),
			 last_ns = atomic_load(&beat_ns);

		if (last_ns != 0 && now_ns > last_ns + CLOCK_BEAT_NS)
			look_again();
		else if (atomic_load(&stood_ns) == stood)
			return now_ns - stood;
	}
}

void clock_beat(void)
{
	uint64_t now_ns;

	pthread_mutex_lock(&stood_lock);
	now_ns = raw_ns();
	take_out(now_ns);
	atomic_store(&beat_ns, now_ns);
	pthread_mutex_unlock(&stood_lock);
}

void clock_beat_end(void)
{
	pthread_mutex_lock(&stood_lock);
	atomic_store(&beat_ns, 0);
	pthread_mutex_unlock(&stood_lock);
}

uint64_t clock_stood_ns(void)
{
	return atomic_load(&stood_ns);
}

struct timespec clock_until(uint64_t mono_ns)
{
	uint64_t until_ns = mono_ns + clock_stood_ns();

	return (struct timespec){ .tv_sec = (time_t)(until_ns / NS_PER_S),
		.tv_nsec = (long)(until_ns % NS_PER_S) };
}

/* ---- wall ---- */

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
