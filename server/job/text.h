/*
 * text: what people wrote, before it is stored, shown or looked up.
 *
 * Thread: any.
 */
#ifndef LEAT_JOB_TEXT_H
#define LEAT_JOB_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the UTF-8 character that `text`, of `left` bytes, begins with; 0: it is none. */
size_t text_char_len(const char *text, size_t left);

/* UTF-8 without control characters. */
bool text_is_printable(const char *text, size_t len);

/* Every byte that is not part of printable UTF-8 becomes '?'. */
void text_clean(char *text);

/* [A-Za-z0-9_-]{1,64}: names of stages. */
#define TEXT_NAME_MAX 64
bool text_is_name(const char *text, size_t len);

/* Decimal digits and nothing else, at most `max`. */
bool text_to_uint(const char *text, unsigned long long max, unsigned long long *ret);

/*
 * The nearest of some words to a misspelt one: offer each, then ask. Case does not count, a
 * swap of neighbours counts one, and so does a missing end (timeout for timeout_ms); what
 * differs in more than a third of its letters is not near.
 */
struct nearest {
	const char *word, *best;
	size_t distance; /* what is wanted is nearer than this */
};
void nearest_init(struct nearest *nearest, const char *word);
void nearest_offer(struct nearest *nearest, const char *candidate);
/* NULL when none is near. */
static inline const char *nearest_best(const struct nearest *nearest)
{
	return nearest->best;
}

#endif
