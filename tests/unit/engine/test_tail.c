/* The end of the line: outcomes, their order, what waits for another attempt. */
#include <criterion/criterion.h>

#include "base/clock.h"
#include "fixture.h"

static const char *const abcd[] = { "a", "b", "c", "d" };

static uint32_t outcomes(const struct fixture *fixture)
{
	return fixture->pipeline.flush == NULL ? 0 : fixture->pipeline.flush->outcome_count;
}

Test(tail, without_order_results_go_as_they_come)
{
	struct fixture fixture;
	struct item items[4];

	fixture_init(&fixture, false);
	feed(&fixture, abcd, 4, items);
	tail_result(&fixture.pipeline, &items[2]);
	tail_result(&fixture.pipeline, &items[0]);
	cr_expect_str_eq(gathered(&fixture), "2:c 0:a");
	tail_result(&fixture.pipeline, &items[3]);
	tail_result(&fixture.pipeline, &items[1]);
	cr_expect_str_eq(gathered(&fixture), "2:c 0:a 3:d 1:b");
	fixture_done(&fixture);
}

Test(tail, in_order_each_waits_for_those_before_it)
{
	struct fixture fixture;
	struct item items[4];

	fixture_init(&fixture, true);
	feed(&fixture, abcd, 4, items);
	tail_result(&fixture.pipeline, &items[2]);
	tail_result(&fixture.pipeline, &items[1]);
	cr_expect_str_eq(gathered(&fixture), "");
	cr_expect_eq(fixture.pipeline.held_bytes, 2);
	tail_result(&fixture.pipeline, &items[0]);
	cr_expect_str_eq(gathered(&fixture), "0:a 1:b 2:c");
	cr_expect_eq(fixture.pipeline.held_bytes, 0);
	tail_result(&fixture.pipeline, &items[3]);
	cr_expect_str_eq(gathered(&fixture), "0:a 1:b 2:c 3:d");
	fixture_done(&fixture);
}

Test(tail, filtered_and_failed_items_are_passed_over_in_their_turn)
{
	struct fixture fixture;
	struct item items[4];
	struct verdict verdict = { .kind = FAILURE_PERMANENT, .text = "no" };

	fixture_init(&fixture, true);
	feed(&fixture, abcd, 4, items);
	tail_result(&fixture.pipeline, &items[3]);
	tail_filtered(&fixture.pipeline, &items[0]);
	slab_unref(items[0].slab);
	tail_failed(&fixture.pipeline, &items[1], 0, &verdict, true);
	slab_unref(items[1].slab);
	cr_expect_eq(outcomes(&fixture), 2);
	tail_failed(&fixture.pipeline, &items[2], 0, &verdict, false);
	slab_unref(items[2].slab);
	cr_expect_str_eq(gathered(&fixture), "3:d");
	cr_expect_eq(outcomes(&fixture), 4);
	cr_expect_not_null(fixture.pipeline.flush->failures);
	cr_expect_null(fixture.pipeline.flush->failures->next, "the dropped one is not kept");
	fixture_done(&fixture);
}

Test(tail, items_done_before_are_passed_over_in_their_turn)
{
	struct fixture fixture;
	struct input *made = block_of(abcd, 4), *read;
	const uint8_t bitmap[] = { 0xb };
	struct item item;
	struct error err;

	fixture_init(&fixture, true);
	cr_assert_eq(input_decode(made->slab->data, made->size, bitmap, 1, &read, &err), 0);
	input_unref_n(made, 1);
	pipeline_add_input(&fixture.pipeline, read);
	pipeline_feed(&fixture.pipeline);
	cr_assert_eq(queue_pop(&fixture.runs[0].queue, &item, 1), 1);
	cr_expect_eq(item.index, 2);
	tail_result(&fixture.pipeline, &item);
	cr_expect_str_eq(gathered(&fixture), "2:c");
	cr_expect(list_empty(&fixture.pipeline.inbox));
	fixture_done(&fixture);
}

/* The block's last reference was once dropped while the inbox still walked over it. */
Test(tail, a_block_whose_items_were_all_done_goes_quietly)
{
	struct fixture fixture;
	struct input *made = block_of(abcd, 4), *read;
	const uint8_t bitmap[] = { 0xf };
	struct error err;

	for (int ordered = 0; ordered < 2; ordered++) {
		fixture_init(&fixture, ordered);
		cr_assert_eq(
			input_decode(made->slab->data, made->size, bitmap, 1, &read, &err), 0);
		pipeline_add_input(&fixture.pipeline, read);
		pipeline_feed(&fixture.pipeline);
		cr_expect(list_empty(&fixture.pipeline.inbox));
		cr_expect(list_empty(&fixture.pipeline.inputs));
		cr_expect_eq(outcomes(&fixture), 0);
	}
	input_unref_n(made, 1);
	fixture_done(&fixture);
}

Test(tail, parts_of_an_item_stand_together_and_in_order)
{
	struct fixture fixture;
	struct item items[2], parts[3];

	fixture_init(&fixture, false);
	feed(&fixture, abcd, 2, items);
	pipeline_count_parts(&fixture.pipeline, &items[0], 3);
	for (uint32_t at = 0; at < 3; at++) {
		parts[at] = items[0];
		parts[at].part = at << 4;
		slab_ref_n(items[0].slab, 1);
	}
	tail_result(&fixture.pipeline, &parts[2]);
	tail_result(&fixture.pipeline, &items[1]);
	cr_expect_str_eq(gathered(&fixture), "1:b");
	tail_filtered(&fixture.pipeline, &parts[1]);
	slab_unref(parts[1].slab);
	tail_result(&fixture.pipeline, &parts[0]);
	cr_expect_str_eq(gathered(&fixture), "1:b 0:a 0:a");
	cr_expect_eq(outcomes(&fixture), 2);
	cr_expect_eq(fixture.pipeline.flush->outcomes[1].results, 2);
	slab_unref(items[0].slab);
	fixture_done(&fixture);
}

Test(tail, feeding_stops_at_the_window)
{
	struct fixture fixture;
	struct item items[4];

	fixture_init(&fixture, true);
	fixture.pipeline.window = 2;
	fixture.runs[0].queue.max_items = 1;
	pipeline_add_input(&fixture.pipeline, block_of(abcd, 4));
	for (int at = 0; at < 2; at++) {
		pipeline_feed(&fixture.pipeline);
		cr_assert_eq(queue_pop(&fixture.runs[0].queue, &items[at], 1), 1);
	}
	pipeline_feed(&fixture.pipeline);
	cr_expect_eq(fixture.runs[0].queue.count, 0);
	tail_result(&fixture.pipeline, &items[1]);
	pipeline_feed(&fixture.pipeline);
	cr_expect_eq(fixture.runs[0].queue.count, 0, "the first still holds the window");
	tail_result(&fixture.pipeline, &items[0]);
	for (int at = 2; at < 4; at++) {
		pipeline_feed(&fixture.pipeline);
		cr_assert_eq(queue_pop(&fixture.runs[0].queue, &items[at], 1), 1);
		tail_result(&fixture.pipeline, &items[at]);
	}
	cr_expect_str_eq(gathered(&fixture), "0:a 1:b 2:c 3:d");
	pipeline_feed(&fixture.pipeline);
	fixture_done(&fixture);
}

/* ---- another attempt ---- */

Test(delayed, backoff_is_spread_between_nothing_and_twice_as_much_each_time)
{
	struct fixture fixture;
	uint64_t most[6] = { 0 }, least[6];
	struct item items[1];

	memset(least, 0xff, sizeof(least));
	clock_fake(1000 * NS_PER_S, 1);
	fixture_init(&fixture, false);
	feed(&fixture, abcd, 1, items);
	for (unsigned n = 0; n < 3000; n++) {
		struct item item = items[0];
		uint64_t wait;

		item.attempt = (uint16_t)(n % 6);
		slab_ref_n(item.slab, 1);
		cr_assert_eq(pipeline_try_again(&fixture.pipeline, &fixture.runs[0], &item,
				     &(struct verdict){ 0 }),
			0);
		wait = fixture.pipeline.delayed[0].due_ns - 1000 * NS_PER_S;
		most[n % 6] = MAX(most[n % 6], wait);
		least[n % 6] = MIN(least[n % 6], wait);
		slab_unref(fixture.pipeline.delayed[0].item.slab);
		fixture.pipeline.delayed_count = 0;
	}
	for (unsigned attempt = 0; attempt < 6; attempt++) {
		uint64_t bound = MIN(100ull << attempt, 1000ull) * NS_PER_MS;

		cr_expect_leq(most[attempt], bound, "attempt %u", attempt);
		cr_expect_gt(most[attempt], bound / 10 * 9, "attempt %u", attempt);
		cr_expect_lt(least[attempt], bound / 10, "attempt %u", attempt);
	}
	clock_fake(0, 0);
	tail_filtered(&fixture.pipeline, &items[0]);
	slab_unref(items[0].slab);
	fixture_done(&fixture);
}

Test(delayed, what_the_stage_asked_for_is_waited_on_top_of_the_backoff)
{
	struct fixture fixture;
	struct item items[1], item;
	uint64_t wait;

	clock_fake(1000 * NS_PER_S, 1);
	fixture_init(&fixture, false);
	feed(&fixture, abcd, 1, items);
	item = items[0];
	slab_ref_n(item.slab, 1);
	cr_assert_eq(pipeline_try_again(&fixture.pipeline, &fixture.runs[0], &item,
			     &(struct verdict){ .retry_after_ms = 5000 }),
		0);
	wait = fixture.pipeline.delayed[0].due_ns - 1000 * NS_PER_S;
	cr_expect_geq(wait, 5 * NS_PER_S);
	cr_expect_leq(wait, 5 * NS_PER_S + 100 * NS_PER_MS);
	slab_unref(fixture.pipeline.delayed[0].item.slab);
	fixture.pipeline.delayed_count = 0;
	clock_fake(0, 0);
	tail_filtered(&fixture.pipeline, &items[0]);
	slab_unref(items[0].slab);
	fixture_done(&fixture);
}

Test(delayed, items_come_back_when_they_are_due_in_front_of_the_queue)
{
	struct fixture fixture = { 0 };
	struct queue *queue = &fixture.runs[0].queue;
	struct item items[4], back[4];
	uint64_t due[3];

	fixture_init(&fixture, false);
	feed(&fixture, abcd, 4, items);
	cr_assert_eq(queue_push(queue, &items[3], 1), 0);
	for (int at = 0; at < 3; at++)
		cr_assert_eq(pipeline_try_again(&fixture.pipeline, &fixture.runs[0], &items[at],
				     &(struct verdict){ 0 }),
			0);
	cr_expect_eq(queue->delayed, 3);
	cr_expect_eq(queue_room(queue), 1000 - 4);
	cr_expect_eq(queue->bytes, 8);
	for (int at = 0; at < 3; at++) {
		due[at] = fixture.pipeline.delayed[0].due_ns;
		cr_expect(at == 0 || due[at] >= due[at - 1]);
		pipeline_release_delayed(&fixture.pipeline, due[at]);
	}
	cr_expect_eq(queue->delayed, 0);
	cr_assert_eq(queue_pop(queue, back, 4), 4);
	cr_expect_eq(back[3].index, 3);
	cr_expect_eq(back[3].attempt, 0);
	for (int at = 0; at < 3; at++)
		cr_expect_eq(back[at].attempt, 1);
	cr_expect_eq(fixture.runs[0].counts.retries, 3);
	for (int at = 0; at < 4; at++)
		tail_result(&fixture.pipeline, &back[at]);
	cr_expect_eq(outcomes(&fixture), 4);
	fixture_done(&fixture);
}
