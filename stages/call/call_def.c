#include "call/call_def.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <yyjson.h>

#define HEADERS_MAX 100

/* libcurl's own, or ones that would say something about the connection or another host. */
static const char *const reserved[] = { "host", "content-length", "transfer-encoding",
	"connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer",
	"upgrade", "expect", "http2-settings" };

static enum stage_result refuse(
	struct stage_ctx *ctx, const char *param, const struct template_why *why)
{
	return stage_fail(ctx, why->no_memory ? STAGE_TRANSIENT : STAGE_PERMANENT, "/%s: %s",
		param, why->text);
}

/* ---- secrets ---- */

static bool note_secrets(struct call_def *def, const struct template *template)
{
	for (size_t i = 0; i < template->count; i++) {
		const struct secret **more;

		if (template->pieces[i].secret == NULL)
			continue;
		more = realloc(def->secrets, (def->secret_count + 1) * sizeof(*more));
		if (more == NULL)
			return false;
		def->secrets = more;
		def->secrets[def->secret_count++] = template->pieces[i].secret;
	}
	return true;
}

void call_def_blank(const struct call_def *def, char *bytes, size_t len)
{
	for (size_t i = 0; i < def->secret_count; i++)
		secret_blank(def->secrets[i], bytes, len);
}

/* ---- headers ---- */

static bool is_token(const char *name, size_t len)
{
	return len > 0 && len < 128 && strlen(name) == len &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    "!#$%&'*+-.^_`|~") == len;
}

static bool is_reserved(const char *name)
{
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strcasecmp(name, reserved[i]) == 0)
			return true;
	return false;
}

static enum stage_result add_header(
	struct call_def *def, yyjson_val *name, yyjson_val *value, struct stage_ctx *ctx)
{
	struct call_header *header = &def->headers[def->header_count];
	const char *text = yyjson_get_str(name);
	struct template_why why;
	char place[160];

	if (!is_token(text, yyjson_get_len(name)))
		return stage_fail(ctx, STAGE_PERMANENT,
			"/headers: '%.60s' cannot be the name of a header", text);
	if (is_reserved(text))
		return stage_fail(ctx, STAGE_PERMANENT,
			"/headers/%s: is a header that the server sends by itself", text);
	if (!yyjson_is_str(value))
		return stage_fail(ctx, STAGE_PERMANENT, "/headers/%s: must be a string", text);
	snprintf(place, sizeof(place), "headers/%s", text);
	header->name = strdup(text);
	if (header->name == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	def->header_count++;
	if (template_parse(&header->value, yyjson_get_str(value), yyjson_get_len(value),
		    TEMPLATE_HEADER, &def->config->secrets, &why) < 0)
		return refuse(ctx, place, &why);
	for (size_t i = 0; i < header->value.count; i++)
		for (const char *at = header->value.pieces[i].text; *at != '\0'; at++)
			if (((unsigned char)*at < ' ' && *at != '\t') || *at == 127)
				return stage_fail(
					ctx, STAGE_PERMANENT, "/%s: must be one line", place);
	header->sensitive = header->value.has_secrets ||
			    strcasecmp(text, "authorization") == 0 ||
			    strcasecmp(text, "cookie") == 0;
	if (strcasecmp(text, "content-type") == 0)
		def->content_type = NULL;
	return note_secrets(def, &header->value)
		       ? STAGE_OK
		       : stage_fail(ctx, STAGE_TRANSIENT, "no memory");
}

static enum stage_result read_headers(struct call_def *def, struct stage_ctx *ctx)
{
	const char *json = def->headers_json != NULL ? def->headers_json : "{}";
	yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
	yyjson_val *root = yyjson_doc_get_root(doc), *name;
	yyjson_obj_iter iter = yyjson_obj_iter_with(root);
	enum stage_result result = STAGE_OK;

	if (doc != NULL && (!yyjson_is_obj(root) || yyjson_obj_size(root) > HEADERS_MAX))
		result = stage_fail(ctx, STAGE_PERMANENT,
			"/headers: must be an object of up to %d headers, name to text",
			HEADERS_MAX);
	def->headers = calloc(yyjson_obj_size(root) + 1, sizeof(def->headers[0]));
	if (doc == NULL || def->headers == NULL)
		result = stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	while (result == STAGE_OK && (name = yyjson_obj_iter_next(&iter)) != NULL)
		result = add_header(def, name, yyjson_obj_iter_get_val(name), ctx);
	yyjson_doc_free(doc);
	return result;
}

/* ---- the URL ---- */

/* A host in which no value stands is checked now, and not at each item. */
static enum stage_result check_host(const struct call_def *def, struct stage_ctx *ctx)
{
	const struct template_piece *first = &def->url.pieces[0];
	bool alone = def->url.count == 1;
	const char *host = strstr(first->text, "://");
	char why[200], *copy;
	const char *mistake;
	struct target target;
	size_t len;
	CURLU *url;
	CURLUcode code;

	if (first->is_value || first->secret != NULL)
		return STAGE_OK;
	len = host == NULL ? 0 : (size_t)(host - first->text) + 3;
	len += host == NULL ? 0 : strcspn(first->text + len, "/?#");
	if (!alone && first->text[len] == '\0')
		return STAGE_OK;
	url = curl_url();
	copy = strndup(first->text, alone ? first->len : len);
	code = url == NULL || copy == NULL ? CURLUE_OUT_OF_MEMORY
					   : curl_url_set(url, CURLUPART_URL, copy, 0);
	if (code == CURLUE_OUT_OF_MEMORY)
		mistake = hosts_no_memory;
	else if (code != CURLUE_OK)
		mistake = "must be a URL such as https://api.example.com/users/{/id}";
	else
		mistake = hosts_check(&def->config->hosts, url, &target, why, sizeof(why));
	curl_url_cleanup(url);
	free(copy);
	if (mistake == NULL)
		return STAGE_OK;
	return stage_fail(ctx, mistake == hosts_no_memory ? STAGE_TRANSIENT : STAGE_PERMANENT,
		"/url: %s", mistake);
}

static enum stage_result read_url(struct call_def *def, struct stage_ctx *ctx)
{
	const struct call_config *config = def->config;
	struct template_why why;

	if (template_parse(&def->url, def->url_text, strlen(def->url_text), TEMPLATE_URL,
		    config->secrets_in_url ? &config->secrets : NULL, &why) < 0)
		return refuse(ctx, "url", &why);
	if (def->url.count == 0)
		return stage_fail(ctx, STAGE_PERMANENT, "/url: must not be empty");
	if (!note_secrets(def, &def->url))
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	return check_host(def, ctx);
}

/* ---- all ---- */

static enum stage_result limit(
	int64_t *value, int64_t max, const char *name, bool zero_is_max, struct stage_ctx *ctx)
{
	if (*value > max)
		return stage_fail(ctx, STAGE_PERMANENT,
			"/%s: must be at most %lld, which the operator has set", name,
			(long long)max);
	if (*value == 0 && zero_is_max)
		*value = max;
	return STAGE_OK;
}

enum stage_result call_def_open(struct call_def *def, struct stage_ctx *ctx)
{
	const struct call_config *config = stage_config(ctx);

	def->config = config;
	def->content_type = "application/json";
	if (config == NULL || config->shared == NULL)
		return stage_fail(
			ctx, STAGE_PERMANENT, "the server has no configuration of it");
	if (limit(&def->redirects, config->redirects_max, "redirects", false, ctx) !=
			STAGE_OK ||
		limit(&def->response_max, config->response_max, "response_max", true, ctx) !=
			STAGE_OK)
		return STAGE_FAILED;
	if (def->connect_timeout_ms == 0)
		def->connect_timeout_ms = config->connect_timeout_ms;
	if (read_url(def, ctx) != STAGE_OK)
		return STAGE_FAILED;
	return read_headers(def, ctx);
}

enum stage_result call_def_body(
	struct call_def *def, const char *json, const char *text, struct stage_ctx *ctx)
{
	const struct secrets *secrets =
		def->config->secrets_in_body ? &def->config->secrets : NULL;
	struct template_why why = { 0 };

	if (json != NULL && text != NULL)
		return stage_fail(ctx, STAGE_PERMANENT, "/body_text: there is a body already");
	if (json != NULL &&
		template_parse_json(&def->body, json, strlen(json), secrets, &why) < 0)
		return refuse(ctx, "body", &why);
	if (text != NULL && template_parse(&def->body, text, strlen(text), TEMPLATE_TEXT,
				    secrets, &why) < 0)
		return refuse(ctx, "body_text", &why);
	if (text != NULL && def->content_type != NULL)
		def->content_type = "text/plain; charset=utf-8";
	def->has_body = json != NULL || text != NULL;
	return note_secrets(def, &def->body) ? STAGE_OK
					     : stage_fail(ctx, STAGE_TRANSIENT, "no memory");
}

void call_def_done(struct call_def *def)
{
	template_done(&def->url);
	template_done(&def->body);
	for (size_t i = 0; i < def->header_count; i++) {
		free(def->headers[i].name);
		template_done(&def->headers[i].value);
	}
	free(def->headers);
	free(def->secrets);
	def->headers = NULL;
	def->secrets = NULL;
	def->header_count = def->secret_count = 0;
}
