/*
 * fault_io: writes and syncs that fail on demand.
 *
 * A program linked with fault_io.c has its own writev(), pwrite(), pwritev() and
 * fdatasync(), which LMDB then uses: while armed, each call counts, and a chosen range of them
 * fails, before or after it has done what was asked.
 */
#ifndef LEAT_TESTS_FAULT_IO_H
#define LEAT_TESTS_FAULT_IO_H

#include <stdbool.h>

struct faults {
	bool armed;
	long first, count; /* calls first … first + count - 1 fail */
	int code;
	bool after; /* the first of them fails after having been done */
	long calls;
};
extern struct faults faults;

#endif
