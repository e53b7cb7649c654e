/* The n-th call fails (only in a build with -Dfaults=true). */
#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/mem.h"

Test(fault, the_nth_allocation_fails_and_only_that_one)
{
	fault_arm(FAULT_ALLOC, 3, false);
	for (int at = 1; at <= 6; at++) {
		void *ptr = mem_alloc(10);

		cr_expect_eq(ptr == NULL, at == 3);
		mem_free(ptr);
	}
	cr_expect_eq(fault_count(FAULT_ALLOC), 6);
	fault_arm(FAULT_ALLOC, 0, false);
}

Test(fault, from_the_nth_on_all_fail)
{
	fault_arm(FAULT_ALLOC, 2, true);
	for (int at = 1; at <= 4; at++) {
		void *ptr = mem_zalloc(10);

		cr_expect_eq(ptr == NULL, at >= 2);
		mem_free(ptr);
	}
	fault_arm(FAULT_ALLOC, 0, false);
}

Test(fault, a_buf_that_cannot_grow_has_not_changed)
{
	struct buf buf = BUF_INIT, before;

	buf_append_str(&buf, "kept");
	before = buf;
	fault_arm(FAULT_ALLOC, 1, true);
	cr_expect_lt(buf_reserve(&buf, 1 << 20), 0);
	cr_expect_lt(buf_printf(&buf, "%0300d", 1), 0);
	fault_arm(FAULT_ALLOC, 0, false);
	cr_expect_eq(buf.data, before.data);
	cr_expect_eq(buf.len, before.len);
	cr_expect_arr_eq(buf.data, "kept", 4);
	buf_done(&buf);
}
