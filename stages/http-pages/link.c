#include "link.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define BLANKS " \t"

/* Is "next" one of the words? */
static bool has_next(const char *words, size_t len)
{
	const char *end = words + len;

	while (words < end) {
		size_t word = strcspn(words, BLANKS "\"");

		if (word > (size_t)(end - words))
			word = (size_t)(end - words);
		if (word == 4 && strncasecmp(words, "next", 4) == 0)
			return true;
		words += word + (word == 0 || words + word < end);
	}
	return false;
}

/* Behind a value that is a token or a quoted string. */
static const char *skip_value(const char *at, const char **ret_begin, size_t *ret_len)
{
	if (*at != '"') {
		*ret_begin = at;
		*ret_len = strcspn(at, ";," BLANKS);
		return at + *ret_len;
	}
	*ret_begin = ++at;
	while (*at != '\0' && *at != '"')
		at += 1 + (*at == '\\' && at[1] != '\0');
	*ret_len = (size_t)(at - *ret_begin);
	return at + (*at == '"');
}

/* The parameters of one link; `at` stands behind its '>'. Only the first rel counts. */
static const char *read_params(const char *at, bool *ret_next)
{
	const char *value;
	bool seen = false;
	size_t name, len;

	*ret_next = false;
	for (at += strspn(at, BLANKS); *at == ';'; at += strspn(at, BLANKS)) {
		at++;
		at += strspn(at, BLANKS);
		name = strcspn(at, "=;," BLANKS);
		value = at + name;
		value += strspn(value, BLANKS);
		if (*value != '=') {
			at = value;
			continue;
		}
		value++;
		value += strspn(value, BLANKS);
		if (name == 3 && strncasecmp(at, "rel", 3) == 0 && !seen) {
			seen = true;
			at = skip_value(value, &value, &len);
			*ret_next = has_next(value, len);
		} else {
			at = skip_value(value, &value, &len);
		}
	}
	return at;
}

const char *link_next(const char *header, size_t *ret_len)
{
	const char *at = header, *target, *close;
	bool next;

	while ((target = strchr(at, '<')) != NULL) {
		close = strchr(++target, '>');
		if (close == NULL)
			return NULL;
		at = read_params(close + 1, &next);
		if (next) {
			*ret_len = (size_t)(close - target);
			return target;
		}
	}
	return NULL;
}
