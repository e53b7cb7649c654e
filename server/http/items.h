/*
 * items: items in, for the route table; and what /v1/run shares with it.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_ITEMS_H
#define LEAT_HTTP_ITEMS_H

#include "engine/split.h"
#include "http/request.h"

extern const struct endpoint items_upload, items_key;

/* Content-Type: how the body is to be split. ERR_MEDIA_TYPE. */
int items_shape(struct request *request, enum split_shape *ret, struct error *err);

#endif
