#include "http/items.h"

#include <string.h>

#include "base/mem.h"
#include "http/internal.h"
#include "http/negotiate.h"

#define KEY_MAX 255

struct items {
	struct intake intake;
	struct request *request;
	uint64_t max_wait_ms; /* UINT64_MAX: none */
	bool reject, close_input, open;
};

/* Of a choice of four; the default is a comma. */
static char delimiter_of(const char *name)
{
	static const char *const names[] = { "comma", "semicolon", "tab", "pipe" };

	for (size_t i = 0; name != NULL && i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return ",;\t|"[i];
	return ',';
}

static int no_csv(const struct query *query, struct mistakes *mistakes, struct error *err)
{
	static const char *const names[] = { "columns", "delimiter", "infer" };
	int result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (query_text(query, names[i]) == NULL)
			continue;
		mistakes_add(mistakes, names[i], "is for a body of text/csv only");
		result = error_set(
			err, ERR_BAD_QUERY, "%s is for a body of text/csv only", names[i]);
	}
	return result;
}

static int csv_options(struct request *request, struct stage_csv_options *ret,
	struct mistakes *mistakes, struct error *err)
{
	const struct query *query = &request->query;
	const char *type = request_header(request, "Content-Type");

	*ret = (struct stage_csv_options){
		.delimiter = delimiter_of(query_text(query, "delimiter")),
		.infer = query_bool(query, "infer", false),
		.header_absent = media_has_param(type, "text/csv", "header", "absent"),
		.columns = query_text(query, "columns"),
	};
	if (ret->columns == NULL || ret->header_absent)
		return 0;
	mistakes_add(mistakes, "columns",
		"names the columns of a body without header: say so by "
		"Content-Type: text/csv; header=absent");
	return error_set(err, ERR_BAD_QUERY,
		"columns is for Content-Type 'text/csv; header=absent' only");
}

int items_shape(struct request *request, struct intake_options *ret, struct mistakes *mistakes,
	struct error *err)
{
	const char *type = request_header(request, "Content-Type");
	enum media media = media_parse(type);

	if (media == MEDIA_OTHER)
		return error_set(err, ERR_MEDIA_TYPE,
			"Content-Type '%.80s' is not understood; send "
			"application/x-ndjson, application/json or text/csv in UTF-8",
			type);
	ret->shape = media == MEDIA_JSON  ? SPLIT_JSON
		     : media == MEDIA_CSV ? SPLIT_CSV
					  : SPLIT_LINES;
	if (media == MEDIA_CSV)
		return csv_options(request, &ret->csv, mistakes, err);
	return no_csv(&request->query, mistakes, err);
}

/* ---- waiting ---- */

static void on_pause(struct request *request)
{
	struct items *items = request->state;

	if (intake_on_timer(&items->intake))
		request_set_timer(request, INTAKE_PAUSE_MS, on_pause);
}

static void fail_full(struct items *items)
{
	struct error err;

	if (engine_needs_memory(request_engine(items->request), 0, &err) < 0) {
		intake_fail(&items->intake, &err);
		return;
	}
	error_set(&err, ERR_QUEUE_FULL,
		items->reject
			? "the job's backlog is full; send the rest later"
			: "the job's backlog stayed full for max_wait_ms; send the rest later");
	intake_fail(&items->intake, &err);
}

static void on_waited(struct request *request)
{
	fail_full(request->state);
}

static void on_full(void *arg)
{
	struct items *items = arg;
	uint64_t waited_ms = intake_waited_ms(&items->intake);

	request_stop_timer(items->request);
	if (items->reject || waited_ms >= items->max_wait_ms)
		fail_full(items);
	else if (items->max_wait_ms != UINT64_MAX)
		request_set_timer(items->request, items->max_wait_ms - waited_ms, on_waited);
}

static void on_room(void *arg)
{
	struct items *items = arg;

	request_stop_timer(items->request);
	request_go_on(items->request);
}

static void on_over(void *arg, const struct error *err)
{
	struct items *items = arg;

	request_stop_timer(items->request);
	if (err != NULL)
		request_reply_problem(items->request, err, NULL);
	else
		request_reply_json(items->request, 200, intake_to_json(&items->intake));
}

/* ---- the request ---- */

static int check_key(const char *key, struct error *err)
{
	if (key == NULL || (key[0] != '\0' && strlen(key) <= KEY_MAX))
		return 0;
	return error_set(
		err, ERR_BAD_REQUEST, "Idempotency-Key must have 1 to %d bytes", KEY_MAX);
}

static int check_offset(
	struct request *request, const char *key, struct mistakes *mistakes, struct error *err)
{
	if (key != NULL || query_text(&request->query, "offset") == NULL)
		return 0;
	mistakes_add(mistakes, "offset", "needs an Idempotency-Key to say of which body");
	return error_set(err, ERR_BAD_QUERY, "offset needs an Idempotency-Key");
}

static int open_items(
	struct request *request, struct job *job, struct mistakes *mistakes, struct error *err)
{
	struct items *items = request->state;
	const struct query *query = &request->query;
	struct intake_options options = {
		.encoding = request_header(request, "Content-Encoding"),
		.ratio_max = request_config(request)->ratio_max,
		.key = request_header(request, "Idempotency-Key"),
		.offset = query_uint(query, "offset", 0),
		.check = request->server->check,
	};
	const struct intake_events events = { items, on_full, on_room, on_over };
	const char *on_invalid = query_text(query, "on_invalid");

	options.impatient = items->reject || items->max_wait_ms != UINT64_MAX;
	options.skip_invalid = on_invalid != NULL && strcmp(on_invalid, "skip") == 0;
	if (items_shape(request, &options, mistakes, err) < 0 ||
		check_key(options.key, err) < 0 ||
		check_offset(request, options.key, mistakes, err) < 0 ||
		intake_open(&items->intake, job, &options, &events, err) < 0)
		return -1;
	items->open = true;
	return 0;
}

/* What the key had, for the reply to an upload that was refused at once. */
static void note_known(struct request *request, struct job *job)
{
	struct items *items = request->state;
	const char *key = request_header(request, "Idempotency-Key");

	if (!items->open && key != NULL)
		items->intake.known_lines = job_key_lines(job, key);
}

static void start(struct request *request, struct job *job)
{
	struct mistakes mistakes;
	struct trace trace;
	struct error err;

	mistakes_init(&mistakes);
	if (open_items(request, job, &mistakes, &err) < 0) {
		note_known(request, job);
		request_reply_problem(request, &err, &mistakes);
	} else if (request_trace(request, &trace) != NULL) {
		job_adopt_trace(job, &trace);
	}
	mistakes_done(&mistakes);
	request_go_on(request);
}

static void items_begin(struct request *request)
{
	struct items *items = mem_zalloc(sizeof(*items));
	const char *on_full_text = query_text(&request->query, "on_full");
	struct error err;

	if (items == NULL) {
		error_no_memory(&err);
		request_reply_problem(request, &err, NULL);
		return;
	}
	items->request = request;
	items->reject = on_full_text != NULL && strcmp(on_full_text, "reject") == 0;
	items->max_wait_ms = query_uint(&request->query, "max_wait_ms", UINT64_MAX);
	items->close_input = query_bool(&request->query, "close", false);
	request->state = items;
	request_hold(request);
	request_with_job(request, start);
}

static bool items_body(struct request *request, const char *bytes, size_t len)
{
	struct items *items = request->state;

	if (!intake_feed(&items->intake, bytes, len))
		return false;
	if (intake_wants_timer(&items->intake))
		request_set_timer(request, INTAKE_PAUSE_MS, on_pause);
	return true;
}

static void items_finish(struct request *request)
{
	struct items *items = request->state;

	if (!items->intake.full)
		request_stop_timer(request);
	intake_finish(&items->intake, items->close_input);
}

static bool items_at_rest(const struct request *request)
{
	const struct items *items = request->state;

	return items != NULL && items->open && intake_at_rest(&items->intake);
}

static void items_fail(struct request *request, const struct error *err)
{
	struct items *items = request->state;

	if (items != NULL && items->open)
		intake_fail(&items->intake, err);
}

static void items_quiesce(struct request *request)
{
	struct error err;

	error_set(&err, ERR_DRAINING,
		"the server is shutting down; send the rest when it is back");
	items_fail(request, &err);
}

static void items_end(struct request *request)
{
	struct items *items = request->state;

	if (items == NULL)
		return;
	if (items->open)
		intake_close(&items->intake);
	mem_free(items);
}

/* Every problem of an upload says what was taken. */
static json_t *items_extra(struct request *request)
{
	struct items *items = request->state;

	if (items != NULL && items->open)
		return intake_to_json(&items->intake);
	return json_pack("{s:i, s:i, s:i, s:[], s:I, s:i}", "accepted", 0, "duplicates", 0,
		"rejected", 0, "errors", "next_offset",
		(json_int_t)(items == NULL ? 0 : items->intake.known_lines), "waited_ms", 0);
}

const struct endpoint items_upload = {
	.begin = items_begin,
	.body = items_body,
	.finish = items_finish,
	.at_rest = items_at_rest,
	.fail = items_fail,
	.quiesce = items_quiesce,
	.end = items_end,
	.extra = items_extra,
};

/* ---- GET: how far a key has come ---- */

static void reply_key(struct request *request, struct job *job)
{
	request_reply_json(request, 200,
		json_pack("{s:I}", "next_offset",
			(json_int_t)job_key_lines(job, query_text(&request->query, "key"))));
}

static void key_finish(struct request *request)
{
	struct mistakes mistakes;
	struct error err;

	if (query_text(&request->query, "key") != NULL) {
		request_with_job(request, reply_key);
		return;
	}
	mistakes_init(&mistakes);
	mistakes_add(&mistakes, "key", "is missing: which Idempotency-Key is asked about?");
	error_set(&err, ERR_BAD_QUERY, "key is missing");
	request_reply_problem(request, &err, &mistakes);
	mistakes_done(&mistakes);
}

const struct endpoint items_key = { .finish = key_finish };
