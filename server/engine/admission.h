/*
 * admission: what all jobs together may have, and whether there is room for one more.
 *
 *	POST /v1/jobs ─► admission_take ─► stages opened, first commit ─► in the table of jobs
 *	                        └──────────── admission_drop ────────────────────┘
 *
 * A job is counted from the moment on that it is asked for. Bounds: `jobs-max`, of one owner
 * `jobs-per-token`, workers of all their stages `workers-max`.
 *
 * Thread: loop.
 */
#ifndef LEAT_ENGINE_ADMISSION_H
#define LEAT_ENGINE_ADMISSION_H

#include <jansson.h>

#include "base/error.h"
#include "base/list.h"
#include "job/definition.h"

struct engine;
struct job;

/* A job that is not in the table yet. */
struct admission {
	struct list link;
	const char *owner; /* borrowed */
	uint64_t workers;
};

/* ERR_BUSY, ERR_TOO_MANY_JOBS. `owner`: "" is nobody. */
int admission_take(struct engine *engine, const struct definition *definition,
	const char *owner, struct admission *ret, struct error *err);
void admission_drop(struct admission *admission);

/* The job came to live, or has new numbers of workers; or it is done. */
void admission_count(struct job *job, bool live);
/* Workers of all jobs that are not done, those being made included. */
uint64_t admission_workers(const struct engine *engine);
/* Would this change of a job ask for too many? ERR_BUSY. */
int admission_patch(const struct job *job, const json_t *patch, struct error *err);

#endif
