/* openapi: the tables of the server against the description that is built in, both ways. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "base/mem.h"
#include "http/principal.h"
#include "http/router.h"

static json_t *document;

static void load(void)
{
	json_error_t error;

	document = json_load_file(OPENAPI_JSON, 0, &error);
	cr_assert_not_null(document, "%s", error.text);
}

static void unload(void)
{
	json_decref(document);
}

TestSuite(openapi, .init = load, .fini = unload);

/* What a {"$ref":"#/a/b"} stands for. */
static json_t *resolved(json_t *value)
{
	const char *ref = json_string_value(json_object_get(value, "$ref"));
	json_t *at = document;
	char path[200], *rest = path, *part;

	if (ref == NULL)
		return value;
	snprintf(path, sizeof(path), "%s", ref + 2); /* behind #/ */
	while ((part = strsep(&rest, "/")) != NULL)
		at = json_object_get(at, part);
	return resolved(at);
}

static json_t *dig(json_t *value, const char *name)
{
	return resolved(json_object_get(value, name));
}

/* ---- routes ---- */

static const struct {
	enum method method;
	const char *name;
} methods[] = { { METHOD_GET, "get" }, { METHOD_POST, "post" }, { METHOD_PUT, "put" },
	{ METHOD_PATCH, "patch" }, { METHOD_DELETE, "delete" } };

static json_t *path_item(const char *pattern)
{
	return dig(dig(document, "paths"), pattern);
}

/* The schema of the query parameter `name`: its own, or of the object that has such keys. */
static json_t *query_schema(json_t *operation, const char *name)
{
	size_t at, len = strlen(name);
	json_t *parameter, *schema;
	const char *pattern;

	json_array_foreach(json_object_get(operation, "parameters"), at, parameter)
	{
		parameter = resolved(parameter);
		if (strcmp(json_string_value(json_object_get(parameter, "in")), "query") != 0)
			continue;
		if (strcmp(json_string_value(json_object_get(parameter, "name")), name) == 0)
			return dig(parameter, "schema");
		json_object_foreach(
			dig(dig(parameter, "schema"), "patternProperties"), pattern, schema)
			/* "^label\.." for "label.", "^(?!…)…" for "." */
			if (strncmp(pattern + 1, name, len - 1) == 0 &&
				(len > 1) == (pattern[1] != '(')) return resolved(schema);
	}
	return NULL;
}

static bool is_type(json_t *schema, const char *type)
{
	const char *stands = json_string_value(json_object_get(schema, "type"));

	return stands != NULL && strcmp(stands, type) == 0;
}

static uint64_t bound(json_t *schema, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(schema, name));
}

static void expect_choices(const char *choices, json_t *list, const char *where)
{
	char copy[200], *rest = copy, *choice;
	size_t count = 0, at;
	json_t *stands;

	snprintf(copy, sizeof(copy), "%s", choices);
	while ((choice = strsep(&rest, "|")) != NULL) {
		bool found = false;

		json_array_foreach(list, at, stands) found |=
			strcmp(json_string_value(stands), choice) == 0;
		cr_assert(found, "%s: '%s' is not in the enum", where, choice);
		count++;
	}
	cr_assert_eq(json_array_size(list), count, "%s: the enum has other words", where);
}

static void expect_param(const struct param *param, json_t *schema, const char *where)
{
	switch (param->type) {
	case PARAM_BOOL:
		cr_assert(is_type(schema, "boolean"), "%s", where);
		break;
	case PARAM_UINT:
		cr_assert(is_type(schema, "integer"), "%s", where);
		cr_assert_eq(bound(schema, "minimum"), param->min, "%s: minimum", where);
		cr_assert_eq(bound(schema, "maximum"), param->max, "%s: maximum", where);
		break;
	case PARAM_CHOICE:
		expect_choices(param->choices, json_object_get(schema, "enum"), where);
		break;
	case PARAM_TEXT:
	case PARAM_CURSOR:
		cr_assert(is_type(schema, "string") || is_type(schema, "integer"), "%s", where);
		break;
	}
}

/* How many of the operation's query parameters the table can have: an object of keys counts
 * once for each pattern. */
static size_t count_documented(json_t *operation)
{
	size_t at, count = 0;
	json_t *parameter, *keys;

	json_array_foreach(json_object_get(operation, "parameters"), at, parameter)
	{
		parameter = resolved(parameter);
		if (strcmp(json_string_value(json_object_get(parameter, "in")), "query") != 0)
			continue;
		keys = dig(dig(parameter, "schema"), "patternProperties");
		count += keys == NULL ? 1 : json_object_size(keys);
	}
	return count;
}

static void expect_operation(const struct route *route, const char *method)
{
	json_t *operation = json_object_get(path_item(route->pattern), method);
	char where[200];
	size_t count = 0;

	cr_assert_not_null(operation, "%s %s is not documented", method, route->pattern);
	for (const struct param *param = route->params; param != NULL && param->name != NULL;
		param++, count++) {
		json_t *schema = query_schema(operation, param->name);

		snprintf(where, sizeof(where), "%s %s?%s", method, route->pattern, param->name);
		cr_assert_not_null(schema, "%s is not documented", where);
		expect_param(param, schema, where);
	}
	cr_assert_eq(count_documented(operation), count,
		"%s %s: the document has other query parameters", method, route->pattern);
}

/* [{"bearer":["read"]}]: one for each scope that will do; [] where none is wanted. */
static unsigned documented_scopes(json_t *operation, const char *where)
{
	unsigned scopes = 0;
	json_t *way;
	size_t at;

	cr_assert(json_is_array(json_object_get(operation, "security")), "%s: no security",
		where);
	json_array_foreach(json_object_get(operation, "security"), at, way)
	{
		json_t *names = json_object_get(way, "bearer");

		cr_assert_eq(json_array_size(names), 1, "%s: one scope a way", where);
		scopes |= scope_parse(json_string_value(json_array_get(names, 0)));
	}
	return scopes;
}

Test(openapi, says_which_scopes_every_route_wants_and_what_is_said_without)
{
	for (size_t at = 0; at < http_route_count; at++)
		for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
			const struct route *route = &http_routes[at];
			json_t *operation =
				json_object_get(path_item(route->pattern), methods[m].name);
			json_t *replies = json_object_get(operation, "responses");
			bool open = (route->scopes & SCOPE_ALL) == SCOPE_NONE;

			if ((route->methods & methods[m].method) == 0)
				continue;
			cr_assert_eq(documented_scopes(operation, route->pattern),
				route->scopes & SCOPE_ALL, "%s", route->pattern);
			cr_assert_eq(json_object_get(replies, "401") == NULL, open, "%s: 401",
				route->pattern);
			cr_assert(open || json_object_get(replies, "403") != NULL, "%s: 403",
				route->pattern);
		}
}

Test(openapi, has_every_route_with_its_parameters)
{
	for (size_t at = 0; at < http_route_count; at++)
		for (size_t m = 0; m < ARRAY_SIZE(methods); m++)
			if ((http_routes[at].methods & methods[m].method) != 0)
				expect_operation(&http_routes[at], methods[m].name);
}

static bool is_routed(const char *path, enum method method)
{
	for (size_t at = 0; at < http_route_count; at++)
		if (strcmp(http_routes[at].pattern, path) == 0 &&
			(http_routes[at].methods & method) != 0)
			return true;
	return false;
}

Test(openapi, has_no_operation_that_is_not_routed)
{
	const char *path;
	json_t *item;

	json_object_foreach(json_object_get(document, "paths"), path,
		item) for (size_t m = 0; m < ARRAY_SIZE(methods); m++)
		cr_assert(json_object_get(item, methods[m].name) == NULL ||
				  is_routed(path, methods[m].method),
			"%s %s is documented and not served", methods[m].name, path);
}

/* ---- problems ---- */

static json_t *find_problem(json_t *list, const char *slug)
{
	size_t at;
	json_t *row;

	json_array_foreach(list, at, row)
	{
		const char *type = json_string_value(json_object_get(row, "const"));

		if (strncmp(type, "/problems/", 10) == 0 && strcmp(type + 10, slug) == 0)
			return row;
	}
	return NULL;
}

Test(openapi, has_every_problem_and_no_other)
{
	json_t *list = json_object_get(
		dig(dig(dig(document, "components"), "schemas"), "ProblemType"), "oneOf");

	for (int code = ERR_NONE + 1; code < ERR_COUNT; code++) {
		const struct error_info *info = error_info((enum error_code)code);
		json_t *row = find_problem(list, info->slug);

		cr_assert_not_null(row, "%s is not documented", info->slug);
		cr_assert_str_eq(json_string_value(json_object_get(row, "title")), info->title);
		cr_assert_eq(json_integer_value(json_object_get(row, "x-status")), info->status,
			"status of %s", info->slug);
	}
	cr_assert_eq(json_array_size(list), ERR_COUNT - 1, "the document has other problems");
}
