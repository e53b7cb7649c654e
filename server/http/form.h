/*
 * form: does everybody who reads this request see its end, and its target, where we do?
 *
 * A proxy and we may read the same bytes differently: two lengths of a body, a length beside
 * chunks, a target with a space. What one takes for a body is the next request for the other
 * (request smuggling). What is unclear in that way is refused, its body is not looked at, and
 * the connection is closed, so that nothing behind it is ever read as a request.
 *
 * libmicrohttpd before 1.0 forgives more than it tells: it cuts values at a NUL, takes a line
 * without a name for the end of the head, unfolds lines after it has looked at them. So with it
 * the size of the head is compared with what it should be after all that we were told. Where
 * that differs the request is answered, and the connection closed.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_FORM_H
#define LEAT_HTTP_FORM_H

#include "http/request.h"

/* Compare the head's size, before anything of it is changed. Sets `unclear`, for a request that
 * must be the last of its connection. */
void form_measure(struct request *request, const char *method);
/* ERR_BAD_REQUEST, and then also `garbled`. A target in absolute form becomes a path. */
int form_check(struct request *request, const char *method, struct error *err);

#endif
