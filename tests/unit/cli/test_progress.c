/* The progress line for some counts and widths. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "base/mem.h"
#include "cli/progress.h"

static const struct {
	struct progress_counts counts;
	double rate;
	unsigned columns;
	const char *text;
} lines[] = {
	{ { .done = 0, .share = -1 }, 0, 80, "0 items  0/s" },
	{ { .done = 999, .share = -1 }, 12.9, 80, "999 items  12/s" },
	{ { .done = 1234567, .failed = 1000, .share = -1 }, 81250, 80,
		"1,234,567 items  81,250/s  1,000 failed" },
	{ { .done = 100000, .total = 200000, .share = 0.5 }, 81250, 100,
		"[##########..........]  50 %  100,000 of 200,000 items  81,250/s" },
	{ { .done = 200000, .total = 200000, .share = 1 }, 1, 100,
		"[####################] 100 %  200,000 of 200,000 items  1/s" },
	{ { .done = 5, .share = 1.7 }, 1, 100, "[####################] 100 %  5 items  1/s" },
	{ { .done = 1234567, .share = -1 }, 5, 11, "1,234,567 " },
};

Test(progress, says_how_far_it_is_in_one_line)
{
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char text[256];

		progress_text(
			&lines[i].counts, lines[i].rate, lines[i].columns, text, sizeof(text));
		cr_assert(eq(str, text, (char *)lines[i].text));
	}
}
