/*
 * clock: the two clocks, both replaceable by a test's own.
 *
 * Monotonic time orders and measures; wall time is only ever shown to people, stored, or
 * compared with what was stored. Units: nanoseconds and milliseconds as the name says.
 *
 * Time in which the process stood (SIGSTOP, a debugger, a machine that was halted) is nobody's
 * fault: no client was slow in it, no item late. Where a loop says several times a second that
 * it runs, by clock_beat(), monotonic time goes on at most CLOCK_BEAT_NS after its last word
 * and stands until somebody looks again. It stays monotonic, for all threads.
 *
 * Thread: any.
 */
#ifndef LEAT_BASE_CLOCK_H
#define LEAT_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

#define CLOCK_BEAT_NS NS_PER_S

uint64_t clock_mono_ns(void);
/* The process runs; nobody says so any more. */
void clock_beat(void);
void clock_beat_end(void);
/* For how long it has stood, in all. */
uint64_t clock_stood_ns(void);
/* A time of clock_mono_ns() as CLOCK_MONOTONIC has it, for pthread_cond_timedwait(). */
struct timespec clock_until(uint64_t mono_ns);
/* Milliseconds since 1970 UTC. */
uint64_t clock_wall_ms(void);

/* Tests: stop both clocks at these values, then move them; 0,0 gives the real ones back. */
void clock_fake(uint64_t mono_ns, uint64_t wall_ms);
void clock_fake_advance_ms(uint64_t ms);

/* RFC 3339 in UTC with milliseconds, "2026-11-22T16:09:00.123Z"; `ret_text` of 32 bytes. */
void clock_format(uint64_t wall_ms, char ret_text[static 32]);

#endif
