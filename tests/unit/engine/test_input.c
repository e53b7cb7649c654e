/* input and builder: blocks as they are filled, stored and read back. */
#include <criterion/criterion.h>

#include "fixture.h"

static const char *const words[] = { "1", "\"two\"", "{\"three\":3}", "" };

Test(builder, fills_a_block_that_reads_back_the_same)
{
	struct input *made = block_of(words, 4), *read;
	struct error err;

	cr_assert_eq(made->count, 4);
	cr_assert_eq(input_decode(made->slab->data, made->size, NULL, 0, &read, &err), 0);
	cr_assert_eq(read->count, 4);
	for (uint32_t at = 0; at < 4; at++) {
		cr_expect_str_eq(read->slab->data + read->offsets[at], words[at]);
		cr_expect_eq(read->offsets[at], made->offsets[at]);
	}
	cr_expect_eq(read->offsets[4], made->offsets[4]);
	input_unref_n(made, 1);
	input_unref_n(read, 1);
	cr_expect_eq(slab_bytes(), 0);
}

Test(builder, says_when_a_block_is_full)
{
	struct builder builder = { 0 };
	char text[1000];
	unsigned count = 0;

	memset(text, 'x', sizeof(text));
	while (builder_fits(&builder, sizeof(text))) {
		cr_assert_eq(builder_add(&builder, text, sizeof(text), 0), 0);
		count++;
	}
	cr_expect_eq(count, (BLOCK_SIZE_MAX - sizeof(struct block_head)) / 1001);
	builder_done(&builder);
	for (count = 0; builder_fits(&builder, 1); count++)
		cr_assert_eq(builder_add(&builder, "1", 1, 0), 0);
	cr_expect_eq(count, BLOCK_ITEMS_MAX);
	builder_done(&builder);
}

Test(builder, a_text_larger_than_a_block_has_one_of_its_own)
{
	static char text[3 * BLOCK_SIZE_MAX];
	struct builder builder = { 0 };
	struct input *input;

	memset(text, 'x', sizeof(text));
	cr_assert(builder_fits(&builder, sizeof(text)));
	cr_assert_eq(builder_add(&builder, text, sizeof(text), 0), 0);
	cr_expect_not(builder_fits(&builder, 1));
	input = builder_finish(&builder, BLOCK_LINES);
	cr_expect_eq(input->count, 1);
	cr_expect_eq(input->offsets[1] - input->offsets[0] - 1, sizeof(text));
	input_unref_n(input, 1);
}

static struct retry_head failed_part(uint64_t item, uint64_t part, size_t len)
{
	return (struct retry_head){
		.item = item, .part = part, .len = (uint32_t)len, .stage = 2, .span_bits = 60
	};
}

Test(builder, failed_parts_of_one_item_are_one_item_again)
{
	struct builder builder = { 0 };
	struct input *input;

	cr_assert_eq(builder_add_retry(&builder, failed_part(7, 0, 1), "a"), 0);
	cr_assert_eq(builder_add_retry(&builder, failed_part(9, 1, 2), "bb"), 0);
	cr_assert_eq(builder_add_retry(&builder, failed_part(9, 5, 3), "ccc"), 0);
	cr_assert_eq(builder_add_retry(&builder, failed_part(8, 0, 1), "d"), 0);
	input = builder_finish(&builder, BLOCK_RETRIES);
	cr_assert_eq(input->count, 3);
	cr_expect_eq(input_item_number(input, 0), 7);
	cr_expect_eq(input_item_number(input, 1), 9);
	cr_expect_eq(input_item_number(input, 2), 8);
	cr_expect_eq(input->groups[1], 1);
	cr_expect_eq(input->groups[2], 3);
	cr_expect_eq(input->groups[3], 4);
	cr_expect_str_eq(input->slab->data + input->retries[2].offset, "ccc");
	input_unref_n(input, 1);
}

/* An item may have failed in more parts than a block of lines has items. */
Test(builder, thousands_of_failed_parts_of_one_item_stay_in_one_block)
{
	struct builder *builder = mem_zalloc(sizeof(*builder));
	struct input *input;

	for (unsigned at = 0; at < 5000; at++) {
		cr_assert_eq(builder_grow(builder, sizeof(struct retry_head) + 2), 0);
		cr_assert_eq(builder_add_retry(builder, failed_part(3, at, 1), "x"), 0);
	}
	input = builder_finish(builder, BLOCK_RETRIES);
	mem_free(builder);
	cr_assert_not_null(input);
	cr_expect_eq(input->count, 1);
	cr_expect_eq(input->groups[1], 5000);
	cr_expect_eq(input->retries[4999].head.part, 4999);
	input_unref_n(input, 1);
}

Test(input, knows_from_its_bitmap_what_was_done)
{
	struct input *made = block_of(words, 4), *read;
	const uint8_t bitmap[] = { 0x5 };
	struct error err;

	cr_assert_eq(input_decode(made->slab->data, made->size, bitmap, 1, &read, &err), 0);
	cr_expect_eq(read->done_count, 2);
	cr_expect_eq(read->fate[0], FATE_DONE | FATE_OVER);
	cr_expect_eq(read->fate[1], 0);
	cr_expect_eq(read->fate[2], FATE_DONE | FATE_OVER);
	cr_expect(read->stored);
	input_unref_n(made, 1);
	input_unref_n(read, 1);
}

/* Any byte of it may be wrong: it is refused, and nothing is read beyond its end. */
Test(input, damaged_blocks_are_refused)
{
	struct input *made = block_of(words, 4), *read;
	char *bytes = mem_alloc(made->size);
	struct error err;

	for (uint32_t at = 0; at < made->size; at++) {
		if (at >= 2 && at < 4)
			continue; /* reserved */
		if (at >= offsetof(struct block_head, number) &&
			at < offsetof(struct block_head, checksum))
			continue; /* any number is one */
		memcpy(bytes, made->slab->data, made->size);
		bytes[at] ^= 0x21;
		cr_expect_eq(input_decode(bytes, made->size, NULL, 0, &read, &err), -1,
			"byte %u is damaged and nobody saw", at);
		cr_expect_eq(err.code, ERR_STORE);
	}
	for (uint32_t len = 0; len < made->size; len++)
		cr_expect_eq(input_decode(made->slab->data, len, NULL, 0, &read, &err), -1);
	mem_free(bytes);
	input_unref_n(made, 1);
}

/* A checksum that is right says nothing about who has written it. */
Test(input, a_wrong_count_is_refused)
{
	struct input *made = block_of(words, 4), *read;
	struct block_head *head = (struct block_head *)made->slab->data;
	struct error err;

	for (uint32_t count = 0; count < 9; count++) {
		if (count == 4)
			continue;
		head->count = count;
		block_seal(head, made->size - sizeof(*head));
		cr_expect_eq(
			input_decode(head, made->size, NULL, 0, &read, &err), -1, "%u", count);
	}
	head->kind = BLOCK_RETRIES;
	head->count = 1;
	block_seal(head, made->size - sizeof(*head));
	cr_expect_eq(input_decode(head, made->size, NULL, 0, &read, &err), -1);
	input_unref_n(made, 1);
}
