/*
 * random: numbers nobody needs to guess (ids), and numbers for jitter.
 */
#ifndef LEAT_BASE_RANDOM_H
#define LEAT_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* From the kernel, getrandom(2). Thread: any. */
void random_bytes(void *to, size_t len);

/* Uniform in [0, bound); 0 for 0. Fast, per thread, not for secrets. Thread: any. */
uint64_t random_below(uint64_t bound);

#endif
