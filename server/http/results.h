/*
 * results: what came out of a job, and what failed, for the route table.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_RESULTS_H
#define LEAT_HTTP_RESULTS_H

#include "http/request.h"

extern const struct endpoint results_read, failures_read;

#endif
