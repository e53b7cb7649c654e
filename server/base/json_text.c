#include "base/json_text.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

/* Thousandths below a billion always do; nearly all that we write are such, so this is quick.
 */
static bool real_is_short(double value)
{
	char text[32];

	if (fabs(value) < 1e9 && rint(value * 1000) / 1000 == value)
		return true;
	snprintf(text, sizeof(text), "%.15g", value);
	return strtod(text, NULL) == value;
}

/* Trees come from json_loads(), which bounds their depth, or from our own code. */
static bool reals_are_short(const json_t *json) /* NOLINT(misc-no-recursion) */
{
	json_t *value;
	const char *key;
	size_t at;

	if (json_is_real(json))
		return real_is_short(json_real_value(json));
	json_array_foreach(
		(json_t *)(uintptr_t)json, at, value) if (!reals_are_short(value)) return false;
	json_object_foreach((json_t *)(uintptr_t)json, key,
		value) if (!reals_are_short(value)) return false;
	return true;
}

size_t json_text_reals(const json_t *json)
{
	return JSON_REAL_PRECISION(reals_are_short(json) ? 15 : 17);
}

char *json_text(const json_t *json, size_t flags)
{
	unsigned failures = mem_failures();
	char *text = json == NULL ? NULL : json_dumps(json, flags);

	if (mem_failures() == failures)
		return text;
	mem_free(text);
	return NULL;
}

static int append(const char *bytes, size_t len, void *arg)
{
	return buf_append(arg, bytes, len);
}

int json_append_text(const json_t *json, size_t flags, struct buf *to)
{
	unsigned failures = mem_failures();
	size_t before = to->len;

	if (json != NULL && json_dump_callback(json, append, to, flags) == 0 &&
		mem_failures() == failures)
		return 0;
	to->len = before;
	return -1;
}
