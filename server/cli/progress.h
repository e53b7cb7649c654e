/*
 * progress: one line at the foot of a terminal that says how far it is.
 *
 *	[##########··········]  50 %  100,000 of 200,000 items  81,250/s  3 failed
 *
 * Nothing is drawn when standard error is no terminal, or when results go to one.
 *
 * Thread: loop.
 */
#ifndef LEAT_CLI_PROGRESS_H
#define LEAT_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct progress_counts {
	uint64_t done, failed; /* items; done includes failed */
	uint64_t total;        /* 0: not known */
	double share;          /* 0..1 of all; negative: not known */
};

struct progress {
	uv_timer_t timer;
	bool shown, drawn;
	uint64_t started_ns, looked_ns, looked_done;
	double rate;
	void *arg;
	void (*look)(void *arg, struct progress_counts *ret);
};

/* `look` is asked for the counts a few times a second. */
void progress_start(struct progress *progress, uv_loop_t *loop,
	void (*look)(void *arg, struct progress_counts *ret), void *arg);
/* Take the line away; something else is to be written there. It comes back by itself. */
void progress_clear(struct progress *progress);
/* Replace it by a last line with the sum. The handle is closed. */
void progress_end(struct progress *progress);

/* The line of text for these counts, for `columns`; `ret` of `size` bytes. */
void progress_text(const struct progress_counts *counts, double rate, unsigned columns,
	char *ret, size_t size);

#endif
