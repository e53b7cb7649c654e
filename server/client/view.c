#include "client/view.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json_text.h"
#include "base/mem.h"
#include "client/shown.h"

#define BAR_COLUMNS  20
#define BUSY_COLUMNS 10
#define STAGE_MIN    8
#define STAGE_MAX    24
#define WIDE_COLUMNS 110
#define ID_COLUMNS   28
#define ID_SHORT     16

/* ---- members ---- */

double view_number(const json_t *object, const char *member, const char *inner)
{
	const json_t *value = json_object_get(object, member);

	if (inner != NULL)
		value = json_object_get(value, inner);
	return json_is_number(value) ? json_number_value(value) : 0;
}

const char *view_string(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text != NULL ? text : "";
}

bool view_is_null(const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);

	return value == NULL || json_is_null(value);
}

uint64_t view_time_ms(const char *text)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	unsigned ms = 0;

	if (rest == NULL)
		return 0;
	sscanf(rest, ".%3u", &ms);
	return (uint64_t)timegm(&tm) * 1000 + ms;
}

static uint64_t count_of(const json_t *job, const char *member)
{
	double value = view_number(job, "counts", member);

	return value > 0 ? (uint64_t)value : 0;
}

static uint64_t done_of(const json_t *job)
{
	return count_of(job, "succeeded") + count_of(job, "filtered") +
	       count_of(job, "failed") + count_of(job, "cancelled");
}

static const char *style_of_state(const char *state)
{
	static const struct {
		const char *state, *style;
	} styles[] = { { "succeeded", "32" }, { "running", "36" }, { "finishing", "36" },
		{ "paused", "33" }, { "failed", "1;31" }, { "cancelled", "35" } };

	for (size_t i = 0; i < ARRAY_SIZE(styles); i++)
		if (strcmp(styles[i].state, state) == 0)
			return styles[i].style;
	return "1";
}

/* ---- one job ---- */

static void put_head(struct page *page, const json_t *job)
{
	const char *name = view_string(job, "name"), *state = view_string(job, "state");

	page_style(page, "1");
	if (*name != '\0') {
		page_text(page, name);
		page_put(page, "  ");
	}
	page_text(page, view_string(job, "id"));
	page_style(page, NULL);
	page_put(page, "  ");
	page_style(page, style_of_state(state));
	page_text(page, state);
	page_style(page, NULL);
	page_line(page);
}

static void put_labels(struct page *page, const json_t *job)
{
	const json_t *labels = json_object_get(job, "labels"), *value;
	const char *key;

	if (json_object_size(labels) == 0)
		return;
	page_put(page, "labels");
	json_object_foreach((json_t *)labels, key, value)
	{
		page_put(page, "  ");
		page_text(page, key);
		page_put(page, "=");
		page_text(page, json_is_string(value) ? json_string_value(value) : "?");
	}
	page_line(page);
}

/* "100,000 of 200,000", or what has come so far. */
static void put_items(struct page *page, const json_t *job)
{
	char done[SHOWN_SIZE], total[SHOWN_SIZE];
	bool closed = !view_is_null(json_object_get(job, "counts"), "total");

	shown_count(done_of(job), done);
	shown_count((uint64_t)view_number(job, "input", "received"), total);
	page_put(page, "%s of %s%s", done, total, closed ? "" : " so far");
}

static void put_speed(struct page *page, const json_t *job)
{
	char rate[SHOWN_SIZE], eta[SHOWN_SIZE];

	if (json_is_true(json_object_get(job, "done")))
		return;
	shown_rate(view_number(job, "rate", "items_per_s"), rate);
	page_put(page, "   %s/s", rate);
	if (view_is_null(job, "eta_s"))
		return;
	shown_duration(view_number(job, "eta_s", NULL), eta);
	page_put(page, "   %s left", eta);
}

static void put_progress(struct page *page, const json_t *job, const struct view_style *style)
{
	double share = view_number(job, "progress", NULL);

	if (!view_is_null(job, "progress")) {
		page_put(page, "[");
		page_bar(page, share, BAR_COLUMNS, style->blocks);
		/* 99.96 is not 100. */
		page_put(page, "] %5.1f %%   ", share >= 1 ? 100.0 : MIN(share * 100, 99.9));
	}
	put_items(page, job);
	put_speed(page, job);
	page_line(page);
}

static void put_count(struct page *page, const json_t *job, const char *member,
	const char *word, const char *style)
{
	uint64_t value = count_of(job, member);
	char text[SHOWN_SIZE];

	if (value == 0)
		return;
	shown_count(value, text);
	if (page->used > 0)
		page_put(page, "   ");
	if (style != NULL)
		page_style(page, style);
	page_put(page, "%s %s", text, word);
	if (style != NULL)
		page_style(page, NULL);
}

static void put_counts(struct page *page, const json_t *job)
{
	put_count(page, job, "succeeded", "succeeded", NULL);
	put_count(page, job, "filtered", "filtered", NULL);
	put_count(page, job, "failed", "failed", "31");
	put_count(page, job, "cancelled", "cancelled", NULL);
	put_count(page, job, "pending", "waiting", NULL);
	put_count(page, job, "running", "in hand", NULL);
	put_count(page, job, "retries", "retries", NULL);
	put_count(page, job, "results", "results", NULL);
	if (page->used > 0)
		page_line(page);
}

/* ---- its stages ---- */

static unsigned name_columns(const json_t *stages)
{
	unsigned widest = STAGE_MIN;
	const json_t *stage;
	size_t i;

	json_array_foreach(stages, i, stage)
	{
		widest = MAX(widest, shown_columns(view_string(stage, "name")));
	}
	return MIN(widest, (unsigned)STAGE_MAX);
}

static double queue_share(const json_t *queue)
{
	double items = view_number(queue, "max_items", NULL);
	double bytes = view_number(queue, "max_bytes", NULL);

	return MAX(items > 0 ? view_number(queue, "items", NULL) / items : 0,
		bytes > 0 ? view_number(queue, "bytes", NULL) / bytes : 0);
}

static void put_latency(struct page *page, double us, unsigned columns)
{
	char text[SHOWN_SIZE];

	if (us <= 0)
		snprintf(text, sizeof(text), "-");
	else if (us < 1)
		snprintf(text, sizeof(text), "<1 µs");
	else if (us < 1000)
		snprintf(text, sizeof(text), "%.0f µs", us);
	else if (us < 1e6)
		snprintf(text, sizeof(text), "%.1f ms", us / 1e3);
	else
		shown_duration(us / 1e6, text);
	page_right(page, text, columns);
}

static void put_right(struct page *page, double value, unsigned columns)
{
	char text[SHOWN_SIZE];

	shown_count((uint64_t)MAX(value, 0.0), text);
	page_right(page, text, columns);
}

static void put_workers(struct page *page, const json_t *stage, const struct view_style *style)
{
	char workers[SHOWN_SIZE];

	snprintf(workers, sizeof(workers), "%.0f/%.0f", view_number(stage, "busy", NULL),
		view_number(stage, "workers", NULL));
	page_right(page, workers, 11);
}

static void put_busy(struct page *page, const json_t *stage, const struct view_style *style)
{
	double busy = view_number(stage, "time", "busy");

	page_put(page, "  ");
	page_style(page, "36");
	page_bar(page, busy, BUSY_COLUMNS, style->blocks);
	page_style(page, NULL);
	page_put(page, " %3.0f %%", busy * 100);
}

static void put_queue(struct page *page, const json_t *stage, const struct view_style *style)
{
	const json_t *queue = json_object_get(stage, "queue");
	double full = queue_share(queue);

	page_put(page, "  ");
	page_style(page, full >= 0.9 ? "33" : "34");
	page_bar(page, full, BUSY_COLUMNS, style->blocks);
	page_style(page, NULL);
	put_right(page, view_number(queue, "items", NULL), 8);
}

static void put_out(struct page *page, const json_t *stage, const struct view_style *style)
{
	put_right(page, view_number(stage, "out", NULL), 13);
}

static void put_failed(struct page *page, const json_t *stage, const struct view_style *style)
{
	put_right(page, view_number(stage, "failed", NULL), 9);
}

static void put_p50(struct page *page, const json_t *stage, const struct view_style *style)
{
	put_latency(page, view_number(stage, "latency_us", "p50"), 10);
}

static void put_p99(struct page *page, const json_t *stage, const struct view_style *style)
{
	put_latency(page, view_number(stage, "latency_us", "p99"), 10);
}

/* Behind the name, left to right; a narrow screen has the first ones, each of them whole. */
static const struct {
	const char *heading;
	unsigned columns;
	void (*put)(struct page *page, const json_t *stage, const struct view_style *style);
} stage_columns[] = {
	{ "    WORKERS", 11, put_workers },
	{ "  BUSY           ", 17, put_busy },
	{ "  QUEUE             ", 20, put_queue },
	{ "          OUT", 13, put_out },
	{ "   FAILED", 9, put_failed },
	{ "       P50", 10, put_p50 },
	{ "       P99", 10, put_p99 },
};

static bool fits(const struct page *page, size_t column)
{
	return column < ARRAY_SIZE(stage_columns) &&
	       page->columns - page->used >= stage_columns[column].columns;
}

static void put_stage(struct page *page, const json_t *job, const json_t *stage,
	unsigned columns, const struct view_style *style)
{
	const char *name = view_string(stage, "name");
	bool narrowest = strcmp(view_string(job, "bottleneck"), name) == 0;

	page_style(page, narrowest ? "1;33" : "1");
	page_put(page, narrowest ? "> " : "  ");
	page_cell(page, name, columns);
	page_style(page, NULL);
	for (size_t i = 0; fits(page, i); i++)
		stage_columns[i].put(page, stage, style);
	page_line(page);
}

static void put_stages(struct page *page, const json_t *job, const struct view_style *style)
{
	const json_t *stages = json_object_get(job, "stages"), *stage;
	unsigned columns = name_columns(stages);
	size_t i;

	page_line(page);
	page_style(page, "2");
	page_put(page, "  ");
	page_cell(page, "STAGE", columns);
	for (i = 0; fits(page, i); i++)
		page_put(page, "%s", stage_columns[i].heading);
	page_style(page, NULL);
	page_line(page);
	json_array_foreach(stages, i, stage)
	{
		put_stage(page, job, stage, columns, style);
	}
}

/* ---- what there is to say besides ---- */

static void put_said(
	struct page *page, const char *word, const json_t *value, const char *style)
{
	_auto_free_ char *text = NULL;

	if (value == NULL || json_is_null(value))
		return;
	if (!json_is_string(value))
		text = json_text(
			value, JSON_ENCODE_ANY | JSON_COMPACT | json_text_reals(value));
	page_style(page, style);
	page_put(page, "%s ", word);
	page_style(page, NULL);
	page_text(page, json_is_string(value) ? json_string_value(value)
			: text != NULL        ? text
					      : "?");
	page_line(page);
}

static void put_error(struct page *page, const json_t *error)
{
	const char *detail = view_string(error, "detail");

	if (!json_is_object(error))
		return;
	page_style(page, "1;31");
	page_put(page, "error ");
	page_style(page, NULL);
	page_text(page, *detail != '\0' ? detail : view_string(error, "title"));
	page_line(page);
}

void view_job(struct page *page, const json_t *job, const struct view_style *style)
{
	put_head(page, job);
	put_labels(page, job);
	put_progress(page, job, style);
	put_counts(page, job);
	put_stages(page, job, style);
	if (!view_is_null(job, "bottleneck") || !view_is_null(job, "stalled") ||
		!view_is_null(job, "error") || !view_is_null(job, "report"))
		page_line(page);
	put_said(page, "bottleneck", json_object_get(job, "bottleneck"), "1;33");
	put_said(page, "stalled", json_object_get(job, "stalled"), "1;31");
	put_error(page, json_object_get(job, "error"));
	put_said(page, "report", json_object_get(job, "report"), "1");
}

void view_line(struct page *page, const json_t *job)
{
	char failed[SHOWN_SIZE];

	page_text(page, view_string(job, "state"));
	page_put(page, "  ");
	if (!view_is_null(job, "progress"))
		page_put(page, "%.1f %%  ",
			MIN(view_number(job, "progress", NULL) * 100, 100.0));
	put_items(page, job);
	put_speed(page, job);
	if (count_of(job, "failed") == 0)
		return;
	shown_count(count_of(job, "failed"), failed);
	page_put(page, "   %s failed", failed);
}

/* ---- many jobs ---- */

static void put_age(struct page *page, const json_t *job, uint64_t now_ms)
{
	uint64_t created_ms = view_time_ms(view_string(job, "created_at"));
	char text[SHOWN_SIZE];

	shown_duration(now_ms > created_ms ? (double)(now_ms - created_ms) / 1e3 : 0, text);
	page_right(page, text, 13);
}

static void put_row(struct page *page, const json_t *job, uint64_t now_ms, bool wide)
{
	unsigned id_columns = wide ? ID_COLUMNS : ID_SHORT;
	const char *state = view_string(job, "state");
	char text[SHOWN_SIZE], id[ID_COLUMNS + 1];

	snprintf(id, sizeof(id), "%.*s", (int)id_columns, view_string(job, "id"));
	page_cell(page, id, id_columns);
	page_put(page, "  ");
	page_style(page, style_of_state(state));
	page_cell(page, state, 9);
	page_style(page, NULL);
	put_right(page, view_number(job, "input", "received"), 12);
	if (view_is_null(job, "progress"))
		snprintf(text, sizeof(text), "-");
	else
		snprintf(text, sizeof(text), "%.0f %%",
			(double)(int)(view_number(job, "progress", NULL) * 100));
	page_right(page, text, 7);
	shown_rate(view_number(job, "rate", "items_per_s"), text);
	page_right(page, text, 9);
	put_right(page, view_number(job, "counts", "failed"), 8);
	if (wide)
		put_age(page, job, now_ms);
	page_put(page, "  ");
	page_text(page, view_string(job, "name"));
	page_line(page);
}

void view_jobs(
	struct page *page, const json_t *jobs, uint64_t now_ms, const struct view_style *style)
{
	bool wide = style->columns >= WIDE_COLUMNS;
	const json_t *job;
	size_t i;

	page_style(page, "2");
	page_cell(page, "ID", wide ? ID_COLUMNS : ID_SHORT);
	page_put(page, "  STATE           ITEMS   DONE   ITEMS/S  FAILED%s  NAME",
		wide ? "          AGE" : "");
	page_style(page, NULL);
	page_line(page);
	json_array_foreach(jobs, i, job)
	{
		put_row(page, job, now_ms, wide);
	}
}
