/*
 * rate: how many requests one may make.
 *
 *	guard_admit ─► rate_count ─► 429, or go on
 *	every reply: RateLimit and RateLimit-Policy
 *
 * Each token has a bucket that holds what may be asked in RATE_WINDOW_S seconds, and is filled
 * steadily; a request takes one out. Who shows no token has the bucket of his address. What
 * needs no scope (probes, pages) is not counted.
 *
 * Of each kind RATE_BUCKETS_MAX buckets are kept; beyond that who has asked least recently
 * begins with a full one.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_RATE_H
#define LEAT_HTTP_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "http/principal.h"

struct exposition;
struct request;

#define RATE_WINDOW_S    10
#define RATE_BUCKETS_MAX 8192

struct rate_limit {
	const char *per;                /* "token", "address" */
	uint64_t per_s;                 /* 0: no limit */
	struct list slots[1024], order; /* order: who has asked least recently comes first */
	unsigned count;
	uint64_t refused, seed;
};

struct rates {
	struct rate_limit token, address;
};

/* What a reply says. */
struct rate_state {
	const char *per; /* NULL: it was not counted */
	uint64_t quota, left, reset_s, retry_s;
};

void rates_init(struct rates *rates, uint64_t per_token, uint64_t per_address);
void rates_done(struct rates *rates);
void rates_write(const struct rates *rates, struct exposition *to);

/* One request of `key` (zeros behind its end). False: there was one too many. */
#define RATE_KEY_SIZE PRINCIPAL_NAME_SIZE
bool rate_take(struct rate_limit *limit, const char key[static RATE_KEY_SIZE], uint64_t now_ns,
	struct rate_state *ret);

/* Count a request whose route and principal are known. ERR_RATE_LIMITED. */
int rate_count(struct request *request, struct error *err);
/* The headers of its reply. */
void rate_seal(struct request *request);

#endif
