/*
 * router: from a method and a path to a row of the route table.
 *
 * A pattern is literal but for at most one `{…}` that stands for a whole segment. Paths are
 * compared decoded, segment by segment; an encoded slash or NUL is a byte of its segment
 * that matches nothing. HEAD is allowed wherever GET is.
 *
 * Thread: any; nothing here allocates.
 */
#ifndef LEAT_HTTP_ROUTER_H
#define LEAT_HTTP_ROUTER_H

#include <stddef.h>

#include "base/error.h"
#include "http/query.h"

enum method {
	METHOD_GET = 1,
	METHOD_HEAD = 2,
	METHOD_POST = 4,
	METHOD_PUT = 8,
	METHOD_PATCH = 16,
	METHOD_DELETE = 32,
	METHOD_OTHER = 64,
};
enum method method_parse(const char *name);
/* "other" for METHOD_OTHER. */
const char *method_name(enum method method);

struct endpoint; /* http/request.h */

struct route {
	unsigned methods; /* mask of enum method */
	const char *pattern;
	unsigned scopes; /* of http/principal.h; any one of them will do; 0: everybody may */
	const struct endpoint *endpoint;
	const struct param *params; /* NULL: none */
};

#define ROUTE_ARG_SIZE   80
#define ROUTE_ALLOW_SIZE 64

struct route_match {
	const struct route *route;
	char arg[ROUTE_ARG_SIZE]; /* what stood for {…}; longer ones are cut and match nothing
				   */
	char allow[ROUTE_ALLOW_SIZE]; /* ERR_METHOD: the value of the Allow header */
};

/*
 * `path` is raw, without query, and is decoded in place. Errors: ERR_BAD_REQUEST (broken
 * escapes), ERR_NOT_FOUND, ERR_METHOD.
 */
int route_find(const struct route *routes, size_t count, enum method method, char *path,
	struct route_match *ret, struct error *err);

/* The server's own table, routes.c. */
extern const struct route http_routes[];
extern const size_t http_route_count;

#endif
