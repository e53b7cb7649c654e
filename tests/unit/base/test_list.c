/* A list whose links live in its members. */
#include <criterion/criterion.h>

#include "base/list.h"

struct member {
	char name;
	struct list link;
};

static void expect(const struct list *head, const char *names)
{
	const struct list *link = head->next;

	for (; *names != '\0'; names++, link = link->next) {
		cr_assert_neq(link, head, "too short at %s", names);
		cr_expect_eq(LIST_ENTRY(link, struct member, link)->name, *names);
		cr_expect_eq(link->prev->next, link);
	}
	cr_expect_eq(link, head, "too long");
}

static void make(struct member *members, const char *names)
{
	for (; *names != '\0'; names++, members++) {
		members->name = *names;
		list_init(&members->link);
	}
}

Test(list, keeps_the_order_of_its_ends)
{
	struct member members[4];
	struct list head;

	list_init(&head);
	make(members, "abcd");
	cr_expect(list_empty(&head));
	cr_expect_null(list_pop(&head));
	list_append(&head, &members[1].link);
	list_append(&head, &members[2].link);
	list_prepend(&head, &members[0].link);
	expect(&head, "abc");
	cr_expect_eq(list_pop(&head), &members[0].link);
	expect(&head, "bc");
}

Test(list, a_member_may_be_removed_twice)
{
	struct member members[3];
	struct list head;

	list_init(&head);
	make(members, "abc");
	for (int at = 0; at < 3; at++)
		list_append(&head, &members[at].link);
	list_remove(&members[1].link);
	list_remove(&members[1].link);
	expect(&head, "ac");
	list_append(&head, &members[1].link);
	expect(&head, "acb");
}

Test(list, a_walk_survives_the_removal_of_where_it_stands)
{
	struct member members[6];
	struct list head;

	list_init(&head);
	make(members, "abcdef");
	for (int at = 0; at < 6; at++)
		list_append(&head, &members[at].link);
	LIST_EACH(&head, link)
	{
		if (LIST_ENTRY(link, struct member, link)->name % 2 == 0)
			list_remove(link);
	}
	expect(&head, "ace");
	LIST_EACH(&head, link)
	list_remove(link);
	cr_expect(list_empty(&head));
}

Test(list, all_of_one_moves_behind_another)
{
	struct member members[4];
	struct list from, to;

	list_init(&from);
	list_init(&to);
	make(members, "abcd");
	list_move_all(&to, &from);
	cr_expect(list_empty(&to));
	list_append(&from, &members[0].link);
	list_append(&from, &members[1].link);
	list_move_all(&to, &from);
	expect(&to, "ab");
	cr_expect(list_empty(&from));
	list_append(&from, &members[2].link);
	list_move_all(&to, &from);
	expect(&to, "abc");
	list_move_all(&to, &from);
	expect(&to, "abc");
}
