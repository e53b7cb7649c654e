#include "cli/failures.h"

#include <jansson.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "job/text.h"

int failure_to_text(const struct failure_view *failure, const char *stage, const char *where,
	struct buf *to)
{
	_auto_free_ char *why = mem_strndup(failure->error, failure->head.error_len);
	unsigned attempts = failure->head.attempts;

	if (why == NULL)
		return -1;
	text_clean(why);
	return buf_printf(to, "failed item %llu%s%s%s at %s after %u attempt%s: %s\n",
		(unsigned long long)failure->head.item, *where != '\0' ? " (" : "", where,
		*where != '\0' ? ")" : "", stage, attempts, attempts == 1 ? "" : "s", why);
}

/* Everything but the input, which is JSON already. Owner: caller, by mem_free(). */
static char *members(const struct failure_view *failure, const char *stage, const char *where)
{
	_auto_free_ char *why = mem_strndup(failure->error, failure->head.error_len);
	json_auto_t *root = NULL;
	char at[32];

	if (why == NULL)
		return NULL;
	text_clean(why);
	clock_format(failure->head.at_ms, at);
	root = json_pack("{s:I, s:s*, s:s, s:i, s:s, s:s, s:s}", "item",
		(json_int_t)failure->head.item, "where", *where != '\0' ? where : NULL, "stage",
		stage, "attempts", (int)failure->head.attempts, "kind",
		failure_kind_name((enum failure_kind)failure->head.kind), "error", why, "at",
		at);
	return json_text(root, JSON_COMPACT);
}

int failure_to_json(const struct failure_view *failure, const char *stage, const char *where,
	struct buf *to)
{
	_auto_free_ char *text = members(failure, stage, where);
	size_t before = to->len;

	if (text == NULL)
		return -1;
	if (buf_append(to, text, strlen(text) - 1) == 0 &&
		buf_append_str(to, ",\"input\":") == 0 &&
		buf_append(to, failure->input, failure->head.input_len) == 0 &&
		buf_append_str(to, "}\n") == 0)
		return 0;
	to->len = before;
	return -1;
}
