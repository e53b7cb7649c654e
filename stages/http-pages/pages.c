/*
 * http-pages: a source of what a server gives in pages. A page names the one behind it: by the
 * header Link, by a URL in its body, or by a cursor that the next request sends.
 *
 * The state is the URL of the page at hand and how many of its items are out already; it is
 * committed with them. After a restart that page is asked for again and goes on behind them.
 */
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "call/answer.h"
#include "call/statuses.h"
#include "link.h"
#include "stage.h"

#define RUN_BYTES (1u << 20) /* emitted in one run, about */

struct pages {
	struct call_def def;
	const char *items_text, *next_text, *cursor_text, *cursor_param;
	int64_t max_pages;

	struct statuses statuses;
	struct stage_path items, next, cursor;

	/* The page at hand. */
	char *url;             /* NULL: none is at hand */
	int64_t number, taken; /* pages before it; items of it that are out */
	struct stage_text body;
	struct stage_walk walk;
	bool fetched;
	char *next_url; /* NULL: it is the last */
};

static const struct stage_param pages_params[] = {
	CALL_PARAMS(struct pages, def),
	{ "items", STAGE_POINTER, .def = "",
		.doc = "where in a page the array of items is; \"\": the page is one",
		.offset = offsetof(struct pages, items_text) },
	{ "next", STAGE_POINTER,
		.doc = "where in a page the URL of the next one is, instead of the header Link",
		.offset = offsetof(struct pages, next_text) },
	{ "cursor", STAGE_POINTER,
		.doc = "where in a page the cursor is that the next request sends",
		.offset = offsetof(struct pages, cursor_text) },
	{ "cursor_param", STAGE_STRING, .def = "cursor",
		.doc = "the parameter of the query that takes it",
		.offset = offsetof(struct pages, cursor_param) },
	{ "max_pages", STAGE_INT, .def = "1000000", .min = 1, .max = 1e12,
		.doc = "more pages than that are a mistake",
		.offset = offsetof(struct pages, max_pages) },
	{ 0 },
};

static const struct stage_slice no_item = { "null", 4 };

/* ---- open, close ---- */

static void drop_page(struct pages *pages)
{
	stage_text_done(&pages->body);
	free(pages->next_url);
	pages->next_url = NULL;
	pages->fetched = false;
}

static void pages_close(void *instance, struct stage_ctx *ctx)
{
	struct pages *pages = instance;

	drop_page(pages);
	free(pages->url);
	pages->url = NULL;
	call_def_done(&pages->def);
	stage_path_done(&pages->items);
	stage_path_done(&pages->next);
	stage_path_done(&pages->cursor);
}

static enum stage_result open_paths(struct pages *pages, struct stage_ctx *ctx)
{
	if (pages->def.url.has_values)
		return stage_fail(ctx, STAGE_PERMANENT,
			"/url: there is no item here whose values could stand in it");
	if (pages->def.url.has_secrets)
		return stage_fail(ctx, STAGE_PERMANENT,
			"/url: it is kept with the job, so no secret may stand in it; use a header");
	for (size_t i = 0; i < pages->def.header_count; i++)
		if (pages->def.headers[i].value.has_values)
			return stage_fail(ctx, STAGE_PERMANENT,
				"/headers/%s: there is no item here whose values could stand in it",
				pages->def.headers[i].name);
	if (pages->next_text != NULL && pages->cursor_text != NULL)
		return stage_fail(ctx, STAGE_PERMANENT, "/cursor: there is a `next` already");
	if (!stage_path_init(&pages->items, pages->items_text) ||
		(pages->next_text != NULL &&
			!stage_path_init(&pages->next, pages->next_text)) ||
		(pages->cursor_text != NULL &&
			!stage_path_init(&pages->cursor, pages->cursor_text)))
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	return statuses_read(&pages->statuses, NULL, NULL, NULL, ctx);
}

static enum stage_result pages_open(void *instance, struct stage_ctx *ctx)
{
	struct pages *pages = instance;

	pages->def.method = "GET";
	if (call_def_open(&pages->def, ctx) == STAGE_OK && open_paths(pages, ctx) == STAGE_OK)
		return STAGE_OK;
	pages_close(pages, ctx);
	return STAGE_FAILED;
}

/* ---- the state ---- */

static enum stage_result no_memory(struct stage_ctx *ctx)
{
	return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
}

static bool load_state(struct pages *pages, struct stage_ctx *ctx)
{
	size_t len;
	const char *state = stage_state(ctx, &len);
	yyjson_doc *doc = state == NULL ? NULL : yyjson_read(state, len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);
	const char *url = yyjson_get_str(yyjson_obj_get(root, "url"));
	struct template_why why;
	struct stage_text first = { 0 };

	pages->number = yyjson_get_sint(yyjson_obj_get(root, "page"));
	pages->taken = yyjson_get_sint(yyjson_obj_get(root, "taken"));
	if (url != NULL)
		pages->url = strdup(url);
	else if (template_write(&pages->def.url, no_item, &first, &why) == 0)
		pages->url = strdup(first.at);
	stage_text_done(&first);
	yyjson_doc_free(doc);
	if (pages->url == NULL)
		no_memory(ctx);
	return pages->url != NULL;
}

/* Is what is kept where we stand? What was emitted may not have been taken. */
static bool state_holds(const struct pages *pages, struct stage_ctx *ctx)
{
	size_t len;
	const char *state = stage_state(ctx, &len);
	yyjson_doc *doc = state == NULL ? NULL : yyjson_read(state, len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);
	bool holds = yyjson_get_sint(yyjson_obj_get(root, "page")) == pages->number &&
		     yyjson_get_sint(yyjson_obj_get(root, "taken")) == pages->taken;

	yyjson_doc_free(doc);
	return holds;
}

static enum stage_result save_state(struct pages *pages, struct stage_ctx *ctx)
{
	struct stage_text state = { 0 };
	enum stage_result result;

	stage_text_puts(&state, "{\"url\":");
	text_json(&state, pages->url, strlen(pages->url));
	stage_text_format(&state, ",\"page\":%lld,\"taken\":%lld}", (long long)pages->number,
		(long long)pages->taken);
	result = stage_text_end(&state) == NULL ? no_memory(ctx)
						: stage_state_set(ctx, state.at, state.len);
	stage_text_done(&state);
	return result;
}

/* ---- a page from outside ---- */

/* The thread may sleep; whoever cancels is heard soon. */
static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	return stage_cancelled(arg);
}

static enum exchange_next perform(
	struct exchange *exchange, struct stage_ctx *ctx, struct exchange_failure *failure)
{
	enum exchange_next next;

	do {
		CURLcode code = CURLE_OUT_OF_MEMORY;

		if (exchange_arm(exchange, exchange->easy) == 0) {
			curl_easy_setopt(exchange->easy, CURLOPT_NOPROGRESS, 0L);
			curl_easy_setopt(exchange->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
			curl_easy_setopt(exchange->easy, CURLOPT_XFERINFODATA, ctx);
			code = curl_easy_perform(exchange->easy);
		}
		next = exchange_end(exchange, code, failure);
	} while (next == EXCHANGE_AGAIN);
	return next;
}

/* A reference on the page, resolved; it stays on the origin that the job named. */
static enum stage_result resolve(struct pages *pages, const struct exchange *exchange,
	const char *reference, struct stage_ctx *ctx)
{
	struct target target;
	char why[200], *text = NULL;
	CURLU *url = curl_url_dup(exchange->url);
	CURLUcode code = url == NULL ? CURLUE_OUT_OF_MEMORY
				     : curl_url_set(url, CURLUPART_URL, reference, 0);
	const char *mistake = NULL;
	enum stage_result result = STAGE_OK;
	bool lacks_memory;

	if (code == CURLUE_OK)
		mistake =
			hosts_check(&pages->def.config->hosts, url, &target, why, sizeof(why));
	lacks_memory = code == CURLUE_OUT_OF_MEMORY || mistake == hosts_no_memory;
	if (!lacks_memory && (code != CURLUE_OK || mistake != NULL ||
				     strcmp(target.origin, exchange->target.origin) != 0))
		result = stage_fail(ctx, STAGE_PERMANENT,
			"%.100s: page %lld names a next one that is not on the same host",
			exchange->target.host, (long long)pages->number + 1);
	else if (lacks_memory || curl_url_get(url, CURLUPART_URL, &text, 0) != CURLUE_OK ||
		 (pages->next_url = strdup(text)) == NULL)
		result = no_memory(ctx);
	else if (strcmp(pages->next_url, pages->url) == 0)
		result = stage_fail(ctx, STAGE_PERMANENT,
			"%.100s: page %lld names itself as the next one", exchange->target.host,
			(long long)pages->number + 1);
	curl_free(text);
	curl_url_cleanup(url);
	return result;
}

/* Put the cursor into the query, instead of the one that is there. */
static enum stage_result with_cursor(struct pages *pages, const struct exchange *exchange,
	const char *cursor, size_t len, struct stage_ctx *ctx)
{
	struct stage_text query = { 0 };
	char *old = NULL;
	size_t name_len;
	enum stage_result result;

	/* Without its other parameters it would be another page. */
	if (curl_url_get(exchange->url, CURLUPART_QUERY, &old, 0) == CURLUE_OUT_OF_MEMORY)
		return no_memory(ctx);
	stage_text_puts(&query, "?");
	text_percent(&query, pages->cursor_param, strlen(pages->cursor_param));
	name_len = query.len;
	stage_text_puts(&query, "=");
	text_percent(&query, cursor, len);
	for (const char *at = old; at != NULL && stage_text_end(&query) != NULL;
		at = strchr(at, '&')) {
		size_t part;

		at += *at == '&';
		part = strcspn(at, "&");
		if (part > 0 && (part < name_len || at[name_len - 1] != '=' ||
					strncmp(at, query.at + 1, name_len - 1) != 0)) {
			stage_text_puts(&query, "&");
			stage_text_put(&query, at, part);
		}
	}
	curl_free(old);
	result = stage_text_end(&query) == NULL ? no_memory(ctx)
						: resolve(pages, exchange, query.at, ctx);
	stage_text_done(&query);
	return result;
}

/* A string or a number of the page; the empty text when there is none. */
static char *scalar_at(
	const struct pages *pages, const struct stage_path *path, size_t *ret_len)
{
	struct stage_slice root = { pages->body.at, pages->body.len };
	struct stage_slice value = stage_slice_find(root, path);
	char *copy;

	*ret_len = 0;
	copy = calloc(1, value.len + 1);
	if (copy == NULL || value.at == NULL)
		return copy;
	if (*value.at == '"') {
		*ret_len = stage_slice_unescape(value, copy);
	} else if (*value.at == '-' || (*value.at >= '0' && *value.at <= '9')) {
		memcpy(copy, value.at, value.len);
		*ret_len = value.len;
	}
	return copy;
}

static enum stage_result find_next(
	struct pages *pages, const struct exchange *exchange, struct stage_ctx *ctx)
{
	bool by_cursor = pages->cursor_text != NULL;
	enum stage_result result = STAGE_OK;
	struct curl_header *header;
	size_t len = 0;
	char *found = NULL;

	if (by_cursor || pages->next_text != NULL) {
		found = scalar_at(pages, by_cursor ? &pages->cursor : &pages->next, &len);
		if (found == NULL)
			return no_memory(ctx);
	}
	for (size_t i = 0; found == NULL && curl_easy_header(exchange->easy, "Link", i,
						    CURLH_HEADER, -1, &header) == CURLHE_OK;
		i++) {
		const char *at = link_next(header->value, &len);

		if (at != NULL && (found = strndup(at, len)) == NULL)
			return no_memory(ctx);
	}
	if (found != NULL && len > 0)
		result = by_cursor ? with_cursor(pages, exchange, found, len, ctx)
				   : resolve(pages, exchange, found, ctx);
	free(found);
	return result;
}

static enum stage_result take_page(
	struct pages *pages, struct exchange *exchange, struct stage_ctx *ctx)
{
	struct exchange_failure failure = { .kind = STAGE_PERMANENT };
	struct stage_slice root;

	if (statuses_fate(&pages->statuses, exchange->status) != STATUS_OK) {
		exchange_describe(exchange, &failure);
		stage_retry_after(ctx, exchange_retry_after_ms(exchange));
		return stage_fail(ctx,
			statuses_fate(&pages->statuses, exchange->status) == STATUS_TRANSIENT
				? STAGE_TRANSIENT
				: STAGE_PERMANENT,
			"%s", failure.text);
	}
	if (answer_put_body(exchange, ANSWER_JSON, &pages->body, &failure) < 0 ||
		stage_text_end(&pages->body) == NULL)
		return stage_fail(ctx, failure.kind, "%s", failure.text);
	root = (struct stage_slice){ pages->body.at, pages->body.len };
	if (!stage_walk_open(&pages->walk, stage_slice_find(root, &pages->items), '['))
		return stage_fail(ctx, STAGE_PERMANENT,
			"%.100s: page %lld has no array of items at '%.80s'",
			exchange->target.host, (long long)pages->number + 1, pages->items_text);
	return find_next(pages, exchange, ctx);
}

static enum stage_result fetch(struct pages *pages, struct stage_ctx *ctx)
{
	struct exchange exchange;
	struct exchange_failure failure = { .kind = STAGE_TRANSIENT, .text = "no memory" };
	CURL *easy = curl_easy_init();
	enum stage_result result;
	struct stage_slice item;

	if (pages->number >= pages->max_pages) {
		curl_easy_cleanup(easy);
		return stage_fail(ctx, STAGE_PERMANENT,
			"there are more than %lld pages (max_pages)",
			(long long)pages->max_pages);
	}
	if (easy == NULL || exchange_init_url(&exchange, &pages->def, pages->url, no_item,
				    stage_traceparent(ctx), &failure) < 0) {
		if (easy != NULL)
			exchange_done(&exchange);
		curl_easy_cleanup(easy);
		return stage_fail(ctx, failure.kind, "%s", failure.text);
	}
	exchange.easy = easy;
	result = perform(&exchange, ctx, &failure) == EXCHANGE_FAILED
			 ? stage_fail(ctx, failure.kind, "%s", failure.text)
			 : take_page(pages, &exchange, ctx);
	/* Those that are out already. */
	for (int64_t n = 0; result == STAGE_OK && n < pages->taken; n++)
		if (!stage_walk_element(&pages->walk, &item))
			break;
	pages->fetched = result == STAGE_OK;
	curl_easy_cleanup(easy);
	exchange_done(&exchange);
	return result;
}

/* ---- run ---- */

/* To the page behind it, which is asked for in the next run. */
static void turn(struct pages *pages)
{
	free(pages->url);
	pages->url = pages->next_url;
	pages->next_url = NULL;
	pages->number++;
	pages->taken = 0;
	drop_page(pages);
}

static enum stage_result emit_items(struct pages *pages, struct stage_ctx *ctx)
{
	size_t room = stage_room(ctx), bytes = 0;
	struct stage_slice item;

	for (; room > 0 && bytes < RUN_BYTES; room--, bytes += item.len, pages->taken++) {
		if (!stage_walk_element(&pages->walk, &item)) {
			if (pages->next_url == NULL)
				return STAGE_END;
			turn(pages);
			return save_state(pages, ctx);
		}
		if (stage_emit(ctx, item.at, item.len) != STAGE_OK)
			return STAGE_FAILED;
	}
	return save_state(pages, ctx);
}

static enum stage_result pages_run(void *instance, struct stage_ctx *ctx)
{
	struct pages *pages = instance;
	enum stage_result result = STAGE_OK;

	/* What failed, or was not taken, comes again from where the state stands. */
	if (!pages->fetched || !state_holds(pages, ctx)) {
		free(pages->url);
		pages->url = NULL;
		drop_page(pages);
		if (!load_state(pages, ctx))
			return STAGE_FAILED;
		result = fetch(pages, ctx);
	}
	if (result == STAGE_OK)
		result = emit_items(pages, ctx);
	if (result == STAGE_FAILED)
		drop_page(pages);
	return result;
}

STAGE(.name = "http-pages", .version = "1.0.0",
	.summary = "Make items of what a server gives in pages", .kind = STAGE_SOURCE,
	.threads = STAGE_BLOCKING, .instance_size = sizeof(struct pages),
	.params = pages_params, .open = pages_open, .close = pages_close, .run = pages_run,
	.config_of = "http");
