/*
 * exposition: metrics as text, in Prometheus' format 0.0.4.
 *
 *	# HELP leat_jobs Jobs that are not done.
 *	# TYPE leat_jobs gauge
 *	leat_jobs{state="running"} 3
 *
 * A family (HELP and TYPE) comes first, then its samples; the name is said once. Label values
 * may hold anything, they are escaped. Where memory ends the text is marked and the rest is
 * dropped: who has written it asks once, at the end.
 */
#ifndef LEAT_HTTP_EXPOSITION_H
#define LEAT_HTTP_EXPOSITION_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/tally.h"

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct exposition {
	struct buf text;
	const char *name; /* of the family at hand */
	bool failed;      /* no memory */
};

struct label {
	const char *name, *value;
};
/* LABELS({ "stage", name }, { "state", "busy" }) */
#define LABELS(...) ((const struct label[]){ __VA_ARGS__, { NULL, NULL } })

/* `name` must stay until the next one. */
void exposition_family(
	struct exposition *to, const char *name, const char *type, const char *help);
/* `labels` ends with a NULL; NULL: none. */
void exposition_count(struct exposition *to, const struct label *labels, uint64_t value);
void exposition_number(struct exposition *to, const struct label *labels, double value);
/* Of a family of type histogram: its buckets, sum and count. */
void exposition_tally(struct exposition *to, const struct label *labels,
	const struct tally *tally, const struct tally_scale *scale);

#endif
