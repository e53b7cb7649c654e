#include "engine/meter.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/ctx.h"
#include "engine/hosted.h"
#include "engine/totals.h"

#define OTHER "other"

void meter_init(struct stage_meter *meter)
{
	*meter = (struct stage_meter){ 0 };
	pthread_mutex_init(&meter->lock, NULL);
}

void meter_done(struct stage_meter *meter)
{
	pthread_mutex_destroy(&meter->lock);
}

/* What Prometheus' users expect to see as a label. */
static bool is_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return len > 0 && len < METER_NAME_SIZE && name[len] == '\0';
}

static struct meter_row *find(struct stage_meter *meter, bool level, const char *name)
{
	for (unsigned at = 0; at < meter->count; at++)
		if (meter->rows[at].level == level && strcmp(meter->rows[at].name, name) == 0)
			return &meter->rows[at];
	return NULL;
}

static struct meter_row *find_or_add(struct stage_meter *meter, bool level, const char *name)
{
	struct meter_row *row;

	if (!is_name(name))
		name = OTHER;
	row = find(meter, level, name);
	if (row == NULL && meter->count >= METER_NAMES_MAX) {
		name = OTHER;
		row = find(meter, level, name);
	}
	if (row != NULL)
		return row;
	row = &meter->rows[meter->count++];
	row->level = level;
	snprintf(row->name, sizeof(row->name), "%s", name);
	return row;
}

/* Wraps round, as counters of Prometheus may. */
static void add(struct stage_meter *meter, bool level, const char *name, uint64_t by)
{
	struct meter_row *row;

	if (meter == NULL || by == 0)
		return;
	pthread_mutex_lock(&meter->lock);
	row = find_or_add(meter, level, name);
	row->value += by;
	pthread_mutex_unlock(&meter->lock);
}

unsigned meter_read(struct stage_meter *meter, struct meter_row ret[static METER_NAMES_MAX + 2])
{
	unsigned count;

	pthread_mutex_lock(&meter->lock);
	count = meter->count;
	memcpy(ret, meter->rows, count * sizeof(ret[0]));
	pthread_mutex_unlock(&meter->lock);
	return count;
}

void meter_tell(struct stage_meter *meter, void (*tell)(const char *event, uint64_t n))
{
	pthread_mutex_lock(&meter->lock);
	for (unsigned at = 0; at < meter->count; at++) {
		struct meter_row *row = &meter->rows[at];

		if (!row->level && row->value != row->told)
			tell(row->name, row->value - row->told);
		row->told = row->value;
	}
	pthread_mutex_unlock(&meter->lock);
}

void meter_hear(struct stage_meter *meter, const char *text)
{
	char event[METER_NAME_SIZE];
	unsigned long long n;

	if (sscanf(text, "%31[a-z0-9_] %llu", event, &n) == 2)
		add(meter, false, event, n);
}

/* ---- what stages call ---- */

struct stage_meter *stage_meter(struct stage_ctx *ctx)
{
	const struct stage_run *run = ctx->run;

	if (run == NULL) /* of no job: in `configure` */
		return NULL;
	if (run->hosted != NULL)
		return run->hosted->meter;
	return run->totals == NULL ? NULL : run->totals->meter;
}

void stage_count(struct stage_meter *meter, const char *event, uint64_t n)
{
	add(meter, false, event, n);
}

void stage_level(struct stage_meter *meter, const char *what, int64_t by)
{
	add(meter, true, what, (uint64_t)by);
}
