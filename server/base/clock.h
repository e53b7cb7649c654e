/*
 * clock: the two clocks, both replaceable by a test's own.
 *
 * Monotonic time orders and measures; wall time is only ever shown to people, stored, or
 * compared with what was stored. Units: nanoseconds and milliseconds as the name says.
 *
 * Thread: any.
 */
#ifndef LEAT_BASE_CLOCK_H
#define LEAT_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

uint64_t clock_mono_ns(void);
/* Milliseconds since 1970 UTC. */
uint64_t clock_wall_ms(void);

/* Tests: stop both clocks at these values, then move them; 0,0 gives the real ones back. */
void clock_fake(uint64_t mono_ns, uint64_t wall_ms);
void clock_fake_advance_ms(uint64_t ms);

/* RFC 3339 in UTC with milliseconds, "2026-11-22T16:09:00.123Z"; `ret_text` of 32 bytes. */
void clock_format(uint64_t wall_ms, char ret_text[static 32]);

#endif
