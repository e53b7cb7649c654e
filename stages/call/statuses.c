#include "call/statuses.h"

#include <string.h>

#include <yyjson.h>

static const int worth_another[] = { 408, 425, 429, 500, 502, 503, 504 };

/* A status, or the first of a class; 0 when it is neither. */
static unsigned read_one(yyjson_val *value, unsigned *ret_count)
{
	const char *text = yyjson_get_str(value);
	uint64_t number = yyjson_get_uint(value);

	*ret_count = 1;
	if (yyjson_is_uint(value))
		return number >= 100 && number < 600 ? (unsigned)number : 0;
	*ret_count = 100;
	if (text == NULL || strlen(text) != 3 || text[0] < '1' || text[0] > '5' ||
		strcmp(text + 1, "xx") != 0)
		return 0;
	return (unsigned)(text[0] - '0') * 100;
}

static enum stage_result read_list(struct statuses *statuses, const char *json,
	const char *name, enum status_fate fate, struct stage_ctx *ctx)
{
	yyjson_doc *doc = json == NULL ? NULL : yyjson_read(json, strlen(json), 0);
	yyjson_val *root = yyjson_doc_get_root(doc), *value;
	enum stage_result result = STAGE_OK;
	size_t at, max;

	if (json == NULL)
		return STAGE_OK;
	if (doc == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	if (!yyjson_is_arr(root))
		result = stage_fail(ctx, STAGE_PERMANENT,
			"/%s: must be an array of statuses (404) and classes (\"4xx\")", name);
	yyjson_arr_foreach(root, at, max, value)
	{
		unsigned count, first = read_one(value, &count);

		if (first == 0 && result == STAGE_OK)
			result = stage_fail(ctx, STAGE_PERMANENT,
				"/%s/%zu: must be a status (404) or a class (\"4xx\")", name,
				at);
		else if (first != 0)
			memset(statuses->fate + first, (int)fate, count);
	}
	yyjson_doc_free(doc);
	return result;
}

enum stage_result statuses_read(struct statuses *statuses, const char *ok,
	const char *transient, const char *permanent, struct stage_ctx *ctx)
{
	memset(statuses, STATUS_PERMANENT, sizeof(*statuses));
	memset(statuses->fate + 200, STATUS_OK, 100);
	for (size_t i = 0; i < sizeof(worth_another) / sizeof(worth_another[0]); i++)
		statuses->fate[worth_another[i]] = STATUS_TRANSIENT;
	if (read_list(statuses, permanent, "permanent", STATUS_PERMANENT, ctx) != STAGE_OK ||
		read_list(statuses, transient, "transient", STATUS_TRANSIENT, ctx) != STAGE_OK)
		return STAGE_FAILED;
	return read_list(statuses, ok, "ok", STATUS_OK, ctx);
}

enum status_fate statuses_fate(const struct statuses *statuses, long status)
{
	if (status < 100 || status > 599)
		return STATUS_PERMANENT;
	return (enum status_fate)statuses->fate[status];
}
