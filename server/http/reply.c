/* The replies of http/request.h. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "http/guard.h"
#include "http/internal.h"
#include "http/problem.h"
#include "http/request.h"

#define JSON_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY)

static const char no_memory[] =
	"{\"type\":\"/problems/out-of-memory\",\"title\":\"Out of memory\",\"status\":503,"
	"\"detail\":\"not enough memory for this; try again later\"}\n";

/* Take a response, or close the connection if there was no memory even for that. */
static void give(struct request *request, unsigned status, struct MHD_Response *response)
{
	if (response == NULL) {
		request_cut(request);
		return;
	}
	request->response = response;
	request->status = status;
	guard_seal(request);
	rate_seal(request);
	FAULT_POINT("reply-given");
	request_go_on(request);
}

static bool is_late(const struct request *request)
{
	return request->connection == NULL || request_has_reply(request);
}

void request_reply_constant(struct request *request, unsigned status, const char *type,
	const char *text, size_t len)
{
	if (is_late(request))
		return;
	request->text = text;
	request->text_len = len;
	give(request, status,
		MHD_create_response_from_buffer(
			len, (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT));
	if (len > 0)
		request_set_header(request, "Content-Type", type);
}

void request_reply_text(
	struct request *request, unsigned status, const char *type, char *text, size_t len)
{
	struct MHD_Response *response;

	if (is_late(request)) {
		mem_free(text);
		return;
	}
	response = MHD_create_response_from_buffer_with_free_callback(len, text, mem_free);
	if (response == NULL)
		mem_free(text);
	request->text = text;
	request->text_len = len;
	give(request, status, response);
	request_set_header(request, "Content-Type", type);
}

void request_reply_empty(struct request *request, unsigned status)
{
	request_reply_constant(request, status, NULL, "", 0);
}

static void reply_no_memory(struct request *request)
{
	request_reply_constant(request, 503, PROBLEM_TYPE, no_memory, sizeof(no_memory) - 1);
}

/* As a text with a newline behind it, for the sake of terminals. */
static void reply_json(struct request *request, unsigned status, const char *type, json_t *json)
{
	struct buf text = BUF_INIT;

	if (json_append_text(json, JSON_FLAGS | json_text_reals(json), &text) < 0 ||
		buf_append(&text, "\n", 1) < 0) {
		buf_done(&text);
		reply_no_memory(request);
	} else {
		request_reply_text(request, status, type, text.data, text.len);
	}
	json_decref(json);
}

void request_reply_json(struct request *request, unsigned status, json_t *json)
{
	reply_json(request, status, "application/json", json);
}

/* What is our fault stands in the log; a client can cause it by the thousand. */
static void log_problem(struct request *request, const struct error *err)
{
	unsigned skipped;

	if (error_info(err->code)->status >= 500 &&
		log_allowed(&request->server->log_limit, 10, &skipped))
		log_warn("http_error", "status=%d path=%.200s err=\"%s\" skipped=%u",
			error_info(err->code)->status, request->target, err->text, skipped);
}

static void reply_problem(struct request *request, const struct error *err,
	const struct mistakes *mistakes, json_t *extra)
{
	log_problem(request, err);
	reply_json(request, (unsigned)error_info(err->code)->status, PROBLEM_TYPE,
		problem_to_json(err, request->target, mistakes, extra));
	if (err->code == ERR_QUEUE_FULL || err->code == ERR_BUSY ||
		err->code == ERR_RATE_LIMITED || err->code == ERR_TOO_MANY_JOBS)
		request_set_header(request, "Retry-After", "1");
	guard_challenge(request, err);
}

void request_reply_problem(
	struct request *request, const struct error *err, const struct mistakes *mistakes)
{
	const struct endpoint *endpoint = request->endpoint;
	unsigned failures = mem_failures();
	json_t *extra = NULL;

	if (is_late(request))
		return;
	if (endpoint != NULL && endpoint->extra != NULL)
		extra = endpoint->extra(request);
	/* Without its members a problem says something else. */
	if (extra == NULL && mem_failures() != failures)
		reply_no_memory(request);
	else
		reply_problem(request, err, mistakes, extra);
}

void request_reply_problem_with(struct request *request, const struct error *err, json_t *extra)
{
	if (is_late(request))
		json_decref(extra);
	else
		reply_problem(request, err, NULL, extra);
}

/* ---- streams ---- */

/*
 * The library has touched all of its buffer, of which nothing is in use while nothing is being
 * sent: give the whole pages in it back. They come again, zeroed, when they are written to.
 * Thousands of idle followers cost a quarter of the memory so.
 */
static void forget_pages(const char *from, size_t len)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t first = ((uintptr_t)from + page - 1) / page * page;
	uintptr_t end = ((uintptr_t)from + len) / page * page;

	if (first < end)
		madvise((void *)first, end - first, MADV_DONTNEED);
}

static ssize_t on_read(void *arg, uint64_t position, char *to, size_t max)
{
	struct request *request = arg;
	ssize_t len;

	if (request->gone || request->server->stopping)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	request->woken = false;
	len = request->endpoint->read(request, to, max);
	if (len == READ_END)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (len == READ_CUT || request->gone)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (len > 0) {
		request_count(request, 0, (uint64_t)len);
		return len;
	}
	if (len == READ_IDLE)
		forget_pages(to, max);
	request_suspend(request);
	return 0;
}

/* The library allocates that much, but writes chunks elsewhere; HTTP/1.0 knows no chunks. */
static size_t block_size(const struct request *request)
{
	return request->http_1_0 ? (size_t)32 << 10 : 64;
}

void request_reply_stream(struct request *request, unsigned status, const char *type)
{
	if (is_late(request))
		return;
	if (request->method == METHOD_HEAD) {
		request_reply_constant(request, status, type, "", 0);
		request_set_header(request, "Content-Type", type);
		return;
	}
	request->text = NULL;
	give(request, status,
		MHD_create_response_from_callback(
			MHD_SIZE_UNKNOWN, block_size(request), on_read, request, NULL));
	request_set_header(request, "Content-Type", type);
}

void request_set_header(struct request *request, const char *name, const char *value)
{
	if (request->response == NULL ||
		MHD_add_response_header(request->response, name, value) == MHD_YES)
		return;
	/* Without memory for it. The reply would say something else, in the worst case that
	 * what is packed is not: rather none. */
	request->text = NULL;
	request->text_len = 0;
	request->status = 0;
	MHD_destroy_response(TAKE(request->response));
	request_cut(request);
}

void request_set_header_of(
	struct request *request, unsigned status, const char *name, const char *value)
{
	if (request->status == status)
		request_set_header(request, name, value);
}

void request_set_trailer(struct request *request, const char *name, const char *value)
{
	if (request->response != NULL)
		MHD_add_response_footer(request->response, name, value);
}
