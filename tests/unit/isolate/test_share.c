/* share: a report may hold anything, and nothing of it leads out of the shared memory. */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "isolate/share.h"

static struct share share;

static void set_up(void)
{
	struct error err;

	cr_assert_eq(share_init(&share, 1000, 100000, &err), 0, "%s", err.text);
}

static void tear_down(void)
{
	share_done(&share);
}

TestSuite(share, .init = set_up, .fini = tear_down);

Test(share, there_is_room_for_what_an_item_may_become)
{
	cr_expect_geq(share.order_size, SHARE_TEXT_SOFT + 100000);
	cr_expect_geq(share.report_size, SHARE_TEXT_SOFT + 100000 + SHARE_PIECES_MAX);
	share.order_texts[share.order_size - 1] = 'x';
	share.report_texts[share.report_size - 1] = 'x';
}

Test(share, an_outcome_follows_the_one_before)
{
	static const struct {
		struct share_outcome outcome;
		bool right;
	} cases[] = {
		{ { SHARE_DONE, 0, 5, 2 }, true },
		{ { SHARE_DONE, 0, 5, 0 }, true },
		{ { SHARE_DONE, 0, 4, 2 }, false },
		{ { SHARE_DONE, 0, 6, 2 }, false },
		{ { SHARE_DONE, 0, 5, SHARE_PIECES_MAX }, true },
		{ { SHARE_DONE, 0, 5, SHARE_PIECES_MAX + 1 }, false },
		{ { SHARE_DONE, 0, 5, UINT32_MAX }, false },
		{ { SHARE_FAILED, 1, 77, 77 }, true },
		{ { 0, 0, 5, 2 }, false },
		{ { 3, 0, 5, 2 }, false },
		{ { UINT32_MAX, 0, 5, 2 }, false },
	};
	struct share_outcome outcome;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		share.report->outcomes[3] = cases[i].outcome;
		cr_expect_eq(share_read_outcome(&share, 3, 5, &outcome), cases[i].right,
			"case %zu", i);
	}
	/* Behind the last piece there is none. */
	share.report->outcomes[3] =
		(struct share_outcome){ SHARE_DONE, 0, ARRAY_SIZE(share.report->pieces), 1 };
	cr_expect_not(
		share_read_outcome(&share, 3, ARRAY_SIZE(share.report->pieces), &outcome));
}

Test(share, a_piece_lies_in_the_texts)
{
	const uint32_t size = share.report_size;
	const struct {
		struct share_piece piece;
		bool right;
	} cases[] = {
		{ { 0, 1 }, true },
		{ { 0, size }, true },
		{ { size - 1, 1 }, true },
		{ { SHARE_INPUT, 0 }, true },
		{ { 0, 0 }, false },
		{ { size, 1 }, false },
		{ { 1, size }, false },
		{ { size - 1, 2 }, false },
		{ { UINT32_MAX - 1, 2 }, false },
		{ { 5, UINT32_MAX }, false },
		{ { UINT32_MAX - 5, UINT32_MAX }, false },
	};
	struct share_piece piece;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		share.report->pieces[9] = cases[i].piece;
		cr_expect_eq(
			share_read_piece(&share, 9, 0, &piece), cases[i].right, "case %zu", i);
	}
}

Test(share, texts_do_not_overlap)
{
	struct share_piece piece;

	share.report->pieces[9] = (struct share_piece){ 100, 50 };
	cr_expect(share_read_piece(&share, 9, 100, &piece));
	cr_expect_not(share_read_piece(&share, 9, 101, &piece));
	cr_expect_not(share_read_piece(&share, 9, 150, &piece));
}

Test(share, a_reason_is_text_and_ends)
{
	char why[SHARE_WHY_MAX];

	memset(share.report->why, 'x', sizeof(share.report->why));
	share_read_why(&share, 0, why);
	cr_expect_eq(strlen(why), SHARE_WHY_MAX - 1);
	strcpy(share.report->why[1], "a\nb\xff\xc3");
	share_read_why(&share, 1, why);
	cr_expect_str_eq(why, "a?b??");
}

Test(share, nothing_of_garbage_leads_out)
{
	unsigned char *bytes = (unsigned char *)share.report;
	struct share_outcome outcome;
	struct share_piece piece;
	uint64_t state = 20260101;
	unsigned long sum = 0;

	for (int round = 0; round < 50; round++) {
		for (size_t at = 0; at < offsetof(struct share_report, pieces) + 65536; at++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			/* Mostly small numbers: they are the ones that nearly fit. */
			bytes[at] = at % 4 < 3 - (unsigned)round % 3
					    ? (unsigned char)(state >> 56)
					    : 0;
		}
		for (unsigned at = 0; at < SHARE_ITEMS_MAX; at++)
			if (share_read_outcome(&share, at, (uint32_t)(state >> 60), &outcome) &&
				outcome.fate == SHARE_DONE && outcome.count > 0)
				sum += share.report->pieces[outcome.first + outcome.count - 1]
					       .off;
		for (unsigned at = 0; at < 8192; at++)
			if (share_read_piece(&share, at, (uint32_t)round, &piece) &&
				piece.off != SHARE_INPUT)
				sum += (unsigned char)
					       share.report_texts[piece.off + piece.len - 1];
	}
	cr_expect_geq(sum, 0u);
}

Test(share, what_a_large_item_leaves_is_given_back)
{
	share.report_texts[share.report_size - 1] = 'x';
	share.report_texts[0] = 'y';
	share.report_swollen = true;
	share_trim(&share);
	cr_expect_eq(share.report_texts[0], 'y');
	cr_expect_not(share.report_swollen);
}

Test(share, the_order_can_be_had_for_reading_only)
{
	struct share other;
	struct error err;
	int order = share_order_readonly(&share), report = dup(share.report_fd);

	share.order->count = 3;
	cr_assert_eq(share_map(&other, order, report, &err), 0, "%s", err.text);
	cr_expect_eq(other.order->count, 3);
	other.report->stop = SHARE_FULL;
	cr_expect_eq(share.report->stop, SHARE_FULL);
	cr_expect_lt(write(order, "x", 1), 0);
	share_done(&other);
}

Test(share, other_descriptors_are_refused)
{
	struct share other;
	struct error err;

	cr_expect_lt(share_map(&other, dup(0), dup(0), &err), 0);
}
