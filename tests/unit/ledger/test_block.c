/* The bytes of records: sealed, checked, refused when a bit is wrong. */
#include <criterion/criterion.h>

#include "fixture.h"

static void add_line(struct buf *block, const char *text)
{
	cr_assert_eq(buf_append(block, text, strlen(text) + 1), 0);
}

static void seal(struct buf *block, struct block_head head)
{
	memcpy(block->data, &head, sizeof(head));
	block_seal((struct block_head *)block->data, block->len - sizeof(head));
}

static struct buf lines_block(uint32_t count)
{
	struct block_head head = {
		.kind = BLOCK_LINES, .count = count, .number = 7, .first_item = 100
	};
	struct buf block = BUF_INIT;

	cr_assert_eq(buf_append(&block, &head, sizeof(head)), 0);
	add_line(&block, "{\"a\":1}");
	add_line(&block, "");
	add_line(&block, "[2]");
	seal(&block, head);
	return block;
}

static void add_retry(struct buf *block, const char *text, uint32_t len)
{
	struct retry_head head = { .item = 5, .part = 9, .len = len, .stage = 1 };

	cr_assert_eq(buf_append(block, &head, sizeof(head)), 0);
	add_line(block, text);
}

static void refused(const struct buf *block, size_t len, const char *why)
{
	struct block_head head;
	struct error err = { 0 };

	cr_expect_lt(block_check(block->data, len, &head, &err), 0);
	cr_expect_eq(err.code, ERR_STORE);
	cr_expect_not_null(strstr(err.text, why), "%s", err.text);
}

Test(block, a_sealed_block_is_read_back)
{
	struct buf block = lines_block(3);
	struct block_head head;

	cr_assert_eq(block_check(block.data, block.len, &head, NULL), 0);
	cr_expect_eq(head.count, 3);
	cr_expect_eq(head.number, 7);
	cr_expect_eq(head.first_item, 100);
	buf_done(&block);
}

Test(block, every_flipped_bit_of_the_texts_is_noticed)
{
	struct buf block = lines_block(3);
	struct block_head head;

	for (size_t bit = sizeof(head) * 8; bit < block.len * 8; bit++) {
		block.data[bit / 8] ^= (char)(1 << bit % 8);
		cr_expect_lt(block_check(block.data, block.len, &head, NULL), 0);
		block.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	cr_expect_eq(block_check(block.data, block.len, &head, NULL), 0);
	buf_done(&block);
}

Test(block, every_shorter_length_is_noticed)
{
	struct buf block = lines_block(3);
	struct block_head head;

	for (size_t len = 0; len < block.len; len++)
		cr_expect_lt(block_check(block.data, len, &head, NULL), 0, "at %zu", len);
	refused(&block, 31, "cut off");
	refused(&block, block.len - 1, "block 7 is damaged");
	buf_done(&block);
}

Test(block, the_count_must_be_what_the_texts_are)
{
	struct buf few = lines_block(2), many = lines_block(4), huge = lines_block(UINT32_MAX);

	refused(&few, few.len, "does not hold 2 texts");
	refused(&many, many.len, "does not hold 4 texts");
	refused(&huge, huge.len, "does not hold");
	buf_done(&few);
	buf_done(&many);
	buf_done(&huge);
}

Test(block, a_newer_format_is_named)
{
	struct buf block = lines_block(3);

	block.data[0] = 9;
	refused(&block, block.len, "format 9");
	block.data[0] = BLOCK_VERSION;
	block.data[1] = 5;
	refused(&block, block.len, "kind 5");
	buf_done(&block);
}

Test(block, retries_carry_their_heads)
{
	struct block_head head = { .kind = BLOCK_RETRIES, .count = 2 }, found;
	struct buf block = BUF_INIT;

	cr_assert_eq(buf_append(&block, &head, sizeof(head)), 0);
	add_retry(&block, "{}", 2);
	add_retry(&block, "[1,2]", 5);
	seal(&block, head);
	cr_expect_eq(block_check(block.data, block.len, &found, NULL), 0);
	cr_expect_eq(found.kind, BLOCK_RETRIES);
	buf_done(&block);
}

Test(block, a_retry_that_reaches_beyond_the_block_is_refused)
{
	static const uint32_t lens[] = { 1, 3, 100, UINT32_MAX };

	for (size_t at = 0; at < ARRAY_SIZE(lens); at++) {
		struct block_head head = { .kind = BLOCK_RETRIES, .count = 1 };
		struct buf block = BUF_INIT;

		cr_assert_eq(buf_append(&block, &head, sizeof(head)), 0);
		add_retry(&block, "{}", lens[at]);
		seal(&block, head);
		refused(&block, block.len, "damaged");
		buf_done(&block);
	}
}

static struct buf results_block(void)
{
	struct result_head head = { .version = BLOCK_VERSION, .count = 2 };
	struct buf block = BUF_INIT;

	cr_assert_eq(buf_append(&block, &head, sizeof(head)), 0);
	cr_assert_eq(buf_append(&block, (uint64_t[]){ 41, 43 }, 16), 0);
	cr_assert_eq(buf_append_str(&block, "one\ntwo\n"), 0);
	head.checksum = block_checksum(block.data + sizeof(head), block.len - sizeof(head));
	memcpy(block.data, &head, sizeof(head));
	return block;
}

Test(results, a_view_shows_lines_and_the_items_they_come_from)
{
	struct buf block = results_block();
	struct result_view view;

	cr_assert_eq(result_view(block.data, block.len, &view, NULL), 0);
	cr_expect_eq(view.count, 2);
	cr_expect_eq(result_view_item(&view, 0), 41);
	cr_expect_eq(result_view_item(&view, 1), 43);
	cr_expect_eq(view.lines_len, 8);
	cr_expect_arr_eq(view.lines, "one\ntwo\n", 8);
	cr_expect_eq(result_count(block.data, block.len), 2);
	buf_done(&block);
}

Test(results, damage_is_noticed)
{
	struct buf block = results_block();
	struct result_view view;
	uint32_t huge = UINT32_MAX;

	for (size_t at = sizeof(struct result_head); at < block.len; at++) {
		block.data[at] ^= 1;
		cr_expect_lt(result_view(block.data, block.len, &view, NULL), 0);
		block.data[at] ^= 1;
	}
	for (size_t len = 0; len < block.len; len++)
		cr_expect_lt(result_view(block.data, len, &view, NULL), 0);
	memcpy(block.data + offsetof(struct result_head, count), &huge, sizeof(huge));
	cr_expect_lt(result_view(block.data, block.len, &view, NULL), 0);
	block.data[0] = BLOCK_VERSION + 1;
	cr_expect_eq(result_count(block.data, block.len), 0);
	cr_expect_eq(result_count(block.data, 3), 0);
	buf_done(&block);
}

Test(failures, a_failure_is_read_back)
{
	struct failure_head head = { .kind = FAILURE_TIMEOUT,
		.stage = 2,
		.attempts = 3,
		.item = 8,
		.part = 4,
		.at_ms = 99,
		.error_len = 4,
		.input_len = 7 };
	struct failure_view view;
	struct buf failure = BUF_INIT;

	cr_assert_eq(failure_encode(head, "late", "{\"a\":1}", &failure), 0);
	cr_assert_eq(failure_view(failure.data, failure.len, &view, NULL), 0);
	cr_expect_eq(view.head.item, 8);
	cr_expect_eq(view.head.part, 4);
	cr_expect_eq(view.head.attempts, 3);
	cr_expect_arr_eq(view.error, "late", 4);
	cr_expect_arr_eq(view.input, "{\"a\":1}", 7);
	cr_expect_str_eq(failure_kind_name(view.head.kind), "timeout");
	buf_done(&failure);
}

Test(failures, damage_is_noticed)
{
	struct failure_head head = { .error_len = 4, .input_len = 2 };
	struct failure_view view;
	struct buf failure = BUF_INIT;

	cr_assert_eq(failure_encode(head, "late", "{}", &failure), 0);
	for (size_t len = 0; len < failure.len; len++)
		cr_expect_lt(failure_view(failure.data, len, &view, NULL), 0);
	for (size_t at = sizeof(head); at < failure.len; at++) {
		failure.data[at] ^= 1;
		cr_expect_lt(failure_view(failure.data, failure.len, &view, NULL), 0);
		failure.data[at] ^= 1;
	}
	failure.data[1] = 77;
	cr_expect_lt(failure_view(failure.data, failure.len, &view, NULL), 0, "no such kind");
	buf_done(&failure);
}

Test(bitmap, bits_beyond_its_end_are_not_set)
{
	uint8_t bitmap[2] = { 0 };

	bitmap_set(bitmap, 0);
	bitmap_set(bitmap, 11);
	for (uint32_t bit = 0; bit < 100; bit++)
		cr_expect_eq(bitmap_test(bitmap, 2, bit), bit == 0 || bit == 11);
	cr_expect_not(bitmap_test(NULL, 0, 0));
}
