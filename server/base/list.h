/*
 * list: a doubly linked list whose links live in the members.
 *
 * A `struct list` is both the head and the link; an empty head points at itself, and a link
 * that is on no list does so too, so that list_remove() may be called twice.
 */
#ifndef LEAT_BASE_LIST_H
#define LEAT_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *list)
{
	list->next = list->prev = list;
}

static inline bool list_empty(const struct list *list)
{
	return list->next == list;
}

static inline void list_insert_(struct list *link, struct list *prev, struct list *next)
{
	link->prev = prev;
	link->next = next;
	prev->next = link;
	next->prev = link;
}

static inline void list_append(struct list *head, struct list *link)
{
	list_insert_(link, head->prev, head);
}

static inline void list_prepend(struct list *head, struct list *link)
{
	list_insert_(link, head, head->next);
}

static inline void list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

/* Unlink and return the first link, NULL when there is none. */
static inline struct list *list_pop(struct list *head)
{
	struct list *first = head->next;

	if (first == head)
		return NULL;
	list_remove(first);
	return first;
}

/* Move all of `from` behind what `to` holds. */
static inline void list_move_all(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define LIST_ENTRY(link, type, member) CONTAINER_OF(link, type, member)

/* Walk; the current member may be removed inside the body. */
#define LIST_EACH(head, link)                                                              \
	for (struct list *link = (head)->next, *link##_next_ = link->next; link != (head); \
		link = link##_next_, link##_next_ = link->next)

static inline size_t list_length(const struct list *list)
{
	size_t length = 0;

	for (const struct list *link = list->next; link != list; link = link->next)
		length++;
	return length;
}

#endif
