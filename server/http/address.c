#include "http/address.h"

#include <netinet/in.h>
#include <string.h>

#include "base/mem.h"
#include "base/random.h"

bool address_key_of(const struct sockaddr *from, struct address_key *ret)
{
	const struct sockaddr_in6 *in6 = (const void *)from;
	const struct sockaddr_in *in = (const void *)from;

	*ret = (struct address_key){ { 0 } };
	if (from == NULL)
		return false;
	if (from->sa_family == AF_INET) {
		ret->bytes[0] = 4;
		memcpy(ret->bytes + 1, &in->sin_addr, 4);
		return true;
	}
	if (from->sa_family != AF_INET6)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		ret->bytes[0] = 4;
		memcpy(ret->bytes + 1, in6->sin6_addr.s6_addr + 12, 4);
	} else {
		ret->bytes[0] = 6;
		memcpy(ret->bytes + 1, in6->sin6_addr.s6_addr, 8);
	}
	return true;
}

void address_book_init(struct address_book *book)
{
	for (size_t at = 0; at < ARRAY_SIZE(book->buckets); at++)
		list_init(&book->buckets[at]);
	random_bytes(&book->seed, sizeof(book->seed));
}

static struct list *bucket_of(struct address_book *book, const struct address_key *key)
{
	uint64_t hash = book->seed;

	for (size_t at = 0; at < sizeof(key->bytes); at++) {
		hash = (hash ^ key->bytes[at]) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 29;
	}
	return &book->buckets[hash % ADDRESS_BUCKETS];
}

static struct address *find(struct list *bucket, const struct address_key *key)
{
	LIST_EACH(bucket, link)
	{
		struct address *address = LIST_ENTRY(link, struct address, link);

		if (memcmp(&address->key, key, sizeof(*key)) == 0)
			return address;
	}
	return NULL;
}

struct address *address_hold(struct address_book *book, const struct address_key *key)
{
	struct list *bucket = bucket_of(book, key);
	struct address *address = find(bucket, key);

	if (address == NULL) {
		address = mem_zalloc(sizeof(*address));
		if (address == NULL)
			return NULL;
		address->key = *key;
		list_append(bucket, &address->link);
	}
	address->holders++;
	return address;
}

void address_release(struct address *address)
{
	if (address == NULL || --address->holders > 0)
		return;
	list_remove(&address->link);
	mem_free(address);
}

unsigned address_book_most(const struct address_book *book)
{
	unsigned most = 0;

	for (size_t at = 0; at < ARRAY_SIZE(book->buckets); at++)
		LIST_EACH(&book->buckets[at], link)
	most = MAX(most, LIST_ENTRY(link, struct address, link)->holders);
	return most;
}
