/*
 * groups: statistics by key, in a hash table that never holds more than it may.
 */
#ifndef LEAT_STAGE_GROUPS_H
#define LEAT_STAGE_GROUPS_H

#include <stddef.h>
#include <stdint.h>

#include "stats.h"

#define GROUP_KEY_MAX 1024

struct group {
	char *key;
	uint32_t len;
	uint64_t hash;
	struct stats stats;
};

struct groups {
	struct group *list; /* in the order of their first item */
	uint32_t *slots; /* number of a group + 1, 0: empty; twice as many as groups at least */
	size_t count, capacity, slot_count;
	uint64_t seed; /* so that nobody can choose keys that collide */
};

void groups_done(struct groups *groups);
/* The group of that key, made if need be; NULL without memory. A grown list moves. */
struct group *groups_get(struct groups *groups, const char *key, size_t len);
/* The same, NULL when there is none. */
struct group *groups_find(const struct groups *groups, const char *key, size_t len);

#endif
