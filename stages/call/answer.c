#include "call/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <yyjson.h>

#define DEPTH_MAX 512 /* an item may have 1,024, and this will be a part of one */

static int fail(const struct exchange *exchange, enum stage_failure kind, const char *text,
	struct exchange_failure *ret)
{
	ret->kind = kind;
	snprintf(ret->text, sizeof(ret->text), "%.100s: %.180s", exchange->target.host, text);
	return -1;
}

/* application/json, application/problem+json; text/json. */
static bool says_json(const struct exchange *exchange)
{
	const char *type = NULL, *end;

	curl_easy_getinfo(exchange->easy, CURLINFO_CONTENT_TYPE, &type);
	if (type == NULL)
		return false;
	end = type + strcspn(type, "; \t");
	return (end - type >= 5 && strncasecmp(end - 5, "/json", 5) == 0) ||
	       (end - type >= 5 && strncasecmp(end - 5, "+json", 5) == 0);
}

/* Valid JSON is a precondition. */
static bool is_shallow(const char *at, size_t len)
{
	const char *end = at + len;
	int depth = 0;

	while (at < end) {
		if (*at == '"') {
			at = stage_skip_string(at + 1, end);
			continue;
		}
		depth += *at == '{' || *at == '[';
		depth -= *at == '}' || *at == ']';
		if (depth > DEPTH_MAX)
			return false;
		at++;
	}
	return true;
}

static int put_json(
	const struct exchange *exchange, struct stage_text *to, struct exchange_failure *ret)
{
	const char *begin = exchange->answer.at;
	size_t len = exchange->answer.len;
	yyjson_read_err err;
	yyjson_doc *doc;
	char text[160];

	while (len > 0 && stage_is_blank(*begin))
		begin++, len--;
	while (len > 0 && stage_is_blank(begin[len - 1]))
		len--;
	if (len == 0)
		return stage_text_puts(to, "null"), 0;
	doc = yyjson_read_opts(
		(char *)(uintptr_t)begin, len, YYJSON_READ_NUMBER_AS_RAW, NULL, &err);
	yyjson_doc_free(doc);
	if (doc == NULL && err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		return fail(exchange, STAGE_TRANSIENT, "no memory", ret);
	if (doc == NULL) {
		snprintf(text, sizeof(text), "the response is no JSON: %s at byte %zu", err.msg,
			err.pos);
		return fail(exchange, STAGE_PERMANENT, text, ret);
	}
	if (!is_shallow(begin, len))
		return fail(exchange, STAGE_PERMANENT, "the response is nested deeper than 512",
			ret);
	stage_text_put(to, begin, len);
	return 0;
}

int answer_put_body(const struct exchange *exchange, enum answer_parse parse,
	struct stage_text *to, struct exchange_failure *ret)
{
	int done = 0;

	if (parse == ANSWER_JSON || (parse == ANSWER_AUTO && says_json(exchange)))
		done = put_json(exchange, to, ret);
	else
		text_json(to, exchange->answer.at, exchange->answer.len);
	if (done == 0 && to->no_memory)
		done = fail(exchange, STAGE_TRANSIENT, "no memory", ret);
	return done;
}

/* All of that name in one, as RFC 9110 reads it. */
static void put_header(const struct exchange *exchange, const struct curl_header *header,
	struct stage_text *to)
{
	struct stage_text value = { 0 };
	struct curl_header *each;

	for (size_t i = 0; i < header->amount; i++) {
		if (curl_easy_header(exchange->easy, header->name, i, CURLH_HEADER, -1,
			    &each) != CURLHE_OK)
			break;
		stage_text_puts(&value, i > 0 ? ", " : "");
		stage_text_puts(&value, each->value);
	}
	if (stage_text_end(&value) == NULL) {
		to->no_memory = true;
	} else {
		call_def_blank(exchange->def, value.at, value.len);
		text_json(to, value.at, value.len);
	}
	stage_text_done(&value);
}

static void put_name(const char *name, struct stage_text *to)
{
	char lower[200];
	size_t len = strlen(name);

	if (len >= sizeof(lower))
		len = sizeof(lower) - 1;
	for (size_t i = 0; i < len; i++)
		lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20 : name[i]);
	text_json(to, lower, len);
}

static void put_headers(const struct exchange *exchange, struct stage_text *to)
{
	struct curl_header *header = NULL;
	bool any = false;

	stage_text_puts(to, "{");
	while ((header = curl_easy_nextheader(exchange->easy, CURLH_HEADER, -1, header)) !=
		NULL) {
		if (header->index != 0)
			continue;
		stage_text_puts(to, any ? "," : "");
		put_name(header->name, to);
		stage_text_puts(to, ":");
		put_header(exchange, header, to);
		any = true;
	}
	stage_text_puts(to, "}");
}

int answer_put(const struct exchange *exchange, enum answer_parse parse, struct stage_text *to,
	struct exchange_failure *ret)
{
	stage_text_format(to, "{\"status\":%ld,\"headers\":", exchange->status);
	put_headers(exchange, to);
	stage_text_puts(to, ",\"body\":");
	if (answer_put_body(exchange, parse, to, ret) < 0)
		return -1;
	stage_text_puts(to, "}");
	return to->no_memory ? fail(exchange, STAGE_TRANSIENT, "no memory", ret) : 0;
}
