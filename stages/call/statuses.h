/*
 * statuses: what an HTTP status means for the item.
 *
 * 2xx is fine; 408, 425, 429, 500, 502, 503 and 504 are worth another attempt; the rest is
 * permanent. A job says otherwise with lists of statuses and classes: [404, "5xx"].
 */
#ifndef LEAT_CALL_STATUSES_H
#define LEAT_CALL_STATUSES_H

#include "stage.h"

enum status_fate { STATUS_PERMANENT = 0, STATUS_TRANSIENT, STATUS_OK };

struct statuses {
	unsigned char fate[600];
};

/* The lists as JSON, NULL where the job says nothing; stage_fail() names the parameter. */
enum stage_result statuses_read(struct statuses *statuses, const char *ok,
	const char *transient, const char *permanent, struct stage_ctx *ctx);
enum status_fate statuses_fate(const struct statuses *statuses, long status);

#endif
