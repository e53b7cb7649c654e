/*
 * query: the parameters of a request target, checked against what the route allows.
 *
 * Whatever is not in the route's table, is given twice or has a bad value is a mistake with
 * the parameter's name as its pointer (422); a text that cannot be decoded at all is a
 * malformed request (400).
 *
 * Thread: any.
 */
#ifndef LEAT_HTTP_QUERY_H
#define LEAT_HTTP_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "job/definition.h"

enum param_type {
	PARAM_TEXT,
	PARAM_BOOL,   /* true, false, 1, 0 */
	PARAM_UINT,   /* decimal, min to max */
	PARAM_CHOICE, /* one of `choices` */
	PARAM_CURSOR, /* text; what it is worth is found out later */
};

/* One row of a table that ends with a row whose name is NULL. */
struct param {
	/* "limit"; "label." allows every key that begins so; "." every key with a dot inside.
	 */
	const char *name;
	enum param_type type;
	uint64_t min, max;   /* PARAM_UINT; max 0: none */
	const char *choices; /* "a|b" */
};

struct query_value {
	const char *key, *text;
	uint64_t number;
};

struct query {
	char *memory;
	struct query_value *values;
	size_t count;
};

/*
 * Parse what stands behind the '?' (NULL: nothing) as application/x-www-form-urlencoded.
 * Returns -1 with ERR_BAD_REQUEST, ERR_NO_MEMORY, or ERR_BAD_QUERY with mistakes.
 */
int query_parse(const char *raw, const struct param *params, struct query *ret,
	struct mistakes *mistakes, struct error *err);
void query_done(struct query *query);

/* NULL when it was not given. */
const char *query_text(const struct query *query, const char *key);
uint64_t query_uint(const struct query *query, const char *key, uint64_t otherwise);
bool query_bool(const struct query *query, const char *key, bool otherwise);

/*
 * %XX in place; with `plus`, '+' is a blank. Returns the length, which is what counts if
 * a NUL came out, or -1 where a % is not followed by two hex digits.
 */
ptrdiff_t percent_decode(char *text, bool plus);

#endif
