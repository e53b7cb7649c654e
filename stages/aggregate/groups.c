#include "groups.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* FNV-1a with a secret start, and its bits mixed. */
static uint64_t hash_of(const struct groups *groups, const char *key, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325u ^ groups->seed;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)key[i]) * 0x100000001b3u;
	hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93u;
	return hash ^ hash >> 32;
}

void groups_done(struct groups *groups)
{
	for (size_t i = 0; i < groups->count; i++)
		free(groups->list[i].key);
	free(groups->list);
	free(groups->slots);
	memset(groups, 0, sizeof(*groups));
}

/* The slot of the key, or the empty one where it belongs. */
static uint32_t *slot_of(
	const struct groups *groups, const char *key, size_t len, uint64_t hash)
{
	for (size_t at = hash & (groups->slot_count - 1);;
		at = (at + 1) & (groups->slot_count - 1)) {
		uint32_t number = groups->slots[at];
		const struct group *group = &groups->list[number - (number > 0)];

		if (number == 0 || (group->hash == hash && group->len == len &&
					   memcmp(group->key, key, len) == 0))
			return &groups->slots[at];
	}
}

static bool grow_list(struct groups *groups)
{
	size_t capacity = groups->capacity == 0 ? 16 : groups->capacity * 2;
	struct group *list = realloc(groups->list, capacity * sizeof(list[0]));

	if (list == NULL)
		return false;
	groups->list = list;
	groups->capacity = capacity;
	return true;
}

static bool grow_slots(struct groups *groups)
{
	size_t slot_count = groups->slot_count == 0 ? 64 : groups->slot_count * 2;
	uint32_t *slots = calloc(slot_count, sizeof(slots[0]));

	if (slots == NULL)
		return false;
	free(groups->slots);
	groups->slots = slots;
	groups->slot_count = slot_count;
	assert(groups->list != NULL); /* make_room() has seen to it */
	for (size_t i = 0; i < groups->count; i++) {
		const struct group *group = &groups->list[i];
		/* The analyzer does not see that all up to count are set. NOLINTNEXTLINE */
		uint32_t *slot = slot_of(groups, group->key, group->len, group->hash);

		*slot = (uint32_t)i + 1;
	}
	return true;
}

static bool make_room(struct groups *groups)
{
	if (groups->slot_count == 0 && getrandom(&groups->seed, sizeof(groups->seed), 0) < 0)
		groups->seed = (uintptr_t)groups;
	if (groups->count == groups->capacity && !grow_list(groups))
		return false;
	return (groups->count + 1) * 2 <= groups->slot_count || grow_slots(groups);
}

struct group *groups_find(const struct groups *groups, const char *key, size_t len)
{
	uint32_t number;

	if (groups->count == 0)
		return NULL;
	number = *slot_of(groups, key, len, hash_of(groups, key, len));
	return number == 0 ? NULL : &groups->list[number - 1];
}

struct group *groups_get(struct groups *groups, const char *key, size_t len)
{
	struct group *group = groups_find(groups, key, len);
	uint64_t hash;
	char *copy;

	if (group != NULL)
		return group;
	copy = malloc(len + 1);
	if (copy == NULL || !make_room(groups)) {
		free(copy);
		return NULL;
	}
	memcpy(copy, key, len);
	copy[len] = '\0';
	hash = hash_of(groups, key, len);
	assert(groups->list != NULL);
	group = &groups->list[groups->count];
	*group = (struct group){ .key = copy, .len = (uint32_t)len, .hash = hash };
	*slot_of(groups, key, len, hash) = (uint32_t)++groups->count;
	return group;
}
