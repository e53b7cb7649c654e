/* Bytes that grow. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"

Test(buf, grows_and_keeps_what_it_holds)
{
	struct buf buf = BUF_INIT;

	for (int at = 0; at < 10000; at++)
		cr_assert_eq(buf_append(&buf, &(int){ at }, sizeof(at)), 0);
	cr_expect_eq(buf.len, 10000 * sizeof(int));
	cr_expect_geq(buf.capacity, buf.len);
	for (int at = 0; at < 10000; at++) {
		int value;

		memcpy(&value, buf.data + (size_t)at * sizeof(at), sizeof(value));
		cr_assert_eq(value, at);
	}
	buf_done(&buf);
	cr_expect_null(buf.data);
	cr_expect_eq(buf.len, 0);
}

Test(buf, nothing_appended_is_nothing_allocated)
{
	struct buf buf = BUF_INIT;

	cr_expect_eq(buf_append(&buf, NULL, 0), 0);
	cr_expect_eq(buf_append_str(&buf, ""), 0);
	cr_expect_null(buf.data);
	buf_done(&buf);
}

Test(buf, prints_across_its_end)
{
	struct buf buf = BUF_INIT;
	char expected[2000] = "";

	for (int at = 0; at < 100; at++) {
		cr_assert_eq(buf_printf(&buf, "<%d %s>", at, "text"), 0);
		sprintf(expected + strlen(expected), "<%d %s>", at, "text");
	}
	cr_expect_eq(buf.len, strlen(expected));
	cr_expect_arr_eq(buf.data, expected, buf.len);
	buf_done(&buf);
}

Test(buf, clear_keeps_the_memory_and_consume_the_rest)
{
	struct buf buf = BUF_INIT;
	const char *data;

	buf_append_str(&buf, "head and tail");
	data = buf.data;
	buf_consume(&buf, 9);
	cr_expect_eq(buf.len, 4);
	cr_expect_arr_eq(buf.data, "tail", 4);
	buf_consume(&buf, 4);
	cr_expect_eq(buf.len, 0);
	buf_append_str(&buf, "again");
	buf_clear(&buf);
	cr_expect_eq(buf.len, 0);
	cr_expect_eq(buf.data, data);
	buf_done(&buf);
}

Test(buf, reserve_makes_room_for_what_was_asked)
{
	struct buf buf = BUF_INIT;

	for (size_t more = 1; more < 100000; more *= 3) {
		cr_assert_eq(buf_reserve(&buf, more), 0);
		cr_expect_geq(buf.capacity - buf.len, more);
		buf.len += more;
	}
	buf_done(&buf);
}
