#include "http/sse.h"

#include <string.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "http/internal.h"

void sse_start(struct sse *sse, struct request *request)
{
	sse->request = request;
	request_reply_stream(request, 200, "text/event-stream");
	request_set_header(request, "Cache-Control", "no-store");
}

void sse_done(struct sse *sse)
{
	buf_done(&sse->out);
}

int sse_append(struct buf *to, const char *event, const char *id, json_t *json)
{
	size_t before = to->len;
	int result = -1;

	if (buf_printf(to, "event: %s\nid: %s\ndata: ", event, id) == 0 &&
		json_append_text(json, JSON_COMPACT | json_text_reals(json), to) == 0)
		result = buf_append(to, "\n\n", 2);
	json_decref(json);
	if (result < 0)
		to->len = before;
	return result;
}

/* Copy out what fits. */
static ssize_t drain(struct sse *sse, char *to, size_t max)
{
	size_t len = MIN(sse_waiting(sse), max);

	memcpy(to, sse->out.data + sse->at, len);
	sse->at += len;
	if (sse->at == sse->out.len) {
		buf_done(&sse->out); /* an idle stream keeps nothing */
		sse->at = 0;
	} else if (sse->at > sse->out.len / 2) {
		buf_consume(&sse->out, sse->at);
		sse->at = 0;
	}
	return (ssize_t)len;
}

ssize_t sse_read(struct sse *sse, char *to, size_t max)
{
	if (sse->out.len == 0 && sse->last)
		return READ_END;
	if (sse->out.len == 0 && sse->comment && buf_append_str(&sse->out, SSE_COMMENT) < 0)
		return READ_CUT;
	sse->comment = false;
	if (sse->out.len == 0)
		return READ_IDLE;
	sse->said_ns = clock_mono_ns();
	return drain(sse, to, max);
}

size_t sse_waiting(const struct sse *sse)
{
	return sse->out.len - sse->at;
}

bool sse_comment_due(const struct request *request, uint64_t now_ns, uint64_t *last_ns)
{
	if (now_ns - *last_ns < request_config(request)->sse_comment_ms * NS_PER_MS)
		return false;
	*last_ns = now_ns;
	return true;
}

void sse_tick(struct request *request, uint64_t now_ns)
{
	struct sse *sse = request->state;

	if (sse == NULL || !sse_comment_due(request, now_ns, &sse->said_ns))
		return;
	sse->comment = true;
	request_go_on(request);
}

void sse_quiesce(struct request *request)
{
	struct sse *sse = request->state;

	if (sse == NULL)
		return;
	sse->last = true;
	request_go_on(request);
}
