/*
 * window: how many items a child should have in its hands, learnt from its answers.
 *
 * Two things speak for more than one. A fast child never waits for the next item when it has
 * about 10 ms of work at hand; more would make items late that another child could do. And a
 * *wide* one (threads, async, a service behind it) does many at a time: as long as an item
 * takes no longer because there are more of them, it is tried with twice as many; what did not
 * help is tried again ever more rarely. Programs that answer in order are not asked whether
 * they are wide.
 */
#ifndef LEAT_EXEC_WINDOW_H
#define LEAT_EXEC_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

struct window {
	unsigned items; /* the answer */
	unsigned max;
	bool ordered;

	uint64_t seen_ns;     /* when it last answered, or began to have something to do */
	uint64_t ns_per_item; /* from answer to answer, smoothed */

	unsigned wide;         /* so many it is known, or tried, to do at a time */
	unsigned answers, top; /* of this round; most that it had in hand */
	uint64_t took_ns,
		best_ns; /* its answers in all; least that one took, forgotten slowly */
	unsigned patience, passed_over; /* rounds until more is tried again */
};

void window_init(struct window *window, unsigned max, bool ordered);
/* It had nothing to do, and now it has. */
void window_begin(struct window *window, uint64_t now_ns);
/* An answer to one of `load` items in its hands, which it has had since then. */
void window_answer(struct window *window, unsigned load, uint64_t since_ns, uint64_t now_ns);
/* So many answers have come at once. */
void window_learn(struct window *window, unsigned answers, uint64_t now_ns);

#endif
