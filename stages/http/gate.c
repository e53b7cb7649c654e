#include "gate.h"

#include <stdlib.h>
#include <string.h>

#define GATES_KEPT 256 /* idle ones, for what they know */

static size_t chain_of(const char *key)
{
	size_t hash = 5381;

	while (*key != '\0')
		hash = hash * 33 + (unsigned char)*key++;
	return hash % GATE_CHAINS;
}

/* Names come from items: there may be any number of them. */
static void drop_idle(struct gates *gates)
{
	for (size_t i = 0; i < GATE_CHAINS; i++)
		for (struct gate **at = &gates->chains[i]; *at != NULL;) {
			struct gate *gate = *at;

			if (gate->users > 0) {
				at = &gate->next;
				continue;
			}
			*at = gate->next;
			gates->count--;
			free(gate);
		}
}

struct gate *gates_get(struct gates *gates, const char *key)
{
	struct gate **chain = &gates->chains[chain_of(key)], *gate;
	size_t len = strlen(key);

	for (gate = *chain; gate != NULL; gate = gate->next)
		if (strcmp(gate->key, key) == 0)
			return gate->users++, gate;
	if (gates->count >= GATES_KEPT)
		drop_idle(gates);
	gate = calloc(1, sizeof(*gate) + len + 1);
	if (gate == NULL)
		return NULL;
	memcpy(gate->key, key, len + 1);
	gate->users = 1;
	gate->limit = gates->limit;
	gate->scouted = gates->scouted;
	gate->next = *chain;
	*chain = gate;
	gates->count++;
	return gate;
}

void gate_put(struct gate *gate)
{
	if (gate != NULL)
		gate->users--;
}

void gates_done(struct gates *gates)
{
	for (size_t i = 0; i < GATE_CHAINS; i++)
		while (gates->chains[i] != NULL) {
			struct gate *gate = gates->chains[i];

			gates->chains[i] = gate->next;
			free(gate);
		}
	gates->count = 0;
}

static bool may_enter(const struct gate *gate, uint64_t now_ms)
{
	if (gate->active >= gate->limit)
		return false;
	return !gate->scouted || now_ms < gate->known_until_ms || gate->scout == NULL;
}

static void enter(struct gate *gate, struct queuer *queuer, uint64_t now_ms)
{
	gate->active++;
	if (gate->scouted && now_ms >= gate->known_until_ms)
		gate->scout = queuer;
}

bool gate_enter(struct gate *gate, struct queuer *queuer, uint64_t now_ms)
{
	/* Nobody overtakes those who wait. */
	if (gate->first == NULL && may_enter(gate, now_ms)) {
		enter(gate, queuer, now_ms);
		return true;
	}
	queuer->waits_at = gate;
	queuer->prev = gate->last;
	queuer->next = NULL;
	if (gate->last != NULL)
		gate->last->next = queuer;
	else
		gate->first = queuer;
	gate->last = queuer;
	return false;
}

void gate_leave(struct gate *gate, struct queuer *queuer)
{
	gate->active--;
	if (gate->scout == queuer)
		gate->scout = NULL;
}

void gate_know(struct gate *gate, struct queuer *queuer, uint64_t until_ms)
{
	if (gate->scout != queuer)
		return;
	gate->scout = NULL;
	gate->known_until_ms = until_ms;
}

void gate_give_up(struct queuer *queuer)
{
	struct gate *gate = queuer->waits_at;

	if (queuer->prev != NULL)
		queuer->prev->next = queuer->next;
	else
		gate->first = queuer->next;
	if (queuer->next != NULL)
		queuer->next->prev = queuer->prev;
	else
		gate->last = queuer->prev;
	queuer->waits_at = NULL;
}

struct queuer *gate_admit(struct gate *gate, uint64_t now_ms)
{
	struct queuer *queuer = gate->first;

	if (queuer == NULL || !may_enter(gate, now_ms))
		return NULL;
	gate_give_up(queuer);
	enter(gate, queuer, now_ms);
	return queuer;
}
