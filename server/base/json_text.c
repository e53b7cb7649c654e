#include "base/json_text.h"

#include "base/mem.h"

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
