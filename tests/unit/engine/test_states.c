/* states: what source and sink save stands side by side, and goes with its transaction. */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/states.h"

static struct states states;
static struct buf stored;

static void expect(enum state_of of, const char *text)
{
	size_t len;
	const char *part = states_view(stored.data, stored.len, of, &len);

	cr_expect_eq(len, strlen(text));
	cr_expect(
		len == 0 || memcmp(part, text, len) == 0, "%.*s, not %s", (int)len, part, text);
}

static void put(enum state_of of, const char *text)
{
	cr_assert_eq(states_put(&states, of, text, strlen(text)), 0);
}

static void store(void)
{
	buf_clear(&stored);
	cr_assert_eq(states_encode(&states, &stored), 0);
}

static void end(void)
{
	states_done(&states);
	buf_done(&stored);
}

TestSuite(states, .fini = end);

Test(states, each_keeps_its_own)
{
	put(STATE_SOURCE, "12");
	store();
	states_commit(&states);
	put(STATE_SINK, "sum");
	store();
	expect(STATE_SOURCE, "12");
	expect(STATE_SINK, "sum");
	states_commit(&states);
	put(STATE_SOURCE, "1234");
	store();
	expect(STATE_SOURCE, "1234");
	expect(STATE_SINK, "sum");
}

Test(states, what_was_given_up_is_forgotten)
{
	put(STATE_SOURCE, "1");
	put(STATE_SINK, "a");
	store();
	states_commit(&states);
	put(STATE_SOURCE, "2");
	put(STATE_SINK, "b");
	states_abort(&states);
	cr_expect_not(states_changed(&states));
	put(STATE_SOURCE, "2");
	store();
	expect(STATE_SOURCE, "2");
	expect(STATE_SINK, "a");
}

Test(states, go_on_from_what_is_stored)
{
	struct states again = { 0 };

	put(STATE_SOURCE, "cursor");
	put(STATE_SINK, "sums");
	store();
	cr_assert_eq(states_load(&again, stored.data, stored.len), 0);
	cr_assert_eq(states_put(&again, STATE_SINK, "more", 4), 0);
	buf_clear(&stored);
	cr_assert_eq(states_encode(&again, &stored), 0);
	expect(STATE_SOURCE, "cursor");
	expect(STATE_SINK, "more");
	states_done(&again);
}

Test(states, damaged_ones_are_none)
{
	size_t len = 1;

	states_view("\xff\xff\xff\xff"
		    "abc",
		7, STATE_SOURCE, &len);
	cr_expect_eq(len, 0);
	states_view("ab", 2, STATE_SINK, &len);
	cr_expect_eq(len, 0);
	states_view(NULL, 0, STATE_SINK, &len);
	cr_expect_eq(len, 0);
}
