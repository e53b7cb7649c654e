/*
 * items: items in, for the route table; and what /v1/run shares with it.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_ITEMS_H
#define LEAT_HTTP_ITEMS_H

#include "http/intake.h"
#include "http/request.h"

extern const struct endpoint items_upload, items_key;

/*
 * Content-Type, and what the query says of CSV: how the body is to be split. Of `ret` only
 * shape and csv are set. ERR_MEDIA_TYPE, ERR_BAD_QUERY with mistakes.
 */
int items_shape(struct request *request, struct intake_options *ret, struct mistakes *mistakes,
	struct error *err);

#endif
