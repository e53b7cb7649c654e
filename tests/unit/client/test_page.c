/* Lines that are never wider than the screen. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "client/page.h"
#include "client/shown.h"

static void expect_page(struct page *page, const char *text)
{
	cr_assert(page->failed == false);
	cr_assert(buf_append(&page->text, "", 1) == 0);
	cr_assert(eq(str, page->text.data, (char *)text));
	page_done(page);
}

Test(page, what_does_not_fit_is_cut)
{
	struct page page;

	page_init(&page, 8, false);
	page_put(&page, "%d of %d", 3, 4);
	page_line(&page);
	page_put(&page, "123456789");
	page_put(&page, "more");
	page_line(&page);
	page_cell(&page, "name", 6);
	page_right(&page, "17", 6);
	page_line(&page);
	cr_assert(eq(uint, page.lines, 3));
	expect_page(&page, "3 of 4\n1234567…\nname  17\n");
}

Test(page, styles_take_no_room_and_are_left_out_without_colour)
{
	struct page page;

	for (int color = 0; color < 2; color++) {
		page_init(&page, 2, color == 1);
		page_style(&page, "1");
		page_put(&page, "ab");
		page_style(&page, NULL);
		page_line(&page);
		expect_page(&page, color == 1 ? "\033[1mab\033[m\n" : "ab\n");
	}
}

static const struct {
	double share;
	const char *bar;
} bars[] = {
	{ 0, "....." },
	{ 0.001, "#...." },
	{ 0.5, "###.." },
	{ 0.999, "####." },
	{ 1, "#####" },
	{ 7, "#####" },
	{ -1, "....." },
};

Test(page, a_bar_is_empty_or_full_only_when_it_is)
{
	for (size_t i = 0; i < sizeof(bars) / sizeof(bars[0]); i++) {
		struct page page;

		page_init(&page, 80, false);
		page_bar(&page, bars[i].share, 5, false);
		expect_page(&page, bars[i].bar);
	}
}

Test(page, texts_of_others_are_harmless_in_it)
{
	struct page page;

	page_init(&page, 80, true);
	page_text(&page, "\033[2J");
	page_cell(&page, "\a", 5);
	expect_page(&page, "\\x1b[2J\\x07 ");
}
