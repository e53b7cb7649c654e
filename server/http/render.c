#include "http/render.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "job/text.h"

const char *render_type(const struct render *render)
{
	static const char *const types[] = {
		[RENDER_LINES] = "application/x-ndjson",
		[RENDER_PAGE] = "application/json",
		[RENDER_EVENTS] = "text/event-stream",
		[RENDER_CSV] = "text/csv; charset=utf-8; header=absent",
	};

	if (render->form == RENDER_CSV && render->sheet.header)
		return "text/csv; charset=utf-8; header=present";
	return types[render->form];
}

void render_done(struct render *render)
{
	sheet_done(&render->sheet);
}

static int append_char(struct buf *to, const char *at, size_t len)
{
	unsigned char c = (unsigned char)*at;

	if (len == 0)
		return buf_append_str(to, "\xef\xbf\xbd");
	if (c == '"' || c == '\\')
		return buf_append(to, "\\", 1) < 0 ? -1 : buf_append(to, at, 1);
	if (c < 0x20)
		return buf_printf(to, "\\u%04x", c);
	return buf_append(to, at, len);
}

int render_string(struct buf *to, const char *text, size_t len)
{
	size_t step;

	if (buf_append(to, "\"", 1) < 0)
		return -1;
	for (size_t at = 0; at < len; at += MAX(step, (size_t)1)) {
		step = text_char_len(text + at, len - at);
		if (append_char(to, text + at, step) < 0)
			return -1;
	}
	return buf_append(to, "\"", 1);
}

static int append_cursor(const struct render *render, uint64_t seq, struct buf *to)
{
	char cursor[CURSOR_TEXT_SIZE];

	cursor_format(render->job, render->log, seq, cursor);
	return buf_append_str(to, cursor);
}

/* ---- one value, without what stands around it ---- */

static int append_envelope(
	const struct render *render, const struct page_line *line, struct buf *to)
{
	if (buf_append_str(to, "{\"cursor\":\"") < 0 ||
		append_cursor(render, line->seq, to) < 0 ||
		buf_printf(to, "\",\"item\":%llu,\"value\":", (unsigned long long)line->item) <
			0 ||
		buf_append(to, line->text, line->len) < 0)
		return -1;
	return buf_append(to, "}", 1);
}

static const char *stage_name(const struct render *render, unsigned stage)
{
	const struct definition *definition = job_definition(render->job);

	return stage < definition->stage_count ? definition->stages[stage].name : "";
}

static int append_failure(
	const struct render *render, const struct page_line *line, struct buf *to)
{
	struct failure_view view;
	struct error err;
	char at[32];

	if (failure_view(line->text, line->len, &view, &err) < 0)
		return -1;
	clock_format(view.head.at_ms, at);
	if (buf_append_str(to, "{\"cursor\":\"") < 0 ||
		append_cursor(render, line->seq, to) < 0 ||
		buf_printf(to,
			"\",\"item\":%llu,\"stage\":\"%s\",\"attempts\":%u,\"kind\":\"%s\",\"error\":",
			(unsigned long long)view.head.item, stage_name(render, view.head.stage),
			view.head.attempts,
			failure_kind_name((enum failure_kind)view.head.kind)) < 0 ||
		render_string(to, view.error, view.head.error_len) < 0 ||
		buf_append_str(to, ",\"input\":") < 0 ||
		buf_append(to, view.input, view.head.input_len) < 0)
		return -1;
	return buf_printf(to, ",\"at\":\"%s\"}", at);
}

static int append_bare(
	const struct render *render, const struct page_line *line, struct buf *to)
{
	if (render->log == LEDGER_FAILURES)
		return append_failure(render, line, to);
	if (render->envelope)
		return append_envelope(render, line, to);
	return buf_append(to, line->text, line->len);
}

/* ---- forms ---- */

/* A raw CR ends a line of an event stream; in JSON it can only be white space. */
static void blank_returns(struct buf *to, size_t from)
{
	char *at = to->data + from, *end = to->data + to->len;

	while ((at = memchr(at, '\r', (size_t)(end - at))) != NULL)
		*at = ' ';
}

static int append_event(
	const struct render *render, const struct page_line *line, struct buf *to)
{
	size_t from;

	if (buf_append_str(to, "id: ") < 0 || append_cursor(render, line->seq, to) < 0 ||
		buf_append_str(to, "\ndata: ") < 0)
		return -1;
	from = to->len;
	if (append_bare(render, line, to) < 0)
		return -1;
	blank_returns(to, from);
	return buf_append(to, "\n\n", 2);
}

int render_value(struct render *render, const struct page_line *line, struct buf *to)
{
	if (render->form == RENDER_EVENTS)
		return append_event(render, line, to);
	if (render->form == RENDER_PAGE) {
		if (!render->first && buf_append(to, ",\n", 2) < 0)
			return -1;
		render->first = false;
		return append_bare(render, line, to);
	}
	if (render->form == RENDER_CSV)
		return sheet_row(&render->sheet, line->text, line->len, to);
	return append_bare(render, line, to) < 0 ? -1 : buf_append(to, "\n", 1);
}

int render_begin(struct render *render, struct buf *to)
{
	render->first = true;
	if (render->form == RENDER_CSV)
		return sheet_begin(&render->sheet, to);
	return render->form == RENDER_PAGE ? buf_append_str(to, "{\"items\":[") : 0;
}

int render_end(struct render *render, const char *next, bool done, struct buf *to)
{
	if (render->form != RENDER_PAGE)
		return 0;
	if (next == NULL)
		return buf_printf(
			to, "],\"next\":null,\"done\":%s}\n", done ? "true" : "false");
	return buf_printf(
		to, "],\"next\":\"%s\",\"done\":%s}\n", next, done ? "true" : "false");
}
