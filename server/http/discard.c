#include "http/discard.h"

#include "base/buf.h"
#include "base/clock.h"
#include "http/caller.h"
#include "http/internal.h"
#include "http/request.h"

#define PATIENCE_BYTES ((uint64_t)8 << 20) /* thrown away before the reply is sent past */
#define PATIENCE_NS    (250 * NS_PER_MS)

static enum MHD_Result add_header(
	void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
	return buf_printf(arg, "%s: %s\r\n", key, value) < 0 ? MHD_NO : MHD_YES;
}

static bool reply_past(struct request *request)
{
	struct buf bytes = BUF_INIT;
	bool sent;

	if (request->text == NULL)
		return false;
	sent = buf_printf(&bytes,
		       "HTTP/1.1 %u %s\r\nContent-Length: %zu\r\nConnection: close\r\n",
		       request->status, MHD_get_reason_phrase_for(request->status),
		       request->text_len) == 0;
	if (sent)
		MHD_get_response_headers(request->response, add_header, &bytes);
	sent = sent && buf_append_str(&bytes, "\r\n") == 0 &&
	       buf_append(&bytes, request->text, request->text_len) == 0 &&
	       caller_send_last(request->connection, bytes.data, bytes.len);
	buf_done(&bytes);
	return sent;
}

static bool is_patient(const struct request *request, uint64_t now_ns)
{
	uint64_t left = request->body_left == UINT64_MAX ? 0 : request->body_left;

	return request->discarded + left <= PATIENCE_BYTES &&
	       now_ns - request->discard_since_ns < PATIENCE_NS;
}

static bool is_over(const struct request *request, uint64_t now_ns)
{
	const struct http_config *config = request_config(request);

	return request->discarded > config->discard_max ||
	       now_ns - request->discard_since_ns > config->discard_ms * NS_PER_MS;
}

enum MHD_Result discard(struct request *request, size_t *len)
{
	uint64_t now_ns = clock_mono_ns();

	if (request->discard_since_ns == 0)
		request->discard_since_ns = now_ns;
	request->discarded += *len;
	if (request->body_left != UINT64_MAX)
		request->body_left -= *len;
	*len = 0;
	if (is_over(request, now_ns))
		return MHD_NO;
	if (!request->early && request->response != NULL && !is_patient(request, now_ns)) {
		if (!reply_past(request))
			return MHD_NO;
		request->early = true;
	}
	return MHD_YES;
}

bool discard_is_late(struct request *request, uint64_t now_ns)
{
	if (!request->in_body || request->finished || request->response == NULL)
		return false;
	if (request->discard_since_ns == 0)
		request->discard_since_ns = now_ns; /* no more of it has come since */
	return !is_patient(request, now_ns);
}

void discard_in_time(struct request *request, uint64_t now_ns)
{
	if (is_over(request, now_ns))
		caller_cut(request->connection); /* the library notices and ends it */
	else if (!request->early)
		request->early = reply_past(request);
}
