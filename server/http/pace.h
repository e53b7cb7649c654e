/*
 * pace: is a client too slow?
 *
 * Looked at once a second. Only time counts in which the client could have done something: we
 * wanted bytes of its body, in the middle of a document or an item; or we had bytes of a reply
 * that it did not take. Whoever is held back by us, follows and has nothing to read, or pauses
 * between two items of an upload is not slow. Who then stays below `min-rate` for `slow-ms` of
 * such time is: a body ends with 408, a reply is cut.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_PACE_H
#define LEAT_HTTP_PACE_H

#include <stdint.h>

struct request;

struct pace {
	enum pace_in { PACE_NONE, PACE_BODY, PACE_REPLY } in;
	uint64_t at_ns;    /* of the last look */
	uint64_t spent_ns; /* of such time, since it was fast enough */
	uint64_t from;     /* bytes that had gone then */
};

void pace_tick(struct request *request, uint64_t now_ns);

#endif
