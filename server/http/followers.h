/*
 * followers: requests that stay until something happens, and how many of them there may be.
 *
 * Of two kinds: streams of events (`sse-max`), and results that are followed or requests that
 * wait (`wait_ms`), `followers-max`. A request is one follower from follow_begin() to its end.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_FOLLOWERS_H
#define LEAT_HTTP_FOLLOWERS_H

#include <stdint.h>

#include "base/error.h"

struct exposition;
struct http_server;
struct request;

enum follows { FOLLOWS_NOTHING, FOLLOWS_EVENTS, FOLLOWS_WAITING, FOLLOWS_COUNT };

struct followers {
	unsigned now[FOLLOWS_COUNT];
	uint64_t refused[FOLLOWS_COUNT];
};

/* ERR_BUSY. Again for the same request is nothing. */
int follow_begin(struct request *request, enum follows what, struct error *err);
/* The request ends. */
void follow_end(struct request *request);

void followers_write(const struct http_server *server, struct exposition *to);

#endif
