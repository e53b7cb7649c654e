#include "job/definition.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "job/text.h"

#define DETAIL_MAX 400

void mistakes_init(struct mistakes *mistakes)
{
	mistakes->count = 0;
}

/* What stands for a text that there was no memory for. */
static char no_pointer[] = "", no_detail[] = "wrong";

void mistakes_done(struct mistakes *mistakes)
{
	for (unsigned i = 0; i < mistakes->count; i++) {
		struct mistake *mistake = &mistakes->items[i];

		if (mistake->pointer != no_pointer)
			mem_free(mistake->pointer);
		if (mistake->detail != no_detail)
			mem_free(mistake->detail);
	}
	mistakes->count = 0;
}

/* A copy that is fit for a JSON string, whatever bytes a request brought. */
static char *clean_copy(const char *text, char *otherwise)
{
	char *copy = mem_strdup(text);

	if (copy == NULL)
		return otherwise;
	text_clean(copy);
	return copy;
}

/* A mistake counts even if there is no memory for its text: what is wrong must not pass. */
void mistakes_add(struct mistakes *mistakes, const char *pointer, const char *format, ...)
{
	char detail[DETAIL_MAX];
	struct mistake *mistake;
	va_list args;
	int len;

	if (mistakes->count == MISTAKES_MAX)
		return;
	va_start(args, format);
	len = vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	if (len >= DETAIL_MAX) {
		size_t at = DETAIL_MAX - sizeof("…");

		while (at > 0 && ((unsigned char)detail[at] & 0xc0) == 0x80)
			at--;
		memcpy(detail + at, "…", sizeof("…"));
	}
	mistake = &mistakes->items[mistakes->count++];
	mistake->pointer = clean_copy(pointer, no_pointer);
	mistake->detail = clean_copy(detail, no_detail);
}

json_t *mistakes_to_json(const struct mistakes *mistakes)
{
	json_t *list = json_array();

	for (unsigned i = 0; list != NULL && i < mistakes->count; i++) {
		const struct mistake *mistake = &mistakes->items[i];
		json_t *row = json_pack(
			"{s:s, s:s}", "pointer", mistake->pointer, "detail", mistake->detail);

		if (json_array_append_new(list, row) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}
