/*
 * field: reading the members of a request's object, one typed call each.
 *
 * An absent member leaves its output as it was, so that defaults are set first; a wrong one
 * leaves it too and adds a mistake that says what was expected and what stood there.
 * Every reader returns true when the member was given and right.
 */
#ifndef LEAT_JOB_FIELD_H
#define LEAT_JOB_FIELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "job/definition.h"
#include "job/pointer.h"

struct fields {
	const json_t *object;
	const char *pointer; /* of the object */
	struct mistakes *mistakes;
};

/*
 * False, with a mistake, when `value` is not an object. Members that are not in `known`
 * (NULL-terminated) are mistakes too, but hinder nothing.
 */
bool fields_open(struct fields *fields, const json_t *value, const char *pointer,
	const char *const *known, struct mistakes *mistakes);

/* A mistake about the member `name`. */
void fields_mistake(const struct fields *fields, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

bool field_uint(const struct fields *fields, const char *name, uint64_t min, uint64_t max,
	uint64_t *to);
/* The same, and null is what `none` says. */
bool field_uint_or_none(const struct fields *fields, const char *name, uint64_t min,
	uint64_t max, uint64_t none, uint64_t *to);
bool field_number_or_none(const struct fields *fields, const char *name, double min, double max,
	double none, double *to);
bool field_bool(const struct fields *fields, const char *name, bool *to);
/* One of `words` (NULL-terminated): its index. */
bool field_word(
	const struct fields *fields, const char *name, const char *const *words, int *to);
/* At most `max` bytes of printable text; *to is borrowed. */
bool field_text(const struct fields *fields, const char *name, size_t max, const char **to);

/* What stands there, for the end of a sentence: `"abc"`, `8.5`, `an object`. */
struct shown {
	char text[80];
};
struct shown value_shown(const json_t *value);

/* Is it a whole number written as one? If not, says so under `pointer`. */
bool value_uint(const json_t *value, const char *pointer, uint64_t min, uint64_t max,
	struct mistakes *mistakes, uint64_t *to);

#endif
