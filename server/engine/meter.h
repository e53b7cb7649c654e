/*
 * meter: what a registered stage counts of itself, over all jobs, for /metrics.
 *
 *	stage_count(meter, "child_died", 1) ──► leat_stage_events_total{stage,event}
 *	stage_level(meter, "children", -1)  ──► leat_stage_level{stage,what}
 *
 * Names are the stage's own and so not to be trusted: METER_NAMES_MAX of them, short and of
 * letters; what goes beyond is counted as "other". A host process (hosted.h) has a meter too,
 * and tells the server what it has counted, batch by batch; levels, which would outlive it,
 * it keeps.
 *
 * Thread: any. Lock order: anything, then this one.
 */
#ifndef LEAT_ENGINE_METER_H
#define LEAT_ENGINE_METER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "stages/stage.h"

#define METER_NAMES_MAX 32
#define METER_NAME_SIZE 32

struct meter_row {
	char name[METER_NAME_SIZE];
	bool level;     /* goes up and down; an int64_t */
	uint64_t value; /* since the start */
	uint64_t told;  /* of that, what meter_tell() has passed on */
};

struct stage_meter {
	pthread_mutex_t lock;
	unsigned count;
	struct meter_row rows[METER_NAMES_MAX + 2]; /* with an "other" of each kind */
};

void meter_init(struct stage_meter *meter);
void meter_done(struct stage_meter *meter);
/* A copy of the rows; returns how many. */
unsigned meter_read(
	struct stage_meter *meter, struct meter_row ret[static METER_NAMES_MAX + 2]);

/* What has been counted since the last time: `tell` is called for each event, lock held. */
void meter_tell(struct stage_meter *meter, void (*tell)(const char *event, uint64_t n));
/* An event and its number as tell() was given them, with a space between; garbage is nothing.
 */
void meter_hear(struct stage_meter *meter, const char *text);

#endif
