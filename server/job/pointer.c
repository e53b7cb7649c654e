#include "job/pointer.h"

#include <stdio.h>
#include <string.h>

#include "job/text.h"

/* Append as much as there is room for; false when it was cut. */
static int append(struct pointer *pointer, size_t *len, const char *bytes, size_t count)
{
	static const char cut[] = "…";

	if (*len + count + sizeof(cut) <= POINTER_MAX) {
		memcpy(pointer->text + *len, bytes, count);
		*len += count;
		pointer->text[*len] = '\0';
		return 1;
	}
	memcpy(pointer->text + *len, cut, sizeof(cut));
	return 0;
}

struct pointer pointer_at(const char *base, const char *key)
{
	struct pointer pointer = { "" };
	size_t len = 0, left = strlen(key);

	if (!append(&pointer, &len, base, strnlen(base, POINTER_MAX)) ||
		!append(&pointer, &len, "/", 1))
		return pointer;
	while (left > 0) {
		size_t step = text_char_len(key, left);
		int room;

		if (*key == '~')
			room = append(&pointer, &len, "~0", 2);
		else if (*key == '/')
			room = append(&pointer, &len, "~1", 2);
		else
			room = append(&pointer, &len, key, step > 0 ? step : 1);
		if (!room)
			break;
		step += step == 0;
		key += step;
		left -= step;
	}
	return pointer;
}

struct pointer pointer_index(const char *base, size_t index)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%zu", index);
	return pointer_at(base, digits);
}
