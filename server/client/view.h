/*
 * view: jobs, as text for a person: a page for one, a table for many, a line for a log.
 *
 * It draws what the API says (docs/api.md, "Look at a job") and takes anything that is not
 * there for nothing, so that it also draws what an older or newer server says.
 *
 * Thread: one.
 */
#ifndef LEAT_CLIENT_VIEW_H
#define LEAT_CLIENT_VIEW_H

#include <jansson.h>

#include "client/page.h"

struct view_style {
	unsigned columns;
	bool blocks; /* the terminal has U+2588 */
	bool color;
};

/* A page of one job: its state, its counts, a row for each stage. */
void view_job(struct page *page, const json_t *job, const struct view_style *style);
/* A table of jobs, with a heading; `now_ms` of the wall clock, for their age. */
void view_jobs(
	struct page *page, const json_t *jobs, uint64_t now_ms, const struct view_style *style);
/* One line, without its end: "running 50.0 % 100,000 of 200,000 41,230/s 3 failed". */
void view_line(struct page *page, const json_t *job);

/* Members by name, through objects: number(job, "counts", "failed"); what is none is 0. */
double view_number(const json_t *object, const char *member, const char *inner);
/* "" where there is none. */
const char *view_string(const json_t *object, const char *member);
bool view_is_null(const json_t *object, const char *member);

/* Milliseconds since 1970 of "2026-11-22T16:09:00.123Z"; 0 for what is no such text. */
uint64_t view_time_ms(const char *text);

#endif
