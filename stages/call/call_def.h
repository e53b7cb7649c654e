/*
 * call_def: what a job says of its requests: method, URL, headers, body as templates, and
 * limits; shared by `http` and `http-pages`, whose tables begin with CALL_PARAMS.
 *
 * What can be checked without an item is checked when the job is made: a template's grammar,
 * the names of headers and secrets, and, where no value stands in it, the URL's host.
 */
#ifndef LEAT_CALL_DEF_H
#define LEAT_CALL_DEF_H

#include "call/call_config.h"
#include "call/template.h"

struct call_header {
	char *name;
	struct template value;
	bool sensitive; /* not for another origin that a redirect leads to */
};

struct call_def {
	/* the table's */
	const char *method, *url_text, *headers_json, *version;
	int64_t connect_timeout_ms, redirects, response_max;

	/* made of them */
	const struct call_config *config;
	struct template url;
	struct call_header *headers;
	size_t header_count;
	bool has_body;
	struct template body;
	const char *content_type;      /* of the body, NULL: a header says it */
	const struct secret **secrets; /* all that any template holds */
	size_t secret_count;
};

/* A table. */
/* clang-format off */
#define CALL_PARAMS(type, def)                                                                            \
	{ "url", STAGE_STRING, .required = 1,                                                             \
		.doc = "where to, a template: https://api.example.com/users/{/id}",                       \
		.offset = offsetof(type, def.url_text) },                                                 \
		{ "headers", STAGE_JSON, .doc = "headers to send: name to template",                      \
			.offset = offsetof(type, def.headers_json),                                       \
			.schema =                                                                         \
				"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}" }, \
		{ "redirects", STAGE_INT, .def = "0", .min = 0, .max = 50,                                \
			.doc = "how many redirects to follow, each to an allowed host only",              \
			.offset = offsetof(type, def.redirects) },                                        \
		{ "connect_timeout_ms", STAGE_INT, .def = "0", .min = 0, .max = 600000,                   \
			.doc = "how long connecting may take; 0: as the operator says",                   \
			.offset = offsetof(type, def.connect_timeout_ms) },                               \
		{ "response_max", STAGE_INT, .def = "0", .min = 0, .max = 1073741824,                     \
			.doc = "bytes of a response's body; 0: as many as the operator allows",           \
			.offset = offsetof(type, def.response_max) },                                     \
	{                                                                                                 \
		"version", STAGE_STRING,                                                                  \
			.def = "auto", .choices = "auto|1.1",                                           \
			.doc = "of HTTP; auto: 2 where a server with TLS has it, else 1.1",         \
			.offset = offsetof(type, def.version)                                             \
	}
/* clang-format on */

/* stage_fail() says what is wrong with "/url: …". call_def_done() is right in any case. */
enum stage_result call_def_open(struct call_def *def, struct stage_ctx *ctx);
/* The body, once `open` was fine: `json` a JSON text whose strings are templates, or `text` a
 * template of its own; at most one of them. */
enum stage_result call_def_body(
	struct call_def *def, const char *json, const char *text, struct stage_ctx *ctx);
void call_def_done(struct call_def *def);
/* Overwrite the job's secrets in what came from outside. */
void call_def_blank(const struct call_def *def, char *bytes, size_t len);

#endif
