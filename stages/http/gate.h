/*
 * gate: how many may be inside at once; who comes when it is full waits in line.
 *
 * Pure counting: what it lets through is told by whoever called, so that nothing happens
 * inside of anything else. A gate with `scouted` also lets one in alone first: while nobody
 * knows the address of a host, one asks for it, and not ten thousand.
 *
 * Thread: the loop.
 */
#ifndef LEAT_HTTP_GATE_H
#define LEAT_HTTP_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One who waits; embedded. */
struct queuer {
	struct queuer *prev, *next;
	struct gate *waits_at; /* NULL: does not wait */
};

struct gate {
	struct gate *next; /* in its chain */
	unsigned limit, active;
	unsigned users; /* who came from gates_get() and have not let go */
	bool scouted;
	struct queuer *scout;
	uint64_t known_until_ms; /* scouted: the address is known so long */
	struct queuer *first, *last;
	char key[];
};

/* Gates by name, all with the same limit. */
#define GATE_CHAINS 64
struct gates {
	struct gate *chains[GATE_CHAINS];
	unsigned limit;
	bool scouted;
	size_t count;
};

/* The gate of that name, made where there is none; NULL without memory. */
struct gate *gates_get(struct gates *gates, const char *key);
/* Let go of it; NULL is fine. */
void gate_put(struct gate *gate);
/* Nobody may be in any of them. */
void gates_done(struct gates *gates);

/* Go in, true; or stand in line, false. */
bool gate_enter(struct gate *gate, struct queuer *queuer, uint64_t now_ms);
/* Come out. The address need not be known for it: the next one scouts. */
void gate_leave(struct gate *gate, struct queuer *queuer);
/* The scout knows the address. */
void gate_know(struct gate *gate, struct queuer *queuer, uint64_t until_ms);
/* The next one in line who may go in now, and has: tell it. NULL: none. */
struct queuer *gate_admit(struct gate *gate, uint64_t now_ms);
/* Leave the line. */
void gate_give_up(struct queuer *queuer);

#endif
