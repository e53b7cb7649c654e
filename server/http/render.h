/*
 * render: values of a job as clients read them.
 *
 *	RENDER_LINES  a value a line
 *	RENDER_PAGE   {"items":[…],"next":CURSOR,"done":…}, written value by value
 *	RENDER_EVENTS server-sent events, whose id is the cursor
 *	RENDER_CSV    rows (results only)
 *
 * Thread: any.
 */
#ifndef LEAT_HTTP_RENDER_H
#define LEAT_HTTP_RENDER_H

#include <stdbool.h>

#include "base/buf.h"
#include "engine/reader.h"
#include "http/sheet.h"

enum render_form { RENDER_LINES, RENDER_PAGE, RENDER_EVENTS, RENDER_CSV };

struct render {
	const struct job *job;
	enum ledger_log log;
	enum render_form form;
	bool envelope; /* results: with cursor and item number */
	bool first;    /* of a page: nothing stands before it */
	struct sheet sheet;
};

/* The media type. */
const char *render_type(const struct render *render);
void render_done(struct render *render);
/* One value; -1 without memory, or where a failure's record is damaged. */
int render_value(struct render *render, const struct page_line *line, struct buf *to);
int render_begin(struct render *render, struct buf *to);
/* `next` NULL: there is no cursor yet. */
int render_end(struct render *render, const char *next, bool done, struct buf *to);

/* Append a JSON string with its quotes; what is not UTF-8 becomes U+FFFD. */
int render_string(struct buf *to, const char *text, size_t len);

#endif
