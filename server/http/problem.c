#include "http/problem.h"

#include <stdio.h>

#include "base/mem.h"
#include "job/text.h"

/* Error texts and paths may hold bytes of the request. */
static json_t *clean_string(const char *text)
{
	_auto_free_ char *copy = mem_strdup(text);

	if (copy == NULL)
		return NULL;
	text_clean(copy);
	return json_string(copy);
}

static json_t *type_of(const struct error_info *info)
{
	char type[80];

	snprintf(type, sizeof(type), "/problems/%s", info->slug);
	return json_string(type);
}

json_t *problem_to_json(const struct error *error, const char *instance,
	const struct mistakes *mistakes, json_t *extra)
{
	const struct error_info *info = error_info(error->code);
	json_t *problem = json_object();
	int failed = 0;

	/* Each of these takes its value, also on failure. */
	failed |= json_object_set_new(problem, "type", type_of(info));
	failed |= json_object_set_new(problem, "title", json_string(info->title));
	failed |= json_object_set_new(problem, "status", json_integer(info->status));
	failed |= json_object_set_new(problem, "detail", clean_string(error->text));
	failed |= json_object_set_new(problem, "instance", clean_string(instance));
	if (extra != NULL)
		failed |= json_object_update(problem, extra);
	if (mistakes != NULL && mistakes->count > 0)
		failed |= json_object_set_new(problem, "errors", mistakes_to_json(mistakes));
	json_decref(extra);
	if (failed == 0)
		return problem;
	json_decref(problem);
	return NULL;
}
