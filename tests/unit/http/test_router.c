/* router: which row serves a path, and what is said where none does. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/mem.h"
#include "http/router.h"

static const struct route table[] = {
	{ METHOD_GET, "/", 0, NULL, NULL },
	{ METHOD_GET, "/v1/jobs", 0, NULL, NULL },
	{ METHOD_POST, "/v1/jobs", 0, NULL, NULL },
	{ METHOD_POST, "/v1/jobs:validate", 0, NULL, NULL },
	{ METHOD_GET, "/v1/jobs/{id}", 0, NULL, NULL },
	{ METHOD_DELETE, "/v1/jobs/{id}", 0, NULL, NULL },
	{ METHOD_POST | METHOD_PUT, "/v1/jobs/{id}/items", 0, NULL, NULL },
	{ METHOD_POST, "/v1/jobs/{id}/failures/retry", 0, NULL, NULL },
};

static const struct {
	const char *method, *path;
	int row; /* -1: an error */
	const char *arg;
	enum error_code code;
	const char *allow;
} cases[] = {
	{ "GET", "/", 0, "" },
	{ "GET", "/v1/jobs", 1, "" },
	{ "HEAD", "/v1/jobs", 1, "" },
	{ "POST", "/v1/jobs", 2, "" },
	{ "POST", "/v1/jobs:validate", 3, "" },
	{ "GET", "/v1/jobs/x", 4, "x" },
	{ "HEAD", "/v1/jobs/x", 4, "x" },
	{ "DELETE", "/v1/jobs/x", 5, "x" },
	{ "PUT", "/v1/jobs/x/items", 6, "x" },
	{ "POST", "/v1/jobs/a.b%20c/failures/retry", 7, "a.b c" },
	{ "GET", "/v1/%6aobs/%78", 4, "x" },
	{ "GET", "/v1/jobs/a%2Fitems", 4, "a\1items" },
	{ "GET", "/v1/jobs/a%00", 4, "a\1" },
	{ "GET", "", -1, NULL, ERR_NOT_FOUND },
	{ "GET", "/v1", -1, NULL, ERR_NOT_FOUND },
	{ "GET", "/v1/jobs/", -1, NULL, ERR_NOT_FOUND },
	{ "GET", "//v1/jobs", -1, NULL, ERR_NOT_FOUND },
	{ "GET", "/v1/jobs%00", -1, NULL, ERR_NOT_FOUND },
	{ "GET", "/v1/jobs/x/y", -1, NULL, ERR_NOT_FOUND },
	{ "GET", "/v1/jobs//items", -1, NULL, ERR_NOT_FOUND },
	{ "GET", "/v1%2Fjobs", -1, NULL, ERR_NOT_FOUND },
	{ "GET", "/v1/jobs%", -1, NULL, ERR_BAD_REQUEST },
	{ "GET", "/v1/jobs/%4", -1, NULL, ERR_BAD_REQUEST },
	{ "GET", "/v1/jobs/%zz", -1, NULL, ERR_BAD_REQUEST },
	{ "PATCH", "/v1/jobs", -1, NULL, ERR_METHOD, "GET, HEAD, POST" },
	{ "BREW", "/v1/jobs/x", -1, NULL, ERR_METHOD, "GET, HEAD, DELETE" },
	{ "HEAD", "/v1/jobs/x/items", -1, NULL, ERR_METHOD, "POST, PUT" },
};

Test(router, finds_the_row_or_says_why_not)
{
	for (size_t at = 0; at < ARRAY_SIZE(cases); at++) {
		struct route_match match = { 0 };
		struct error err = { 0 };
		char *path = mem_strdup(cases[at].path);
		int result = route_find(table, ARRAY_SIZE(table),
			method_parse(cases[at].method), path, &match, &err);

		cr_assert_eq(
			result, cases[at].row < 0 ? -1 : 0, "row %zu: %s", at, cases[at].path);
		if (cases[at].row < 0) {
			cr_assert_eq(err.code, cases[at].code, "row %zu: %s", at, err.text);
			if (cases[at].allow != NULL)
				cr_assert_str_eq(match.allow, cases[at].allow);
		} else {
			cr_assert_eq(match.route, &table[cases[at].row], "row %zu", at);
			cr_assert_str_eq(match.arg, cases[at].arg, "row %zu", at);
		}
		mem_free(path);
	}
}

Test(router, cuts_an_endless_segment)
{
	char path[4096] = "/v1/jobs/";
	struct route_match match = { 0 };
	struct error err;

	memset(path + 9, 'x', sizeof(path) - 10);
	cr_assert_eq(route_find(table, ARRAY_SIZE(table), METHOD_GET, path, &match, &err), 0);
	cr_assert_eq(strlen(match.arg), ROUTE_ARG_SIZE - 1);
}
