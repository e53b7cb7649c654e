/*
 * patience: how long to wait before the same request is sent again, and when to give up.
 *
 * Waits double from a tenth of a second up to five, with jitter; after `patience_ms` without
 * anything going forward it is over. What goes forward (an upload's chunk, a result) begins
 * all of it anew.
 *
 * Thread: one.
 */
#ifndef LEAT_CLIENT_PATIENCE_H
#define LEAT_CLIENT_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#define PATIENCE_DEFAULT_MS 120000

struct patience {
	uint64_t patience_ms;
	uint64_t since_ns; /* the first failure in a row; 0: none */
	unsigned failures; /* in a row */
};

static inline void patience_init(struct patience *patience, uint64_t patience_ms)
{
	*patience = (struct patience){ .patience_ms = patience_ms };
}
/* It goes forward. True when there had been failures. */
bool patience_reset(struct patience *patience);
/*
 * It failed: true with the time to wait, at least `least_ms`, before the next attempt; false
 * when it is over.
 */
bool patience_next(struct patience *patience, uint64_t least_ms, unsigned *ret_wait_ms);

#endif
