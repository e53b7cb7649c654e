#include "http/results.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/negotiate.h"
#include "http/outlet.h"
#include "http/sse.h"

#define PAGE_LIMIT       100 /* of a JSON page, where none was asked for */
#define FAILURES_AT_ONCE ((size_t)4 << 20)

struct results {
	struct outlet outlet;
	struct request *request;
	uint64_t wait_ms, limit;
	uint64_t last_ns; /* when something was sent, for the comments */
	bool limited, waited, replied;
};

static const enum render_form forms[] = { RENDER_LINES, RENDER_PAGE, RENDER_EVENTS,
	RENDER_CSV };
static const char *const offers[] = { "application/x-ndjson", "application/json",
	"text/event-stream", "text/csv", NULL };
static const char *const failure_offers[] = { "application/x-ndjson", "application/json",
	"text/event-stream", NULL };

/* ---- the Link header ---- */

/* The query as it came, without `after`. */
static int copy_query(const char *search, struct buf *to)
{
	for (const char *at = search, *end; at != NULL && *at != '\0'; at = end) {
		end = strchrnul(at, '&');
		if (end > at && strncmp(at, "after=", 6) != 0 &&
			(buf_append(to, at, (size_t)(end - at)) < 0 ||
				buf_append(to, "&", 1) < 0))
			return -1;
		end += *end == '&';
	}
	return 0;
}

static void set_link(struct results *results, uint64_t next)
{
	const struct request *request = results->request;
	char cursor[CURSOR_TEXT_SIZE] = "";
	struct buf link = BUF_INIT;

	if (next > 0)
		cursor_format(results->outlet.render.job, results->outlet.render.log, next - 1,
			cursor);
	if (buf_printf(&link, "<%s?", request->target) == 0 &&
		copy_query(request->search, &link) == 0) {
		if (next == 0)
			link.len--; /* nothing read, nothing given: the same address again */
		if (buf_printf(&link, "%s%s>; rel=\"next\"", next > 0 ? "after=" : "",
			    cursor) == 0 &&
			buf_append(&link, "", 1) == 0)
			request_set_header(results->request, "Link", link.data);
	}
	buf_done(&link);
}

/* Where the page after this one begins is known before this one is sent. */
static void set_next(struct results *results)
{
	struct outlet *outlet = &results->outlet;
	uint64_t next = reader_next(outlet->reader);
	bool done;

	if (!results->limited || outlet->follow)
		return;
	if (outlet->render.log == LEDGER_RESULTS) {
		/* Their numbers have no gaps, and left is exact. */
		next += outlet->left;
	} else {
		/* What did not fit into the first page stands on the next one. */
		outlet->left = 0;
	}
	done = job_is_done(outlet->render.job);
	if (!done || next < (outlet->render.log == LEDGER_RESULTS
					    ? job_record(outlet->render.job)->results
					    : job_record(outlet->render.job)->next_failure))
		set_link(results, next);
}

/* ---- when to reply ---- */

static void reply(struct results *results)
{
	struct request *request = results->request;

	results->replied = true;
	results->last_ns = clock_mono_ns();
	request_stop_timer(request);
	if (results->outlet.failed) {
		request_reply_problem(request, &results->outlet.err, NULL);
		return;
	}
	request_reply_stream(request, 200, render_type(&results->outlet.render));
	if (results->outlet.render.form == RENDER_CSV)
		request_set_header(request, "Trailer", LEFT_OUT);
	set_next(results);
	if (results->outlet.render.form == RENDER_EVENTS)
		request_set_header(request, "Cache-Control", "no-store");
}

static void on_wake(void *arg)
{
	struct results *results = arg;
	struct outlet *outlet = &results->outlet;

	if (results->replied) {
		request_go_on(results->request);
		return;
	}
	if (!outlet_is_started(outlet))
		return;
	if (results->wait_ms > 0 && !results->waited && !outlet->failed && !outlet->over &&
		!outlet_has_values(outlet) && !outlet_is_at_end(outlet))
		return; /* an event or the timer comes */
	reply(results);
}

static void on_waited(struct request *request)
{
	struct results *results = request->state;

	results->waited = true;
	on_wake(results);
}

/* ---- the request ---- */

static int find_start(struct request *request, struct job *job, enum ledger_log log,
	enum render_form form, uint64_t *ret_next, struct error *err)
{
	const char *cursor = query_text(&request->query, "after");
	const char *last = request_header(request, "Last-Event-ID");

	if (form == RENDER_EVENTS && last != NULL)
		cursor = last;
	*ret_next = 0;
	return cursor == NULL ? 0 : cursor_parse(job, log, cursor, ret_next, err);
}

static int pick_form(
	struct request *request, enum ledger_log log, enum render_form *ret, struct error *err)
{
	const char *accept = request_header(request, "Accept");
	bool results = log == LEDGER_RESULTS;
	int pick = accept_pick(accept, results ? offers : failure_offers);

	if (pick < 0)
		return error_set(err, ERR_NOT_ACCEPTABLE,
			"'%.80s' is not to be had; there is %s, %s%s %s%s%s", accept, offers[0],
			offers[1], results ? "," : " and", offers[2], results ? " and " : "",
			results ? offers[3] : "");
	*ret = forms[pick];
	return 0;
}

/* ---- CSV ---- */

static int refuse(
	struct mistakes *mistakes, const char *name, const char *why, struct error *err)
{
	mistakes_add(mistakes, name, "%s", why);
	return error_set(err, ERR_BAD_QUERY, "%s: %s", name, why);
}

int results_sheet(struct request *request, bool csv, struct sheet *ret,
	struct mistakes *mistakes, struct error *err)
{
	const struct query *query = &request->query;
	const char *fields = query_text(query, "fields");
	struct error why;

	if (!csv && fields != NULL)
		return refuse(mistakes, "fields", "is for Accept: text/csv only", err);
	if (!csv && query_text(query, "guard") != NULL)
		return refuse(mistakes, "guard", "is for Accept: text/csv only", err);
	ret->header = !media_has_param(
		request_header(request, "Accept"), "text/csv", "header", "absent");
	ret->guard = query_bool(query, "guard", false);
	if (fields == NULL || sheet_columns(ret, fields, &why) == 0)
		return 0;
	sheet_done(ret);
	if (why.code == ERR_BAD_QUERY)
		return refuse(mistakes, "fields", why.text, err);
	*err = why;
	return -1;
}

void results_say_left_out(struct request *request, const struct sheet *sheet)
{
	char count[24];

	snprintf(count, sizeof(count), "%llu", (unsigned long long)sheet->left_out);
	request_set_trailer(request, LEFT_OUT, count);
}

static int check_csv(struct results *results, struct mistakes *mistakes, struct error *err)
{
	struct render *render = &results->outlet.render;
	bool csv = render->form == RENDER_CSV;

	if (csv && render->envelope)
		return refuse(mistakes, "envelope", "is not to be had as CSV", err);
	return results_sheet(results->request, csv, &render->sheet, mistakes, err);
}

static void read_query(struct results *results, enum render_form form)
{
	const struct query *query = &results->request->query;

	results->limited = query_text(query, "limit") != NULL;
	results->outlet.limit =
		query_uint(query, "limit", form == RENDER_PAGE ? PAGE_LIMIT : UINT64_MAX);
	results->outlet.follow = query_bool(query, "follow", form == RENDER_EVENTS) &&
				 !request_is_last(results->request);
	results->outlet.render.envelope = query_bool(query, "envelope", false);
	results->wait_ms = request_is_last(results->request) || results->outlet.follow
				   ? 0
				   : query_uint(query, "wait_ms", 0);
}

/* Who may stay for long is counted. */
static int stay(struct results *results, struct error *err)
{
	if (!results->outlet.follow && results->wait_ms == 0)
		return 0;
	return follow_begin(results->request,
		results->outlet.render.form == RENDER_EVENTS ? FOLLOWS_EVENTS : FOLLOWS_WAITING,
		err);
}

static int open_results(struct request *request, struct job *job, enum ledger_log log,
	struct mistakes *mistakes, struct error *err)
{
	struct results *results;
	enum render_form form = RENDER_LINES;
	uint64_t next = 0;

	if (pick_form(request, log, &form, err) < 0 ||
		find_start(request, job, log, form, &next, err) < 0)
		return -1;
	results = mem_zalloc(sizeof(*results));
	if (results == NULL)
		return error_no_memory(err);
	results->request = request;
	results->outlet.render = (struct render){ .job = job, .log = log, .form = form };
	results->outlet.wake = on_wake;
	results->outlet.arg = results;
	read_query(results, form);
	if (check_csv(results, mistakes, err) < 0 || stay(results, err) < 0 ||
		outlet_open(&results->outlet, next, err) < 0) {
		render_done(&results->outlet.render);
		mem_free(results);
		return -1;
	}
	request->state = results;
	return 0;
}

/* A browser comes back when a stream ends; 204 tells it that there is no more. */
static bool has_seen_the_end(struct request *request, const struct results *results)
{
	return results->outlet.render.form == RENDER_EVENTS && results->outlet.follow &&
	       request_header(request, "Last-Event-ID") != NULL &&
	       outlet_is_at_end(&results->outlet);
}

static void start(struct request *request, struct job *job, enum ledger_log log)
{
	struct results *results;
	struct mistakes mistakes;
	struct error err;
	int opened;

	mistakes_init(&mistakes);
	opened = open_results(request, job, log, &mistakes, &err);
	if (opened < 0)
		request_reply_problem(request, &err, &mistakes);
	mistakes_done(&mistakes);
	if (opened < 0)
		return;
	results = request->state;
	if (has_seen_the_end(request, results)) {
		request_reply_empty(request, 204);
		return;
	}
	if (results->limited && log == LEDGER_FAILURES)
		results->outlet.page_bytes = FAILURES_AT_ONCE;
	if (results->outlet.follow)
		reply(results);
	else if (results->wait_ms > 0)
		request_set_timer(request, results->wait_ms, on_waited);
	outlet_start(&results->outlet);
}

static void start_results(struct request *request, struct job *job)
{
	start(request, job, LEDGER_RESULTS);
}

static void start_failures(struct request *request, struct job *job)
{
	start(request, job, LEDGER_FAILURES);
}

static void results_finish(struct request *request)
{
	request_with_job(request, start_results);
}

static void failures_finish(struct request *request)
{
	request_with_job(request, start_failures);
}

static ssize_t results_pull(struct request *request, char *to, size_t max)
{
	struct results *results = request->state;
	ssize_t len = outlet_read(&results->outlet, to, max);

	if (len > 0)
		results->last_ns = clock_mono_ns();
	if (len == READ_END && results->outlet.render.form == RENDER_CSV)
		results_say_left_out(request, &results->outlet.render.sheet);
	return len;
}

static void results_tick(struct request *request, uint64_t now_ns)
{
	struct results *results = request->state;

	if (results != NULL && results->replied &&
		results->outlet.render.form == RENDER_EVENTS &&
		sse_comment_due(request, now_ns, &results->last_ns))
		outlet_comment(&results->outlet, SSE_COMMENT);
}

static void results_quiesce(struct request *request)
{
	struct results *results = request->state;

	if (results != NULL)
		outlet_finish(&results->outlet);
}

static void results_end(struct request *request)
{
	struct results *results = request->state;

	if (results == NULL)
		return;
	outlet_close(&results->outlet);
	mem_free(results);
}

const struct endpoint results_read = {
	.finish = results_finish,
	.read = results_pull,
	.tick = results_tick,
	.quiesce = results_quiesce,
	.end = results_end,
};

const struct endpoint failures_read = {
	.finish = failures_finish,
	.read = results_pull,
	.tick = results_tick,
	.quiesce = results_quiesce,
	.end = results_end,
};
