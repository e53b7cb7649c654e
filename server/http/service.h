/*
 * service: what the server says about itself and its stages.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_SERVICE_H
#define LEAT_HTTP_SERVICE_H

#include "http/request.h"

extern const struct endpoint service_server, service_live, service_ready;
extern const struct endpoint stages_list, stages_one;

#endif
