/* problem: RFC 9457, every error of the table, with mistakes and members of the request. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/mem.h"
#include "http/problem.h"

static void expect_text(json_t *problem, const char *expected)
{
	char *text = json_dumps(problem, JSON_COMPACT);

	cr_assert_str_eq(text, expected);
	free(text);
	json_decref(problem);
}

Test(problem, has_its_members_in_order)
{
	struct error err;

	error_set(&err, ERR_QUEUE_FULL, "no room for %d", 7);
	expect_text(problem_to_json(&err, "/v1/x", NULL, NULL),
		"{\"type\":\"/problems/queue-full\",\"title\":\"The queue is full\",\"status\":429,"
		"\"detail\":\"no room for 7\",\"instance\":\"/v1/x\"}");
}

Test(problem, lists_mistakes_and_what_the_request_adds)
{
	struct mistakes mistakes;
	struct error err;

	mistakes_init(&mistakes);
	mistakes_add(&mistakes, "/a~1b", "wrong");
	error_set(&err, ERR_BAD_QUERY, "x");
	expect_text(problem_to_json(&err, "/", &mistakes,
			    json_pack("{s:i, s:[]}", "accepted", 3, "errors")),
		"{\"type\":\"/problems/bad-query\",\"title\":\"A query parameter is wrong\",\"status\":422,"
		"\"detail\":\"x\",\"instance\":\"/\",\"accepted\":3,"
		"\"errors\":[{\"pointer\":\"/a~1b\",\"detail\":\"wrong\"}]}");
	mistakes_done(&mistakes);
}

Test(problem, is_json_whatever_bytes_the_request_brought)
{
	struct error err;
	json_t *problem;

	error_set(&err, ERR_BAD_JSON, "%s", "bad \xff\xfe byte \x01");
	problem = problem_to_json(&err, "/\xc3\x28\x80", NULL, NULL);
	cr_assert_not_null(problem);
	cr_assert_str_eq(
		json_string_value(json_object_get(problem, "detail")), "bad ?? byte ?");
	json_decref(problem);
}

Test(problem, exists_for_every_error)
{
	for (int code = 1; code < ERR_COUNT; code++) {
		struct error err = { .code = (enum error_code)code, .text = "why" };
		json_t *problem = problem_to_json(&err, "/", NULL, NULL);

		cr_assert_not_null(problem);
		cr_assert_geq(json_integer_value(json_object_get(problem, "status")), 400);
		cr_assert_not_null(json_string_value(json_object_get(problem, "title")));
		json_decref(problem);
	}
}
