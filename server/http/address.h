/*
 * address: from where somebody is connected, and how many of them there are from each.
 *
 * What counts as one address: of IPv4 all of it, of IPv6 the first half, which is what one
 * customer has. IPv4 written as IPv6 is IPv4. A Unix socket has none.
 *
 * Owner: an entry of the book lives as long as somebody holds it. Thread: loop.
 */
#ifndef LEAT_HTTP_ADDRESS_H
#define LEAT_HTTP_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/list.h"

struct address_key {
	uint8_t bytes[9]; /* 4 or 6, then the address, then zeros */
};

/* False: it is no address of a network. */
bool address_key_of(const struct sockaddr *from, struct address_key *ret);

#define ADDRESS_BUCKETS 1024

struct address {
	struct list link;
	struct address_key key;
	unsigned holders;
};

struct address_book {
	struct list buckets[ADDRESS_BUCKETS];
	uint64_t seed; /* nobody can choose addresses that meet in one bucket */
};

void address_book_init(struct address_book *book);
/* One holder more; NULL without memory. */
struct address *address_hold(struct address_book *book, const struct address_key *key);
/* One holder less. NULL is nobody. */
void address_release(struct address *address);
/* Holders of the address that has most of them. */
unsigned address_book_most(const struct address_book *book);

#endif
