/*
 * fuzz_router: whatever stands in a request's first line, it is routed, or refused with an
 * error that fits the place; and what came out decoded is as it is promised.
 *
 * The input is a method, a blank and a target.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fuzz.h"
#include "http/query.h"
#include "http/router.h"
#include "job/text.h"

static const struct param params[] = {
	{ "name", PARAM_TEXT },
	{ "follow", PARAM_BOOL },
	{ "limit", PARAM_UINT, .min = 1, .max = 1000 },
	{ "order", PARAM_CHOICE, .choices = "input|none" },
	{ "after", PARAM_CURSOR },
	{ "label.", PARAM_TEXT },
	{ ".", PARAM_TEXT },
	{ 0 },
};

static const struct route table[] = {
	{ METHOD_GET, "/", 0, NULL, params },
	{ METHOD_GET, "/v1/jobs", 0, NULL, params },
	{ METHOD_POST, "/v1/jobs", 0, NULL, NULL },
	{ METHOD_POST, "/v1/jobs:validate", 0, NULL, params },
	{ METHOD_GET, "/v1/jobs/{id}", 0, NULL, params },
	{ METHOD_DELETE, "/v1/jobs/{id}", 0, NULL, NULL },
	{ METHOD_POST | METHOD_PUT, "/v1/jobs/{id}/items", 0, NULL, params },
	{ METHOD_POST, "/v1/jobs/{id}/failures/retry", 0, NULL, NULL },
};

static void must(int truth)
{
	if (!truth)
		abort();
}

static int is_text(const char *text)
{
	size_t len = strlen(text), step;

	for (; len > 0; text += step, len -= step)
		if ((step = text_char_len(text, len)) == 0)
			return 0;
	return 1;
}

static void check_query(const char *raw, const struct param *allowed)
{
	struct mistakes mistakes;
	struct query query = { 0 };
	struct error err = { 0 };
	json_t *list;

	mistakes_init(&mistakes);
	if (query_parse(raw, allowed, &query, &mistakes, &err) < 0) {
		must(query.memory == NULL);
		must(err.code == ERR_BAD_REQUEST ||
			(err.code == ERR_BAD_QUERY && mistakes.count > 0));
		list = mistakes_to_json(&mistakes);
		must(list != NULL);
		json_decref(list);
	} else {
		must(mistakes.count == 0);
		for (size_t at = 0; at < query.count; at++)
			must(is_text(query.values[at].key) && is_text(query.values[at].text));
		must(query_uint(&query, "limit", 1) >= 1 &&
			query_uint(&query, "limit", 1) <= 1000);
	}
	query_done(&query);
	mistakes_done(&mistakes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_auto_free_ char *line = mem_strndup((const char *)data, size);
	struct route_match match = { 0 };
	struct error err = { 0 };
	char *target, *search;

	must(line != NULL);
	target = strchr(line, ' ');
	if (target == NULL)
		return 0;
	*target++ = '\0';
	search = strchr(target, '?');
	if (search != NULL)
		*search++ = '\0';
	if (route_find(table, ARRAY_SIZE(table), method_parse(line), target, &match, &err) ==
		0) {
		must(match.route != NULL && strlen(match.arg) < ROUTE_ARG_SIZE);
		must(strchr(match.arg, '/') == NULL);
		must((strchr(match.route->pattern, '{') != NULL) == (match.arg[0] != '\0'));
		check_query(search, match.route->params);
	} else {
		must(err.code == ERR_BAD_REQUEST || err.code == ERR_NOT_FOUND ||
			err.code == ERR_METHOD);
		must((err.code == ERR_METHOD) == (match.allow[0] != '\0'));
		check_query(search, params);
	}
	return 0;
}
