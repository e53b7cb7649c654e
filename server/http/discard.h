/*
 * discard: the rest of a body whose request has been answered already.
 *
 * libmicrohttpd can only reply when the body has been read whole. So what is left is read and
 * thrown away; but where that is much, or comes slowly, the reply is written to the socket
 * past the library, our side of it is shut down, and the rest is thrown away until the client
 * has noticed, or is too much, or takes too long.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_DISCARD_H
#define LEAT_HTTP_DISCARD_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

struct request;

enum MHD_Result discard(struct request *request, size_t *len);
/* Is it answered, and its body still coming, and has that taken long? */
bool discard_is_late(struct request *request, uint64_t now_ns);
void discard_in_time(struct request *request, uint64_t now_ns);

#endif
