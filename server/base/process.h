/*
 * process: what the system says of this process.
 *
 * Thread: any.
 */
#ifndef LEAT_BASE_PROCESS_H
#define LEAT_BASE_PROCESS_H

#include <stdint.h>

struct process_stat {
	uint64_t resident_bytes, virtual_bytes;
	double cpu_seconds;   /* user and system */
	double start_seconds; /* since 1970 */
	uint64_t threads;
	uint64_t open_fds, max_fds;
};

/* What cannot be read is 0. */
void process_stat(struct process_stat *ret);

#endif
