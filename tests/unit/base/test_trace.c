/* trace: what the standard allows is taken, everything else is as if it were not there. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "base/trace.h"

#define ID     "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"
#define GOOD   "00-" ID "-" PARENT "-01"

/* As it would be handed on; NULL: it was not taken. */
static const char *again(const char *text)
{
	static char out[TRACE_TEXT_SIZE];
	struct trace trace = { 0 };

	if (!trace_parse(text, &trace)) {
		cr_expect_not(
			trace_is_set(&trace), "%s was not taken but left something", text);
		return NULL;
	}
	trace_format(&trace, out);
	return out;
}

Test(trace, a_good_one_goes_on_as_it_came)
{
	cr_expect_str_eq(again(GOOD), GOOD);
	cr_expect_str_eq(again("00-" ID "-" PARENT "-00"), "00-" ID "-" PARENT "-00");
	cr_expect_str_eq(again("00-00000000000000000000000000000001-0000000000000001-01"),
		"00-00000000000000000000000000000001-0000000000000001-01");
	cr_expect_str_eq(again("00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-01"),
		"00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-01");
}

Test(trace, flags_that_mean_nothing_are_cleared)
{
	cr_expect_str_eq(again("00-" ID "-" PARENT "-ff"), "00-" ID "-" PARENT "-03");
	cr_expect_str_eq(again("00-" ID "-" PARENT "-fc"), "00-" ID "-" PARENT "-00");
}

Test(trace, of_a_version_to_come_the_known_part_is_taken)
{
	cr_expect_str_eq(again("01-" ID "-" PARENT "-01"), GOOD);
	cr_expect_str_eq(again("cc-" ID "-" PARENT "-01-what-the-future-holds"), GOOD);
	cr_expect_str_eq(again("fe-" ID "-" PARENT "-01-"), GOOD);
	cr_expect_null(again("01-" ID "-" PARENT "-01x"));
	cr_expect_null(again("01-" ID "-" PARENT "-01.x"));
	cr_expect_null(again("ff-" ID "-" PARENT "-01"));
	cr_expect_null(again("ff-" ID "-" PARENT "-01-x"));
}

Test(trace, what_is_not_valid_is_not_taken)
{
	static const char *const bad[] = {
		"",
		"00",
		"00-",
		GOOD "-",
		GOOD " ",
		" " GOOD,
		GOOD "-extra",
		"0-" ID "-" PARENT "-01",
		"00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01",
		"00-" ID "-B7AD6B7169203331-01",
		"00-" ID "-" PARENT "-0A",
		"0A-" ID "-" PARENT "-01",
		"00-00000000000000000000000000000000-" PARENT "-01",
		"00-" ID "-0000000000000000-01",
		"00-0af7651916cd43dd8448eb211c80319-" PARENT "-01",
		"00-0af7651916cd43dd8448eb211c80319c0-" PARENT "-01",
		"00-" ID "-b7ad6b716920333-01",
		"00-" ID "-b7ad6b71692033311-01",
		"00-" ID "-" PARENT "-1",
		"00-" ID "-" PARENT "-001",
		"00-" ID "-" PARENT,
		"00_" ID "_" PARENT "_01",
		"00-0af7651916cd43dd8448eb211c80319g-" PARENT "-01",
		"00-0af7651916cd43dd8448eb211c80319\xff-" PARENT "-01",
		"00-" ID "-" PARENT "-0\n",
		"-0-" ID "-" PARENT "-01",
		"+0-" ID "-" PARENT "-01",
		"0x-" ID "-" PARENT "-01",
		"garbage that is long enough to be read as if it were a traceparent header",
	};

	for (size_t at = 0; at < ARRAY_SIZE(bad); at++)
		cr_expect_null(again(bad[at]), "%s", bad[at]);
}

Test(trace, a_cut_one_is_never_taken)
{
	char text[TRACE_TEXT_SIZE];

	for (size_t len = 0; len < strlen(GOOD); len++) {
		memcpy(text, GOOD, len);
		text[len] = '\0';
		cr_expect_null(again(text), "%s", text);
	}
}

Test(trace, the_id_stands_alone_for_logs)
{
	struct trace trace = { 0 };
	char id[TRACE_ID_SIZE], text[TRACE_TEXT_SIZE];

	trace_id_format(&trace, id);
	trace_format(&trace, text);
	cr_expect_str_eq(id, "");
	cr_expect_str_eq(text, "");
	cr_assert(trace_parse(GOOD, &trace));
	trace_id_format(&trace, id);
	cr_expect_str_eq(id, ID);
}
