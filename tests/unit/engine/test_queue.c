/* queue: a ring with a bound in items and in bytes, both kept by its owner. */
#include <criterion/criterion.h>

#include "base/fault.h"
#include "base/mem.h"
#include "engine/queue.h"

/* Items without bytes of their own: the part tells them apart. */
static struct item numbered(uint64_t number, uint32_t len)
{
	return (struct item){ .part = number, .len = len };
}

static void push(struct queue *queue, uint64_t first, uint32_t count)
{
	for (uint32_t at = 0; at < count; at++) {
		struct item item = numbered(first + at, 9);

		cr_assert_eq(queue_push(queue, &item, 1), 0);
	}
}

static void expect_pop(struct queue *queue, uint64_t first, uint32_t count)
{
	struct item items[64];

	cr_assert_eq(queue_pop(queue, items, count), count);
	for (uint32_t at = 0; at < count; at++)
		cr_expect_eq(items[at].part, first + at);
}

static void forget(struct queue *queue)
{
	mem_free(queue->ring);
}

Test(queue, gives_items_in_order_however_often_it_wraps)
{
	struct queue queue;
	uint64_t in = 0, out = 0;

	queue_init(&queue, 1000, 1 << 20);
	for (uint32_t round = 1; round < 60; round++) {
		push(&queue, in, round % 23);
		in += round % 23;
		expect_pop(&queue, out, MIN(queue.count, round % 19));
		out += MIN((uint32_t)(in - out), round % 19);
		cr_expect_eq(queue.count, in - out);
		cr_expect_eq(queue.bytes, (in - out) * 10);
	}
	forget(&queue);
}

Test(queue, grows_in_the_middle_of_a_wrap)
{
	struct queue queue;

	queue_init(&queue, 1000, 1 << 20);
	push(&queue, 0, 16);
	expect_pop(&queue, 0, 12);
	push(&queue, 16, 40);
	expect_pop(&queue, 12, 44);
	cr_expect_eq(queue.count, 0);
	forget(&queue);
}

Test(queue, what_comes_back_stands_in_front_in_its_order)
{
	struct queue queue;
	struct item items[20];

	queue_init(&queue, 1000, 1 << 20);
	push(&queue, 0, 20);
	cr_assert_eq(queue_pop(&queue, items, 18), 18);
	push(&queue, 20, 10);
	cr_assert_eq(queue_push_front(&queue, items + 5, 13), 0);
	expect_pop(&queue, 5, 25);
	forget(&queue);
}

Test(queue, room_counts_what_is_promised_and_what_waits_for_another_attempt)
{
	struct queue queue;

	queue_init(&queue, 10, 1 << 20);
	push(&queue, 0, 3);
	cr_expect_eq(queue_room(&queue), 7);
	queue.reserved = 2;
	queue.delayed = 4;
	cr_expect_eq(queue_room(&queue), 1);
	queue.delayed = 5;
	cr_expect_eq(queue_room(&queue), 0);
	queue.delayed = 50;
	cr_expect_eq(queue_room(&queue), 0);
	forget(&queue);
}

Test(queue, bytes_are_a_bound_too_but_one_item_always_fits)
{
	struct queue queue;
	struct item huge = numbered(0, 5000);

	queue_init(&queue, 10, 25);
	cr_expect_gt(queue_room(&queue), 0);
	cr_assert_eq(queue_push(&queue, &huge, 1), 0);
	cr_expect_eq(queue_room(&queue), 0);
	expect_pop(&queue, 0, 1);
	push(&queue, 1, 2);
	cr_expect_gt(queue_room(&queue), 0, "20 of 25 bytes");
	push(&queue, 3, 1);
	cr_expect_eq(queue_room(&queue), 0);
	forget(&queue);
}

#ifdef LEAT_FAULTS
Test(queue, without_memory_nothing_is_pushed)
{
	struct queue queue;
	struct item item = numbered(16, 9);

	queue_init(&queue, 1000, 1 << 20);
	push(&queue, 0, 16);
	fault_arm(FAULT_ALLOC, 1, false);
	cr_expect_eq(queue_push(&queue, &item, 1), -1);
	fault_arm(FAULT_ALLOC, 0, false);
	cr_expect_eq(queue.count, 16);
	cr_expect_eq(queue.bytes, 160);
	expect_pop(&queue, 0, 16);
	forget(&queue);
}
#endif

/* Batches that are given back again and again once let a queue of 8 grow without end. */
Test(queue, holds_no_more_than_twice_its_bound_whatever_comes_back)
{
	struct queue queue;
	struct item items[64];
	uint64_t most = 0, next = 0;

	queue_init(&queue, 8, 1 << 20);
	for (int round = 0; round < 100; round++) {
		uint32_t count;

		push(&queue, next, (uint32_t)queue_room(&queue));
		next += queue.count;
		count = queue_pop(&queue, items, 64);
		queue_hold(&queue, items, count);
		push(&queue, next, (uint32_t)queue_room(&queue));
		queue_release(&queue, items, count);
		cr_assert_eq(queue_push_front(&queue, items + 1, count - 1), 0);
		most = MAX(most, (uint64_t)queue.count);
	}
	cr_expect_leq(most, 16);
	cr_expect_eq(queue.held, 0);
	cr_expect_eq(queue.held_bytes, 0);
	forget(&queue);
}

Test(queue, a_single_item_in_hand_takes_no_room)
{
	struct queue queue;
	struct item item;

	queue_init(&queue, 1, 1 << 20);
	push(&queue, 0, 1);
	cr_assert_eq(queue_pop(&queue, &item, 1), 1);
	queue_hold(&queue, &item, 1);
	cr_expect_eq(queue_room(&queue), 1, "the other workers must find work");
	queue_release(&queue, &item, 1);
	forget(&queue);
}

/* What a call took fails for the moment while others come in behind it. */
Test(queue, gives_a_call_no_more_than_its_bounds)
{
	struct queue queue;
	struct item items[64];
	uint64_t next = 0;

	queue_init(&queue, 2, 1 << 20);
	for (int round = 0; round < 100; round++) {
		uint32_t room = (uint32_t)queue_room(&queue), count;

		push(&queue, next, room);
		next += room;
		count = queue_pop(&queue, items, queue_portion(&queue, 64));
		cr_assert_leq(count, 2);
		room = (uint32_t)queue_room(&queue);
		push(&queue, next, room);
		next += room;
		cr_assert_eq(queue_push_front(&queue, items, count), 0);
		cr_assert_leq(queue.count, 4);
	}
	cr_expect_eq(queue_portion(&queue, 1), 1);
	forget(&queue);
}

Test(queue, gives_a_call_no_more_bytes_than_it_may_hold)
{
	struct queue queue;
	struct item huge = numbered(9, 5000);

	queue_init(&queue, 100, 35);
	cr_expect_eq(queue_portion(&queue, 64), 0, "there is nothing");
	push(&queue, 0, 3);
	cr_expect_eq(queue_portion(&queue, 64), 3);
	push(&queue, 3, 5);
	cr_expect_eq(queue_portion(&queue, 64), 3, "of 80 bytes 35 are allowed");
	cr_expect_eq(queue_portion(&queue, 2), 2);
	cr_assert_eq(queue_push_front(&queue, &huge, 1), 0);
	cr_expect_eq(queue_portion(&queue, 64), 1, "one goes always");
	expect_pop(&queue, 9, 1);
	forget(&queue);
}
