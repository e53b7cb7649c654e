/*
 * fault: counters that make the n-th call of a kind fail, for tests.
 *
 * In a build with -Dfaults=true the environment arms them at start: LEAT_FAULT_ALLOC=7 fails
 * the seventh counted allocation, LEAT_FAULT_ALLOC=7+ that one and all that follow,
 * LEAT_FAULT_PLANT=name switches a planted bug on (tests/selftest). With
 * LEAT_FAULT_CONTROL=FILE the counters stand in that file's memory, where a test arms and
 * reads them while the server runs (tests/fault/faultmem.py). FAULT_POINT("name") is a
 * crash point, a step between two changes of what is stored or told: LEAT_FAULT_CRASH=name:n
 * ends the process by SIGKILL as it passes there the n-th time (without a number: the first),
 * LEAT_FAULT_POINTS=FILE gets a line for every passing. In every other build fault_hit() and
 * fault_planted() are the constant false, a crash point is nothing, and none costs anything.
 */
#ifndef LEAT_BASE_FAULT_H
#define LEAT_BASE_FAULT_H

#include <stdbool.h>

enum fault_kind { FAULT_ALLOC, FAULT_KINDS };

#ifdef LEAT_FAULTS
/* Read the environment; call once before the first thread starts. */
void fault_init(void);
/* Make the n-th coming call fail (0: none); `onwards` also all after it. For unit tests. */
void fault_arm(enum fault_kind kind, long nth, bool onwards);
/* How many calls of a kind have been counted since it was armed. */
long fault_count(enum fault_kind kind);
bool fault_hit(enum fault_kind kind);
/* Is the planted bug of that name switched on? */
bool fault_planted(const char *name);
void fault_point(const char *name);
#define FAULT_POINT(name) fault_point(name)
#else
#define fault_init()        ((void)0)
#define fault_hit(kind)     ((void)(kind), false)
#define fault_planted(name) ((void)(name), false)
#define FAULT_POINT(name)   ((void)0)
#endif

#endif
