#include "client/problem.h"

#include <string.h>

#include "base/json_parse.h"
#include "base/mem.h"
#include "client/shown.h"

static const char type_prefix[] = "/problems/";

json_t *problem_parse(const struct remote_reply *reply)
{
	json_t *root;

	if (strcmp(reply->type, "application/problem+json") != 0)
		return NULL;
	root = json_parse(reply->body.data, reply->body.len, 0, NULL);
	if (json_is_object(root))
		return root;
	json_decref(root);
	return NULL;
}

const char *problem_slug(const json_t *problem)
{
	const char *type = json_string_value(json_object_get(problem, "type"));

	if (type == NULL || strncmp(type, type_prefix, strlen(type_prefix)) != 0)
		return "";
	return type + strlen(type_prefix);
}

bool problem_may_pass(const struct remote_reply *reply)
{
	return reply->status == 429 || reply->status == 502 || reply->status == 503 ||
	       reply->status == 504 || reply->status == 507;
}

bool problem_is_mistake(const struct remote_reply *reply)
{
	return reply->status >= 400 && reply->status < 500 && reply->status != 409 &&
	       reply->status != 410 && reply->status != 429;
}

/* What to do about it, where the server's own words do not say so. */
static const char *advice(const char *slug, int status)
{
	static const struct {
		const char *slug, *text;
	} known[] = {
		{ "job-not-found", "'leat ls' lists the jobs" },
		{ "input-closed", "submit a new job for more items" },
		{ "draining", "try again when it is back" },
		{ "disk-full", "make room where its --data is, then go on" },
		{ "results-expired", "retention_ms of a definition says how long they stay" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(known[i].slug, slug) == 0)
			return known[i].text;
	return status == 401 ? "give it with --token or LEAT_TOKEN" : NULL;
}

/* {"pointer":…} of a definition or a query, {"line":…} of an upload. */
static int append_mistake(const json_t *mistake, uint64_t first_line, struct buf *to)
{
	const char *pointer = json_string_value(json_object_get(mistake, "pointer"));
	const char *detail = json_string_value(json_object_get(mistake, "detail"));
	const json_t *line = json_object_get(mistake, "line");
	int failed = 0;

	failed |= buf_append_str(to, "\n  ");
	if (json_is_integer(line))
		failed |= buf_printf(to, "line %llu",
			(unsigned long long)json_integer_value(line) +
				(unsigned long long)first_line);
	else
		failed |= shown_text(
			pointer != NULL && *pointer != '\0' ? pointer : "all of it", to);
	failed |= buf_append_str(to, ": ");
	return failed | shown_text(detail != NULL ? detail : "is wrong", to);
}

/* The detail repeats the first of the mistakes, which stand below: without it, then. */
static int append_detail(const json_t *problem, size_t mistakes, struct buf *to)
{
	const char *detail = json_string_value(json_object_get(problem, "detail"));
	const char *title = json_string_value(json_object_get(problem, "title"));

	if (mistakes > 0)
		return shown_text(title != NULL ? title : "it is wrong", to);
	if (detail == NULL || *detail == '\0')
		detail = title != NULL ? title : "no reason is given";
	return shown_text(detail, to);
}

static int append_problem(const json_t *problem, const struct remote_reply *reply,
	uint64_t first_line, struct buf *to)
{
	const json_t *mistakes = json_object_get(problem, "errors"), *mistake;
	const char *todo = advice(problem_slug(problem), reply->status);
	int failed = append_detail(problem, json_array_size(mistakes), to);
	size_t i;

	if (todo != NULL)
		failed |= buf_printf(to, "; %s", todo);
	json_array_foreach(mistakes, i, mistake)
	{
		failed |= append_mistake(mistake, first_line, to);
	}
	return failed;
}

static int append_status(
	const struct remote *remote, const struct remote_reply *reply, struct buf *to)
{
	if (reply->status == 401 || reply->status == 403)
		return buf_printf(to,
			"%s does not let us in (%d); give a token with --token or "
			"LEAT_TOKEN",
			remote_url(remote), reply->status);
	return buf_printf(to, "%s answers %d without a reason; is that a leat server?",
		remote_url(remote), reply->status);
}

int problem_text(const struct remote *remote, const struct remote_reply *reply,
	uint64_t first_line, struct buf *to)
{
	json_auto_t *problem = problem_parse(reply);

	return problem != NULL ? append_problem(problem, reply, first_line, to)
			       : append_status(remote, reply, to);
}
