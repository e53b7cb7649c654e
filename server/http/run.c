#include "http/run.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "http/intake.h"
#include "http/internal.h"
#include "http/items.h"
#include "http/jobs.h"
#include "http/negotiate.h"
#include "http/outlet.h"
#include "http/results.h"

struct run {
	struct request *request;
	struct job *job;           /* a reference; NULL until it is made */
	struct intake_options how; /* its shape */
	struct intake intake;
	struct outlet outlet;
	struct job_watch watch; /* fail_fast: for the first failure */
	struct reader *failure; /* which is being read */
	uint64_t trimmed;       /* results before this one may go */
	bool taking, sending;   /* intake, outlet are open */
	bool watching, fail_fast, sent;
};

/* ---- fail_fast ---- */

static json_t *name_failure(const struct run *run, const struct failure_view *view)
{
	const struct definition *definition = job_definition(run->job);

	return json_pack("{s:I, s:s}", "item", (json_int_t)view->head.item, "stage",
		view->head.stage < definition->stage_count
			? definition->stages[view->head.stage].name
			: "");
}

static void reply_failure(struct run *run, const struct page *page)
{
	const struct page_run *first = &page->runs[0];
	struct failure_view view;
	struct error err;

	if (failure_view(page->bytes.data + first->at, first->len, &view, &err) == 0) {
		error_set(&err, ERR_ITEM_FAILED, "item %llu: %.*s",
			(unsigned long long)view.head.item, (int)view.head.error_len,
			view.error);
		request_reply_problem_with(run->request, &err, name_failure(run, &view));
	} else {
		request_reply_problem(run->request, &err, NULL);
	}
}

static void on_failure(void *arg, const struct page *page, const struct error *err)
{
	struct run *run = arg;

	if (err != NULL)
		request_reply_problem(run->request, err, NULL);
	else if (page->count > 0)
		reply_failure(run, page);
}

static void read_failure(struct run *run)
{
	struct error err;

	if (run->failure != NULL)
		return;
	if (reader_open(run->job, LEDGER_FAILURES, 0, &run->failure, &err) < 0 ||
		reader_fetch(run->failure, 1, 1, on_failure, run, &err) < 0)
		request_reply_problem(run->request, &err, NULL);
}

static bool has_failed(const struct run *run)
{
	return run->fail_fast && job_record(run->job)->failed > 0;
}

static void on_event(struct job_watch *watch, struct job *job, unsigned events)
{
	struct run *run = CONTAINER_OF(watch, struct run, watch);

	if (!has_failed(run))
		return;
	if (run->request->response == NULL)
		read_failure(run);
	else
		request_cut(run->request);
}

static void watch_failures(struct run *run)
{
	run->watch.fn = on_event;
	job_watch(run->job, &run->watch);
	run->watching = true;
}

/* ---- results ---- */

static void begin_reply(struct run *run)
{
	struct request *request = run->request;

	const bool csv = run->outlet.render.form == RENDER_CSV;

	request_reply_stream(request, 200, render_type(&run->outlet.render));
	request_set_header(request, "Leat-Job", job_id_text(run->job));
	request_set_header(request, "Trailer",
		csv ? "Leat-Results, Leat-Failures, " LEFT_OUT : "Leat-Results, Leat-Failures");
	request_set_header(request, "Cache-Control", "no-store");
}

static void on_wake(void *arg)
{
	struct run *run = arg;

	if (run->request->response != NULL)
		request_go_on(run->request);
	else if (has_failed(run))
		read_failure(run);
	else if (run->outlet.failed)
		request_reply_problem(run->request, &run->outlet.err, NULL);
	else if (!run->fail_fast || outlet_has_values(&run->outlet) ||
		 outlet_is_at_end(&run->outlet) || run->outlet.over)
		begin_reply(run);
}

static void start_results(struct run *run)
{
	struct outlet *outlet = &run->outlet;
	struct error err;

	outlet->render.job = run->job;
	outlet->render.log = LEDGER_RESULTS;
	outlet->follow = true;
	outlet->limit = UINT64_MAX;
	outlet->wake = on_wake;
	outlet->arg = run;
	if (outlet_open(outlet, 0, &err) < 0) {
		request_reply_problem(run->request, &err, NULL);
		return;
	}
	run->sending = true;
	if (!run->fail_fast)
		begin_reply(run);
	outlet_start(outlet);
}

static void set_trailers(struct run *run)
{
	const struct job_record *record = job_record(run->job);
	char count[24];

	snprintf(count, sizeof(count), "%llu", (unsigned long long)record->results);
	request_set_trailer(run->request, "Leat-Results", count);
	snprintf(count, sizeof(count), "%llu", (unsigned long long)record->failed);
	request_set_trailer(run->request, "Leat-Failures", count);
	if (run->outlet.render.form == RENDER_CSV)
		results_say_left_out(run->request, &run->outlet.render.sheet);
}

/* What was read will not be asked for again. */
static void trim(struct run *run)
{
	uint64_t next = reader_next(run->outlet.reader);
	struct error err;

	if (outlet_has_values(&run->outlet) || next == run->trimmed)
		return;
	if (job_trim_results(run->job, next, &err) == 0)
		run->trimmed = next;
}

/* A reply that ends properly is the whole: everything else must look cut. */
static ssize_t run_read(struct request *request, char *to, size_t max)
{
	struct run *run = request->state;
	ssize_t len;

	if (has_failed(run))
		return READ_CUT;
	len = outlet_read(&run->outlet, to, max);
	if (len > 0)
		trim(run);
	if (len != READ_END)
		return len;
	if (job_state(run->job) != JOB_SUCCEEDED)
		return READ_CUT;
	set_trailers(run);
	return READ_END;
}

/* ---- items ---- */

static void on_full(void *arg)
{
}

static void on_room(void *arg)
{
	struct run *run = arg;

	request_go_on(run->request);
}

static void on_over(void *arg, const struct error *err)
{
	struct run *run = arg;

	if (err != NULL)
		request_reply_problem(run->request, err, NULL);
	else
		start_results(run);
}

static int open_intake(struct run *run, struct error *err)
{
	struct request *request = run->request;
	const char *on_invalid = query_text(&request->query, "on_invalid");
	const struct intake_events events = { run, on_full, on_room, on_over };
	struct intake_options options = {
		.encoding = request_header(request, "Content-Encoding"),
		.ratio_max = request_config(request)->ratio_max,
		.check = request->server->check,
	};

	options.skip_invalid = on_invalid != NULL && strcmp(on_invalid, "skip") == 0;
	options.shape = run->how.shape;
	options.csv = run->how.csv;
	if (intake_open(&run->intake, run->job, &options, &events, err) < 0)
		return -1;
	run->taking = true;
	return 0;
}

static void on_created(void *arg, struct job *job, const struct error *err)
{
	struct request *request = arg;
	struct error why;
	struct run *run;

	if (err != NULL) {
		if (request_back(request))
			reply_not_created(request, err);
		return;
	}
	if (!reply_is_good(request, job, err)) {
		if (job != NULL)
			job_discard(job); /* the client has left already */
		return;
	}
	run = request->state;
	run->job = job_ref(job);
	snprintf(request->arg, sizeof(request->arg), "%s", job_id_text(job));
	if (open_intake(run, &why) < 0)
		request_reply_problem(request, &why, NULL);
	else if (run->fail_fast)
		watch_failures(run);
	request_go_on(request);
}

/* ---- the definition ---- */

static bool is_setting(const char *key)
{
	return strchr(key, '.') != NULL && strncmp(key, "workers.", 8) != 0 &&
	       strncmp(key, "queue.", 6) != 0;
}

static void set_params(const struct query *query, json_t *root, struct mistakes *mistakes)
{
	for (size_t at = 0; at < query->count; at++)
		if (is_setting(query->values[at].key) &&
			definition_set_param(root, query->values[at].key,
				query->values[at].text, mistakes) == 0)
			mistakes_add(mistakes, query->values[at].key,
				"there is no such stage; write STAGE.PARAM=VALUE");
}

/* NULL: a mistake was added, or there is no memory. */
static json_t *read_definition(const struct query *query, struct mistakes *mistakes)
{
	const char *stages = query_text(query, "stages");
	const char *order = query_text(query, "order");
	const char *name = query_text(query, "name");
	unsigned failures = mem_failures();
	json_t *root;

	if (stages == NULL) {
		mistakes_add(mistakes, "stages", "is missing: write stages=a,b:8,c");
		return NULL;
	}
	root = definition_from_short(stages, mistakes);
	if (root == NULL)
		return NULL;
	set_params(query, root, mistakes);
	if (json_object_set_new(root, "order", json_string(order == NULL ? "input" : order)) ==
			0 &&
		(name == NULL || json_object_set_new(root, "name", json_string(name)) == 0) &&
		mistakes->count == 0)
		return root;
	if (mem_failures() != failures) /* what had no memory looks like a mistake */
		mistakes_done(mistakes);
	json_decref(root);
	return NULL;
}

static void refuse(
	struct request *request, const struct mistakes *mistakes, enum error_code code)
{
	struct error err;

	if (mistakes->count == 0)
		error_no_memory(&err);
	else
		error_set(&err, code, "%s: %s", mistakes->items[0].pointer,
			mistakes->items[0].detail);
	request_reply_problem(request, &err, mistakes);
}

/* NULL: answered. */
static struct definition *make_definition(struct request *request)
{
	struct definition *definition = NULL;
	struct mistakes mistakes;
	json_t *root;

	mistakes_init(&mistakes);
	root = read_definition(&request->query, &mistakes);
	if (root == NULL)
		refuse(request, &mistakes, ERR_BAD_QUERY);
	else
		definition = definition_of(request, root);
	if (definition != NULL && definition->has_source) {
		mistakes_add(&mistakes, "/stages/0/use",
			"a source makes its own items; here they come in the body");
		refuse(request, &mistakes, ERR_DEFINITION);
		definition_free(definition);
		definition = NULL;
	}
	mistakes_done(&mistakes);
	return definition;
}

/* ---- the request ---- */

/* Who asks for something else is given lines, as ever. */
static int pick_form(struct run *run, struct mistakes *mistakes, struct error *err)
{
	static const char *const offers[] = { "application/x-ndjson", "text/csv", NULL };
	const bool csv = accept_pick(request_header(run->request, "Accept"), offers) == 1;

	run->outlet.render.form = csv ? RENDER_CSV : RENDER_LINES;
	return results_sheet(run->request, csv, &run->outlet.render.sheet, mistakes, err);
}

static void free_run(struct run *run)
{
	if (run != NULL)
		render_done(&run->outlet.render);
	mem_free(run);
}

/* NULL: answered. */
static struct run *make_run(struct request *request)
{
	struct run *run = mem_zalloc(sizeof(*run));
	struct mistakes mistakes;
	struct error err;

	mistakes_init(&mistakes);
	if (run == NULL)
		error_no_memory(&err);
	else
		run->request = request;
	if (run == NULL || items_shape(request, &run->how, &mistakes, &err) < 0 ||
		pick_form(run, &mistakes, &err) < 0) {
		free_run(run);
		run = NULL;
		request_reply_problem(request, &err, &mistakes);
	}
	mistakes_done(&mistakes);
	return run;
}

static void run_begin(struct request *request)
{
	struct definition *definition = make_definition(request);
	struct trace trace;
	struct error err;
	struct run *run;

	if (definition == NULL)
		return;
	run = make_run(request);
	if (run == NULL) {
		definition_free(definition);
		return;
	}
	run->fail_fast = query_bool(&request->query, "fail_fast", false);
	request->state = run;
	request_hold(request);
	if (engine_create(request_engine(request), definition, true,
		    request_trace(request, &trace), request->principal->name, on_created,
		    request_away(request), &err) < 0) {
		request_back(request);
		reply_not_created(request, &err);
	}
}

static void on_pause(struct request *request)
{
	struct run *run = request->state;

	if (intake_on_timer(&run->intake))
		request_set_timer(request, INTAKE_PAUSE_MS, on_pause);
}

static bool run_body(struct request *request, const char *bytes, size_t len)
{
	struct run *run = request->state;

	if (!intake_feed(&run->intake, bytes, len))
		return false;
	if (intake_wants_timer(&run->intake))
		request_set_timer(request, INTAKE_PAUSE_MS, on_pause);
	return true;
}

static void run_finish(struct request *request)
{
	struct run *run = request->state;

	intake_finish(&run->intake, true);
}

static bool run_at_rest(const struct request *request)
{
	const struct run *run = request->state;

	return run != NULL && run->taking && intake_at_rest(&run->intake);
}

static void run_fail(struct request *request, const struct error *err)
{
	struct run *run = request->state;

	if (run == NULL || run->job == NULL)
		return;
	if (run->sending)
		request_cut(request);
	else if (run->taking)
		intake_fail(&run->intake, err);
}

static void run_quiesce(struct request *request)
{
	struct error err;

	error_set(&err, ERR_DRAINING, "the server is shutting down");
	run_fail(request, &err);
}

static void run_end(struct request *request)
{
	struct run *run = request->state;

	if (run == NULL)
		return;
	if (run->watching)
		job_unwatch(&run->watch);
	reader_close(run->failure);
	if (run->sending)
		outlet_close(&run->outlet);
	if (run->taking)
		intake_close(&run->intake);
	if (run->job != NULL) {
		job_discard(run->job);
		job_unref(run->job);
	}
	free_run(run);
}

static json_t *run_extra(struct request *request)
{
	const struct run *run = request->state;

	return run != NULL && run->taking ? intake_to_json(&run->intake) : NULL;
}

const struct endpoint run_once = {
	.begin = run_begin,
	.body = run_body,
	.finish = run_finish,
	.read = run_read,
	.at_rest = run_at_rest,
	.fail = run_fail,
	.quiesce = run_quiesce,
	.end = run_end,
	.extra = run_extra,
};
