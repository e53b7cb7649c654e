/*
 * http: calls a server with each item and puts the answer into it. Thousands of calls are under
 * way on the loop at once, none holds a thread.
 */
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "call/answer.h"
#include "call/statuses.h"
#include "swarm.h"
#include "place.h"
#include "stage.h"

struct http {
	struct call_def def;
	const char *body_json, *body_text, *into_text, *take_text, *parse_text;
	const char *ok_json, *transient_json, *permanent_json;
	int64_t per_host, retry_after_max_ms;

	struct statuses statuses;
	struct stage_path into;
	enum take { TAKE_RESPONSE, TAKE_BODY, TAKE_NOTHING } take;
	enum answer_parse parse;
	struct gates gates;
	struct stage_text value; /* of the item whose answer is being put in; the loop's */
};

/* A call under way is found by its worker. */
struct worker {
	struct call *call;
};

struct call {
	struct transfer transfer; /* must be the first */
	struct http *http;
	struct stage_ctx *ctx;
	size_t count;            /* items of a batch, one request for all; 0: one item */
	struct stage_text items; /* of a batch: the array that stands for the item */
};

#define STATUSES                                                                           \
	"{\"type\":\"array\",\"items\":{\"oneOf\":[{\"type\":\"integer\",\"minimum\":100," \
	"\"maximum\":599},{\"type\":\"string\",\"pattern\":\"^[1-5]xx$\"}]}}"

static const struct stage_param http_params[] = {
	CALL_PARAMS(struct http, def),
	{ "method", STAGE_STRING, .def = "GET",
		.choices = "GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS",
		.doc = "POST, PUT and PATCH send the item unless `body` says otherwise",
		.offset = offsetof(struct http, def.method) },
	{ "body", STAGE_JSON,
		.doc = "JSON to send; its strings are templates: {\"id\":\"{/id}\"}; \"{}\" is the item",
		.offset = offsetof(struct http, body_json) },
	{ "body_text", STAGE_STRING, .doc = "a template of a text to send, instead of `body`",
		.offset = offsetof(struct http, body_text) },
	{ "into", STAGE_POINTER, .def = "/response",
		.doc = "where in the item the answer goes; \"\": it takes the item's place",
		.offset = offsetof(struct http, into_text) },
	{ "take", STAGE_STRING, .def = "response", .choices = "response|body|nothing",
		.doc = "what goes there: {status, headers, body}, the body, or nothing",
		.offset = offsetof(struct http, take_text) },
	{ "parse", STAGE_STRING, .def = "auto", .choices = "auto|json|text",
		.doc = "the body as JSON or as a string; auto: as its Content-Type says",
		.offset = offsetof(struct http, parse_text) },
	{ "ok", STAGE_JSON, .doc = "statuses that are answers; 2xx are",
		.offset = offsetof(struct http, ok_json), .schema = STATUSES },
	{ "transient", STAGE_JSON,
		.doc = "statuses worth another attempt; 408, 425, 429, 500, 502, 503, 504 are",
		.offset = offsetof(struct http, transient_json), .schema = STATUSES },
	{ "permanent", STAGE_JSON, .doc = "statuses that are not",
		.offset = offsetof(struct http, permanent_json), .schema = STATUSES },
	{ "per_host", STAGE_INT, .def = "0", .min = 0, .max = 100000,
		.doc = "this job's requests under way at one host; 0: as the operator says",
		.offset = offsetof(struct http, per_host) },
	{ "retry_after_max_ms", STAGE_INT, .def = "600000", .min = 0,
		.max = STAGE_RETRY_AFTER_MAX_MS,
		.doc = "how long to wait at most when a response says Retry-After",
		.offset = offsetof(struct http, retry_after_max_ms) },
	{ 0 },
};

/* ---- open, close ---- */

static void http_close(void *instance, struct stage_ctx *ctx)
{
	struct http *http = instance;

	call_def_done(&http->def);
	stage_path_done(&http->into);
	gates_done(&http->gates);
	stage_text_done(&http->value);
}

static bool sends_item(const char *method)
{
	return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
	       strcmp(method, "PATCH") == 0;
}

static enum stage_result open_body(struct http *http, struct stage_ctx *ctx)
{
	const char *json = http->body_json;

	if (json == NULL && http->body_text == NULL && sends_item(http->def.method))
		json = "\"{}\"";
	if (json != NULL && strcmp(json, "null") == 0)
		json = NULL;
	if ((json != NULL || http->body_text != NULL) && strcmp(http->def.method, "HEAD") == 0)
		return stage_fail(ctx, STAGE_PERMANENT, "/method: HEAD has no body");
	return call_def_body(&http->def, json, http->body_text, ctx);
}

static enum stage_result open_rest(struct http *http, struct stage_ctx *ctx)
{
	http->take = strcmp(http->take_text, "response") == 0 ? TAKE_RESPONSE
		     : strcmp(http->take_text, "body") == 0   ? TAKE_BODY
							      : TAKE_NOTHING;
	http->parse = strcmp(http->parse_text, "auto") == 0   ? ANSWER_AUTO
		      : strcmp(http->parse_text, "json") == 0 ? ANSWER_JSON
							      : ANSWER_TEXT;
	if (http->per_host > http->def.config->per_host)
		return stage_fail(ctx, STAGE_PERMANENT,
			"/per_host: must be at most %lld, which the operator has set",
			(long long)http->def.config->per_host);
	http->gates.limit = (unsigned)http->per_host;
	if (!stage_path_init(&http->into, http->into_text))
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	return statuses_read(&http->statuses, http->ok_json, http->transient_json,
		http->permanent_json, ctx);
}

static enum stage_result http_open(void *instance, struct stage_ctx *ctx)
{
	struct http *http = instance;

	if (call_def_open(&http->def, ctx) == STAGE_OK && open_body(http, ctx) == STAGE_OK &&
		open_rest(http, ctx) == STAGE_OK)
		return STAGE_OK;
	http_close(http, ctx);
	return STAGE_FAILED;
}

/* ---- the answer ---- */

static enum stage_result fail(struct stage_ctx *ctx, const struct exchange_failure *failure)
{
	return stage_fail(ctx, failure->kind, "%s", failure->text);
}

static enum stage_result emit_into(
	const struct http *http, struct stage_ctx *ctx, const char *value, size_t len)
{
	struct stage_slice item = stage_slice_input(ctx);
	struct place place;
	char *to;

	if (!place_find(item, &http->into, &place))
		return stage_fail(ctx, STAGE_PERMANENT,
			"there is no place for '%.80s' in the item (into)", http->into_text);
	to = stage_reserve(ctx, place_size(item, &http->into, &place, len));
	if (to == NULL)
		return STAGE_FAILED;
	return stage_emit_reserved(
		ctx, (size_t)(place_write(to, item, &http->into, &place, value, len) - to));
}

static enum stage_result emit_answer(struct call *call)
{
	struct http *http = call->http;
	const struct exchange *exchange = &call->transfer.exchange;
	struct exchange_failure failure;
	int done;

	if (http->take == TAKE_NOTHING)
		return stage_emit_input(call->ctx);
	stage_text_clear(&http->value, 65536);
	done = http->take == TAKE_BODY
		       ? answer_put_body(exchange, http->parse, &http->value, &failure)
		       : answer_put(exchange, http->parse, &http->value, &failure);
	return done < 0 ? fail(call->ctx, &failure)
			: emit_into(http, call->ctx, http->value.at, http->value.len);
}

/* ---- the answer to a batch ---- */

/* {"error":"…","transient":true} is the fate of that item alone. */
static void emit_element(const struct http *http, struct stage_ctx *ctx, yyjson_val *element)
{
	yyjson_val *error = yyjson_obj_get(element, "error");
	char *text;
	size_t len;

	if (yyjson_is_str(error)) {
		stage_fail(ctx,
			yyjson_is_true(yyjson_obj_get(element, "transient")) ? STAGE_TRANSIENT
									     : STAGE_PERMANENT,
			"%s", yyjson_get_str(error));
		return;
	}
	if (http->take == TAKE_NOTHING) {
		stage_emit_input(ctx);
		return;
	}
	text = yyjson_val_write(element, YYJSON_WRITE_NOFLAG, &len);
	if (text == NULL)
		stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	else
		emit_into(http, ctx, text, len);
	free(text);
}

static enum stage_result emit_elements(struct call *call, yyjson_val *answers)
{
	size_t at, max;
	yyjson_val *element;

	if (!yyjson_is_arr(answers) || yyjson_arr_size(answers) != call->count)
		return stage_fail(call->ctx, STAGE_PERMANENT,
			"the response to %zu items must be a JSON array of as many, not %s of %zu",
			call->count, yyjson_get_type_desc(answers), yyjson_get_len(answers));
	yyjson_arr_foreach(answers, at, max, element)
	{
		emit_element(call->http, stage_batch_item(call->ctx, at), element);
	}
	return STAGE_OK;
}

static enum stage_result emit_answers(struct call *call)
{
	struct stage_text *value = &call->http->value;
	struct exchange_failure failure;
	enum stage_result result;
	yyjson_doc *doc;

	stage_text_clear(value, 65536);
	if (answer_put_body(&call->transfer.exchange, ANSWER_JSON, value, &failure) < 0)
		return fail(call->ctx, &failure);
	doc = yyjson_read_opts(value->at, value->len, YYJSON_READ_NUMBER_AS_RAW, NULL, NULL);
	if (doc == NULL) /* it was read before: only memory can be short */
		return stage_fail(call->ctx, STAGE_TRANSIENT, "no memory");
	result = emit_elements(call, yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
	return result;
}

static enum stage_result refuse_answer(struct call *call, enum status_fate fate)
{
	const struct exchange *exchange = &call->transfer.exchange;
	struct exchange_failure failure = {
		.kind = fate == STATUS_TRANSIENT ? STAGE_TRANSIENT : STAGE_PERMANENT
	};
	uint64_t wait_ms = exchange_retry_after_ms(exchange);
	uint64_t max_ms = (uint64_t)call->http->retry_after_max_ms;

	exchange_describe(exchange, &failure);
	stage_retry_after(call->ctx, wait_ms < max_ms ? wait_ms : max_ms);
	return fail(call->ctx, &failure);
}

static enum stage_result judge(struct call *call)
{
	enum status_fate fate =
		statuses_fate(&call->http->statuses, call->transfer.exchange.status);

	if (fate != STATUS_OK)
		return refuse_answer(call, fate);
	return call->count > 0 ? emit_answers(call) : emit_answer(call);
}

/* ---- a call ---- */

static void call_free(struct call *call)
{
	exchange_done(&call->transfer.exchange);
	stage_text_done(&call->items);
	free(call);
}

static void call_over(struct call *call, enum stage_result result)
{
	struct stage_ctx *ctx = call->ctx;

	((struct worker *)stage_worker(ctx))->call = NULL;
	call_free(call);
	stage_complete(ctx, result);
}

static int submit(struct call *call)
{
	return swarm_submit(call->http->def.config->shared->swarm, &call->transfer,
		stage_uv_loop(call->ctx));
}

static void on_done(struct transfer *transfer, CURLcode code)
{
	struct call *call = (struct call *)transfer;
	struct exchange_failure failure;
	enum exchange_next next = exchange_end(&transfer->exchange, code, &failure);

	if (next == EXCHANGE_AGAIN && submit(call) == 0)
		return;
	if (next == EXCHANGE_AGAIN)
		call_over(call, stage_fail(call->ctx, STAGE_TRANSIENT, "no memory"));
	else if (next == EXCHANGE_FAILED)
		call_over(call, fail(call->ctx, &failure));
	else
		call_over(call, judge(call));
}

static struct call *call_new(struct http *http, struct stage_ctx *ctx)
{
	struct call *call = calloc(1, sizeof(*call));

	if (call == NULL)
		return NULL;
	call->http = http;
	call->ctx = ctx;
	call->transfer.done = on_done;
	call->transfer.job = http->per_host > 0 ? &http->gates : NULL;
	return call;
}

/* Takes the call. */
static enum stage_result begin(struct call *call, struct stage_slice item)
{
	struct stage_ctx *ctx = call->ctx;
	struct exchange_failure failure = { .kind = STAGE_TRANSIENT, .text = "no memory" };

	if (exchange_init(&call->transfer.exchange, &call->http->def, item,
		    stage_traceparent(ctx), &failure) < 0 ||
		submit(call) < 0) {
		call_free(call);
		return fail(ctx, &failure);
	}
	((struct worker *)stage_worker(ctx))->call = call;
	stage_defer(ctx);
	return STAGE_PENDING;
}

static enum stage_result http_run(void *instance, struct stage_ctx *ctx)
{
	struct call *call = call_new(instance, ctx);

	if (call == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	return begin(call, stage_slice_input(ctx));
}

static bool has_body(const struct http *http)
{
	return http->body_json != NULL || http->body_text != NULL ||
	       sends_item(http->def.method);
}

/* One request for all of them: their array stands where an item does. */
static enum stage_result http_run_batch(void *instance, struct stage_ctx *ctx)
{
	struct call *call;

	if (!has_body(instance))
		return stage_fail(ctx, STAGE_PERMANENT,
			"a batch is sent as a body: use method POST, PUT or PATCH, or no batch");
	call = call_new(instance, ctx);
	if (call == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	call->count = stage_batch_count(ctx);
	for (size_t at = 0; at < call->count; at++) {
		struct stage_slice item = stage_slice_input(stage_batch_item(ctx, at));

		stage_text_put(&call->items, at == 0 ? "[" : ",", 1);
		stage_text_put(&call->items, item.at, item.len);
	}
	stage_text_put(&call->items, "]", 1);
	if (stage_text_end(&call->items) == NULL) {
		call_free(call);
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	}
	return begin(call, (struct stage_slice){ call->items.at, call->items.len });
}

static void http_cancel(void *instance, struct stage_ctx *ctx)
{
	struct worker *worker = stage_worker(ctx);
	struct call *call = worker == NULL ? NULL : worker->call;

	if (call == NULL)
		return;
	swarm_cancel(&call->transfer);
	call_over(call, stage_fail(ctx, STAGE_TRANSIENT, "nobody waits for it any more"));
}

/* ---- the operator's configuration ---- */

static void http_unconfigure(void *memory, struct stage_ctx *ctx)
{
	struct call_config *config = memory;

	if (config->shared != NULL)
		swarm_free(config->shared->swarm);
	call_config_done(config, ctx);
}

static enum stage_result http_configure(void *memory, struct stage_ctx *ctx)
{
	struct call_config *config = memory;

	if (call_config_read(config, ctx) != STAGE_OK)
		return STAGE_FAILED;
	config->shared->swarm =
		swarm_new((unsigned)config->per_host, (unsigned)config->connections);
	if (config->shared->swarm != NULL)
		return STAGE_OK;
	http_unconfigure(config, ctx);
	return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
}

STAGE(.name = "http", .version = "1.0.0",
	.summary = "Call a server with every item and put its answer into it",
	.threads = STAGE_ASYNC, .instance_size = sizeof(struct http),
	.worker_size = sizeof(struct worker), .params = http_params, .open = http_open,
	.close = http_close, .run = http_run, .run_batch = http_run_batch,
	.cancel = http_cancel, .config_size = sizeof(struct call_config),
	.config = call_config_rows, .configure = http_configure,
	.unconfigure = http_unconfigure);
