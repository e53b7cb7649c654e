#include "http/router.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define UNMATCHABLE '\1' /* stands for an encoded slash or NUL; in no pattern, id or name */

static const struct {
	const char *name;
	enum method method;
} methods[] = {
	{ "GET", METHOD_GET },
	{ "HEAD", METHOD_HEAD },
	{ "POST", METHOD_POST },
	{ "PUT", METHOD_PUT },
	{ "PATCH", METHOD_PATCH },
	{ "DELETE", METHOD_DELETE },
};

enum method method_parse(const char *name)
{
	for (size_t at = 0; at < ARRAY_SIZE(methods); at++)
		if (strcmp(methods[at].name, name) == 0)
			return methods[at].method;
	return METHOD_OTHER;
}

const char *method_name(enum method method)
{
	for (size_t at = 0; at < ARRAY_SIZE(methods); at++)
		if (methods[at].method == method)
			return methods[at].name;
	return "other";
}

static unsigned with_head(unsigned mask)
{
	return mask | ((mask & METHOD_GET) != 0 ? METHOD_HEAD : 0u);
}

/* Decode each segment of its own, so that no encoded slash makes two of one. */
static int decode_path(char *path, struct error *err)
{
	char *to = path, *end;
	bool last = false;

	for (char *segment = path; !last; segment = end + 1) {
		ptrdiff_t len;

		end = strchrnul(segment, '/');
		last = *end == '\0';
		*end = '\0';
		len = percent_decode(segment, false);
		if (len < 0)
			return error_set(err, ERR_BAD_REQUEST,
				"the path has a '%%' that is not followed by two hex digits");
		for (ptrdiff_t at = 0; at < len; at++, to++)
			*to = segment[at] == '/' || segment[at] == '\0' ? UNMATCHABLE
									: segment[at];
		*to++ = last ? '\0' : '/';
	}
	return 0;
}

/* What stands at `path` up to the next slash; how long it is. */
static size_t take_arg(const char *path, char *arg)
{
	size_t len = strcspn(path, "/");

	snprintf(arg, ROUTE_ARG_SIZE, "%.*s", (int)MIN(len, (size_t)ROUTE_ARG_SIZE), path);
	return len;
}

static bool matches(const char *pattern, const char *path, char *arg)
{
	size_t len;

	for (; *pattern != '\0'; pattern++) {
		if (*pattern == '{') {
			len = take_arg(path, arg);
			if (len == 0)
				return false;
			path += len;
			pattern = strchr(pattern, '}');
		} else if (*pattern != *path++) {
			return false;
		}
	}
	return *path == '\0';
}

static void write_allow(unsigned mask, char *allow)
{
	size_t len = 0;

	for (size_t at = 0; at < ARRAY_SIZE(methods); at++)
		if ((mask & methods[at].method) != 0)
			len += (size_t)snprintf(allow + len, ROUTE_ALLOW_SIZE - len, "%s%s",
				len == 0 ? "" : ", ", methods[at].name);
}

int route_find(const struct route *routes, size_t count, enum method method, char *path,
	struct route_match *ret, struct error *err)
{
	unsigned allowed = 0;

	ret->arg[0] = '\0';
	if (decode_path(path, err) < 0)
		return -1;
	for (size_t at = 0; at < count; at++) {
		if (!matches(routes[at].pattern, path, ret->arg))
			continue;
		allowed |= with_head(routes[at].methods);
		if ((with_head(routes[at].methods) & method) != 0) {
			ret->route = &routes[at];
			return 0;
		}
	}
	if (allowed == 0)
		return error_set(err, ERR_NOT_FOUND, "nothing is served under this path");
	write_allow(allowed, ret->allow);
	return error_set(err, ERR_METHOD, "only %s can be used here", ret->allow);
}
