#include "http/document.h"

#include <string.h>

#include "base/json_parse.h"
#include "base/mem.h"
#include "http/body.h"
#include "http/negotiate.h"

#define SMALL ((uint64_t)64 << 10)

struct document {
	struct body body;
	struct buf text;
};

static int too_large(struct request *request, struct error *err)
{
	return error_set(err, ERR_BODY_TOO_LARGE,
		"the body has more than the %zu bytes allowed",
		request_config(request)->body_max);
}

static int check_type(struct request *request, struct error *err)
{
	const char *type = request_header(request, "Content-Type");
	enum media media = media_parse(type);

	if (media == MEDIA_NONE || media == MEDIA_JSON || media == MEDIA_FORM)
		return 0;
	return error_set(err, ERR_MEDIA_TYPE,
		"Content-Type '%.80s' is not understood here; send application/json in UTF-8",
		type);
}

/* Small ones pass always: by them one makes room. */
static int check_memory(struct request *request, struct error *err)
{
	uint64_t needed = body_memory(request_header(request, "Content-Encoding"));

	if (request->body_left != UINT64_MAX)
		needed += request->body_left;
	return needed <= SMALL ? 0 : engine_needs_memory(request_engine(request), needed, err);
}

static int open_document(struct request *request, struct error *err)
{
	struct document *document;

	if (check_type(request, err) < 0)
		return -1;
	if (request->body_left != UINT64_MAX &&
		request->body_left > request_config(request)->body_max)
		return too_large(request, err);
	if (check_memory(request, err) < 0)
		return -1;
	document = mem_zalloc(sizeof(*document));
	if (document == NULL)
		return error_no_memory(err);
	if (body_open(&document->body, request_header(request, "Content-Encoding"),
		    request_config(request)->ratio_max, err) < 0) {
		mem_free(document);
		return -1;
	}
	request->state = document;
	return 0;
}

void document_begin(struct request *request)
{
	struct error err;

	if (open_document(request, &err) < 0)
		request_reply_problem(request, &err, NULL);
}

static int append_body(struct request *request, struct document *document, const char *bytes,
	size_t len, struct error *err)
{
	const char *piece;
	size_t piece_len;
	int got;

	body_feed(&document->body, bytes, len);
	while ((got = body_next(&document->body, &piece, &piece_len, err)) > 0) {
		if (document->text.len + piece_len > request_config(request)->body_max)
			return too_large(request, err);
		if (buf_append(&document->text, piece, piece_len) < 0)
			return error_no_memory(err);
	}
	return got;
}

bool document_body(struct request *request, const char *bytes, size_t len)
{
	struct error err;

	if (append_body(request, request->state, bytes, len, &err) < 0)
		request_reply_problem(request, &err, NULL);
	return true;
}

static json_t *take(struct request *request, bool may_be_empty)
{
	struct document *document = request->state;
	struct error err;
	json_t *json = NULL;

	error_no_memory(&err);
	if (may_be_empty && document->text.len == 0 && document->body.in == 0)
		json = json_object();
	else if (body_end(&document->body, &err) == 0)
		json = json_parse(
			document->text.data, document->text.len, JSON_REJECT_DUPLICATES, &err);
	if (json == NULL)
		request_reply_problem(request, &err, NULL);
	return json;
}

json_t *document_take(struct request *request)
{
	return take(request, false);
}

json_t *document_take_or_empty(struct request *request)
{
	return take(request, true);
}

void document_end(struct request *request)
{
	struct document *document = request->state;

	if (document == NULL)
		return;
	body_close(&document->body);
	buf_done(&document->text);
	mem_free(document);
	request->state = NULL;
}
