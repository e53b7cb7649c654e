/*
 * peers: who is connected, from the beginning of a connection to its end.
 *
 *	accepted ─► fresh ─► a request ─► idle ─► a request ─► … ─► closed
 *	       └──► refused ─► one answer: 503
 *
 * Each connection is counted, in all and by its address. One that is over a bound has its first
 * request answered by 503 and is closed; where many wait for that answer, it is closed without
 * one. While no request is under way a peer owes us the head of one: a fresh peer within
 * `header-ms`, an idle one within `idle-timeout` and `header-ms`. Dribbling bytes in earns
 * nothing; who is late and had begun gets 408.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_PEERS_H
#define LEAT_HTTP_PEERS_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/list.h"
#include "http/address.h"

struct exposition;

/* Connections beyond the bound that are taken for the sake of telling them. */
#define PEERS_SPARE 64

struct peers_bounds {
	unsigned connections_max, per_address;
	unsigned header_ms;      /* 0: no deadline */
	unsigned idle_timeout_s; /* 0: for ever */
};

struct peers {
	struct peers_bounds bounds;
	struct list fresh, idle, refused; /* they owe a head; the longest waiting first */
	struct address_book book;
	unsigned connected, waiting; /* waiting: of the refused, for an answer */
	uint64_t refused_total, refused_address, cut;
	uint64_t slow_heads, slow_bodies, slow_replies;
};

struct peer {
	struct list link; /* of one of the lists; itself while a request is under way */
	struct peers *peers;
	struct address *address; /* NULL: it has none */
	int fd;
	bool plain; /* what we write into the socket is what the peer reads */
	enum peer_bound { PEER_WELCOME, PEER_TOO_MANY, PEER_TOO_MANY_THERE } bound;
	uint64_t since_ns; /* it owes */
};

void peers_init(struct peers *peers, const struct peers_bounds *bounds);
/* Once a second: who owes a head for too long is closed. */
void peers_tick(struct peers *peers, uint64_t now_ns);
/* As metrics, with the bounds. */
void peers_write(const struct peers *peers, struct exposition *to);

/* A connection begins; NULL without memory, and then it ends. */
struct peer *peer_new(struct peers *peers, struct MHD_Connection *connection);
void peer_free(struct peer *peer);

/* The head of a request is there; that request is over. */
void peer_busy(struct peer *peer);
void peer_idle(struct peer *peer);
/* May it ask anything? ERR_BUSY otherwise. */
int peer_check(const struct peer *peer, struct error *err);
/* Bytes it has taken of what was sent; `sent`: what was given to the system, where that tells
 * no better. */
uint64_t peer_taken(const struct peer *peer, uint64_t sent);
/* Close the connection and forget what it has not taken. */
void peer_cut(struct peer *peer);

#endif
