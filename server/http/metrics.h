/*
 * metrics: GET /metrics, in Prometheus' text format.
 *
 * Everything comes from counters that are kept anyway; nothing is measured here. What each
 * metric means stands in its HELP, which operators read; docs/operations.md says which to
 * watch. Labels have few values: states, outcomes, registered stages, routes. Every bound that
 * can be set is a metric of its own (…_max, …_max_bytes), so that "how close" is a division.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_METRICS_H
#define LEAT_HTTP_METRICS_H

#include "http/request.h"

extern const struct endpoint metrics_read;

#endif
