#include "client/page.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "client/shown.h"

#define PUT_MAX 512

void page_init(struct page *page, unsigned columns, bool color)
{
	*page = (struct page){ .columns = columns, .color = color };
}

void page_done(struct page *page)
{
	buf_done(&page->text);
}

static void append(struct page *page, const char *text)
{
	page->failed |= buf_append_str(&page->text, text) < 0;
}

static unsigned left(const struct page *page)
{
	return page->columns - page->used;
}

void page_cell(struct page *page, const char *text, unsigned columns)
{
	columns = MIN(columns, left(page));
	page->failed |= shown_cell(text, columns, &page->text) < 0;
	page->used += columns;
}

void page_right(struct page *page, const char *text, unsigned columns)
{
	unsigned wide = shown_columns(text);

	columns = MIN(columns, left(page));
	if (wide < columns)
		page_cell(page, "", columns - wide);
	page_cell(page, text, MIN(wide, columns));
}

void page_text(struct page *page, const char *text)
{
	struct buf shown = BUF_INIT;

	if (shown_text(text, &shown) < 0 || buf_append(&shown, "", 1) < 0)
		page->failed = true;
	else
		page_cell(page, shown.data, shown_columns(shown.data));
	buf_done(&shown);
}

void page_put(struct page *page, const char *format, ...)
{
	char text[PUT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	page_cell(page, text, shown_columns(text));
}

void page_bar(struct page *page, double share, unsigned columns, bool blocks)
{
	unsigned full;

	columns = MIN(columns, left(page));
	full = (unsigned)(MIN(MAX(share, 0.0), 1.0) * columns + 0.5);
	/* Something is not nothing, and not all is not all. */
	if (share > 0 && full == 0 && columns > 0)
		full = 1;
	if (share < 1 && full == columns && columns > 0)
		full = columns - 1;
	for (unsigned i = 0; i < columns; i++)
		append(page, i < full ? (blocks ? "█" : "#") : (blocks ? "░" : "."));
	page->used += columns;
}

void page_style(struct page *page, const char *style)
{
	if (!page->color)
		return;
	append(page, "\033[");
	append(page, style != NULL ? style : "");
	append(page, "m");
}

void page_line(struct page *page)
{
	append(page, "\n");
	page->used = 0;
	page->lines++;
}
