/*
 * swarm: all requests of all jobs, on the server's loop, without a thread each.
 *
 * A request first goes through gates (http/gate.h): its job's limit for the host, the
 * operator's, the limit for all, and, where nobody knows the host's address yet, the one for
 * those who ask for it. Then one of the shards takes it. A shard is one multi handle of
 * libcurl's with up to SHARD_MAX requests, because libcurl looks for a free connection by
 * walking along all that it has; full shards come first, so that few requests use few
 * connections.
 *
 * The sockets of all shards are in one epoll set, which is one handle of the loop; the timers
 * are one, too. These two exist while anything is under way, so that nothing of the swarm's is
 * on a loop that wants to end.
 *
 * Thread: the loop, but for swarm_new() and swarm_free(), when there is none.
 */
#ifndef LEAT_HTTP_SWARM_H
#define LEAT_HTTP_SWARM_H

#include "call/exchange.h"
#include "gate.h"

enum transfer_step { STEP_JOB, STEP_HOST, STEP_ALL, STEP_RESOLVE, STEP_COUNT };

/* One request on its way; owned by the stage. */
struct transfer {
	struct queuer queuer; /* must be the first */
	struct exchange exchange;
	/* Called once, never from within swarm_submit(). The exchange's handle is there until
	 * it returns, or until it submits the transfer again. */
	void (*done)(struct transfer *transfer, CURLcode code);
	struct gates *job; /* NULL: no limit of its own */

	/* the swarm's */
	struct swarm *swarm;
	struct shard *shard;
	struct gate *gates[STEP_COUNT];
	unsigned step; /* gates that are behind it */
	bool resolved;
	uint64_t known_ms;
	CURLcode code;
	struct transfer *next; /* of those that are resolved, or have failed */
};

struct swarm *swarm_new(unsigned per_host, unsigned connections);
/* NULL is fine. Nothing may be under way. */
void swarm_free(struct swarm *swarm);

/* Begin; `loop` is a uv_loop_t. -1 without memory. */
int swarm_submit(struct swarm *swarm, struct transfer *transfer, void *loop);
/* End it without a word. Not from within `done`. */
void swarm_cancel(struct transfer *transfer);

#endif
