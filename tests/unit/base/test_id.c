/* Ids: unique, in the order of their birth, and their text. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct id));
}

Test(id, sorts_by_birth_within_one_millisecond_too)
{
	struct id last = id_new(), next;

	clock_fake(1, 1700000000000);
	for (int at = 0; at < 100000; at++) {
		next = id_new();
		cr_assert_gt(memcmp(&next, &last, sizeof(next)), 0);
		last = next;
		if (at % 1000 == 0)
			clock_fake_advance_ms(1);
	}
}

Test(id, sorts_by_birth_when_the_clock_goes_back)
{
	struct id last, next;

	clock_fake(1, 1700000000000);
	last = id_new();
	clock_fake(2, 1600000000000);
	next = id_new();
	cr_expect_gt(memcmp(&next, &last, sizeof(next)), 0);
}

Test(id, its_text_sorts_as_it_does_and_is_read_back)
{
	char last[ID_TEXT_SIZE] = "", text[ID_TEXT_SIZE];
	struct id id, back;

	for (int at = 0; at < 1000; at++) {
		id = id_new();
		id_format(&id, text);
		cr_expect_eq(strlen(text), ID_TEXT_SIZE - 1);
		cr_expect_gt(strcmp(text, last), 0);
		cr_assert(id_parse(text, &back));
		cr_expect(id_equal(&id, &back));
		strcpy(last, text);
	}
}

Test(id, the_ends_of_its_range_have_texts)
{
	struct id id, back;
	char text[ID_TEXT_SIZE];

	memset(&id, 0, sizeof(id));
	id_format(&id, text);
	cr_expect_str_eq(text, "j_00000000000000000000000000");
	memset(&id, 0xff, sizeof(id));
	id_format(&id, text);
	cr_expect_str_eq(text, "j_7zzzzzzzzzzzzzzzzzzzzzzzzz");
	cr_assert(id_parse(text, &back));
	cr_expect(id_equal(&id, &back));
}

Test(id, nothing_else_is_an_id)
{
	static const char *const wrong[] = {
		"",
		"j_",
		"j_0000000000000000000000000",
		"j_000000000000000000000000000",
		"j_80000000000000000000000000",
		"j-00000000000000000000000000",
		"J_00000000000000000000000000",
		"j_0000000000000000000000000i",
		"j_0000000000000000000000000L",
		"j_0000000000000000000000000u",
		"j_0000000000000000000000000 ",
		"j_0000000000000000000000000\xc3",
		"j_\0 0000000000000000000000000",
	};
	struct id id = { { 42 } };

	for (size_t at = 0; at < ARRAY_SIZE(wrong); at++)
		cr_expect_not(id_parse(wrong[at], &id), "%s", wrong[at]);
	cr_expect_eq(id.bytes[0], 42, "untouched on failure");
}

enum { THREADS = 4, EACH = 20000 };

static void *make_many(void *arg)
{
	struct id *ids = arg;

	for (int at = 0; at < EACH; at++)
		ids[at] = id_new();
	return NULL;
}

Test(id, threads_never_get_the_same)
{
	static struct id ids[THREADS * EACH];
	pthread_t threads[THREADS];

	for (int at = 0; at < THREADS; at++)
		pthread_create(&threads[at], NULL, make_many, ids + at * EACH);
	for (int at = 0; at < THREADS; at++)
		pthread_join(threads[at], NULL);
	qsort(ids, THREADS * EACH, sizeof(ids[0]), compare);
	for (int at = 1; at < THREADS * EACH; at++)
		cr_assert_not(id_equal(&ids[at - 1], &ids[at]));
}

Test(id, is_born_after_those_that_were_found_with_a_later_clock)
{
	struct id found, first, second;

	clock_fake(NS_PER_S, 5000);
	found = id_new();
	clock_fake(NS_PER_S, 90000);
	id_follow(&found); /* an old one changes nothing */
	first = id_new();
	clock_fake(NS_PER_S, 100000);
	found = first;
	found.bytes[4]++; /* minutes later */
	id_follow(&found);
	first = id_new();
	second = id_new();
	cr_expect_gt(memcmp(first.bytes, found.bytes, ID_BYTES), 0);
	cr_expect_gt(memcmp(second.bytes, first.bytes, ID_BYTES), 0);
	clock_fake(0, 0);
	first = id_new();
	cr_expect_gt(memcmp(first.bytes, second.bytes, ID_BYTES), 0);
}
