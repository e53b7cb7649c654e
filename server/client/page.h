/*
 * page: lines of text that are never wider than the screen.
 *
 * What is put is cut at the last column, and cells keep columns in line whatever stands in
 * them (client/shown.h). Styles are those of ECMA-48 ("1" bold, "31" red) and take no room;
 * without colour they are left out.
 *
 *	page_init(&page, 80, true)
 *	page_style(&page, "1"); page_cell(&page, name, 20); page_style(&page, NULL);
 *	page_put(&page, "%u of %u", 3, 4); page_line(&page);
 *	page.text, page.failed                    all of it, or some found no memory
 *
 * Thread: one.
 */
#ifndef LEAT_CLIENT_PAGE_H
#define LEAT_CLIENT_PAGE_H

#include <stdbool.h>

#include "base/buf.h"

struct page {
	struct buf text;
	unsigned columns, used; /* of this line */
	unsigned lines;
	bool color, failed;
};

void page_init(struct page *page, unsigned columns, bool color);
void page_done(struct page *page);
/* Plain text of our own, cut where the line ends. */
void page_put(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Text of others, made harmless; the cell is `columns` wide, less at the end of the line. */
void page_cell(struct page *page, const char *text, unsigned columns);
/* The same on the right side of its cell. */
void page_right(struct page *page, const char *text, unsigned columns);
/* Text of others, as long as it is. */
void page_text(struct page *page, const char *text);
/* A bar, `share` 0 to 1 of it full; with `blocks` of U+2588 and U+2591, else of # and dots. */
void page_bar(struct page *page, double share, unsigned columns, bool blocks);
/* NULL: as usual again. */
void page_style(struct page *page, const char *style);
/* The end of the line. */
void page_line(struct page *page);

#endif
