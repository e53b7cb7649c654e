/* A parameter table at work. */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"
#include "plugin/params.h"

struct instance {
	const char *text, *choice, *pointer, *json;
	int64_t whole;
	double number;
	bool truth;
};

#define AT(member) .offset = offsetof(struct instance, member)

static const struct stage_param rows[] = {
	{ "text", STAGE_STRING, .doc = "a text", AT(text) },
	{ "choice", STAGE_STRING, .def = "red", .choices = "red|green|blue", AT(choice) },
	{ "pointer", STAGE_POINTER, .def = "/a/b", AT(pointer) },
	{ "json", STAGE_JSON, .def = "[1,2]", AT(json) },
	{ "whole", STAGE_INT, .required = 1, .doc = "how many", .min = -5, .max = 5,
		AT(whole) },
	{ "number", STAGE_NUMBER, .def = "0.5", .min = 0, .max = 1, AT(number) },
	{ "truth", STAGE_BOOL, .def = "true", AT(truth) },
	{ 0 },
};

static const struct stage stage = {
	.name = "test", .instance_size = sizeof(struct instance), .params = rows
};

/* The checked params as JSON text, or the mistakes, one a line. */
static char *check(const char *text)
{
	json_t *given = json_loads(text, JSON_ALLOW_NUL, NULL), *checked;
	struct mistakes mistakes;
	char *said = NULL;

	cr_assert(given != NULL, "not JSON: %s", text);
	mistakes_init(&mistakes);
	checked = params_check(&stage, given, "/p", &mistakes);
	cr_assert((checked == NULL) == (mistakes.count > 0));
	if (checked != NULL) {
		said = json_dumps(checked, JSON_COMPACT);
	} else {
		said = mem_strdup("");
		for (unsigned i = 0; i < mistakes.count; i++) {
			char *longer = NULL;

			cr_assert(asprintf(&longer, "%s%s%s: %s", said, i > 0 ? "\n" : "",
					  mistakes.items[i].pointer,
					  mistakes.items[i].detail) > 0);
			free(said);
			said = longer;
		}
	}
	json_decref(checked);
	json_decref(given);
	mistakes_done(&mistakes);
	return said;
}

Test(params, are_checked_and_defaulted)
{
	static const struct {
		const char *given, *said;
	} cases[] = {
		{ "{\"whole\":5}", "{\"choice\":\"red\",\"pointer\":\"/a/b\",\"json\":[1,2],"
				   "\"whole\":5,\"number\":0.5,\"truth\":true}" },
		{ "{\"whole\":-5,\"text\":\"\",\"choice\":\"blue\",\"pointer\":\"name\",\"json\":null,"
		  "\"number\":1,\"truth\":false}",
			"{\"text\":\"\",\"choice\":\"blue\",\"pointer\":\"/name\",\"json\":null,"
			"\"whole\":-5,\"number\":1,\"truth\":false}" },
		{ "{}", "/p/whole: is missing: how many" },
		{ "{\"whole\":6}", "/p/whole: must be a whole number from -5 to 5, not 6" },
		{ "{\"whole\":3.0}", "/p/whole: must be a whole number: write 3, not 3.0" },
		{ "{\"whole\":3.5}", "/p/whole: must be a whole number from -5 to 5, not 3.5" },
		{ "{\"whole\":\"3\"}",
			"/p/whole: must be a whole number from -5 to 5, not \"3\"" },
		{ "{\"whole\":null}",
			"/p/whole: must be a whole number from -5 to 5, not null" },
		{ "{\"whole\":1,\"number\":1.1}",
			"/p/number: must be a number from 0 to 1, not 1.1" },
		{ "{\"whole\":1,\"truth\":0}", "/p/truth: must be true or false, not 0" },
		{ "{\"whole\":1,\"text\":[]}", "/p/text: must be a string, not an array" },
		{ "{\"whole\":1,\"text\":\"a\\u0000b\"}",
			"/p/text: must not hold a NUL character" },
		{ "{\"whole\":1,\"choice\":\"gren\"}",
			"/p/choice: must be one of red|green|blue, not \"gren\"; did you mean 'green'?" },
		{ "{\"whole\":1,\"choice\":\"\"}",
			"/p/choice: must be one of red|green|blue, not \"\"" },
		{ "{\"whole\":1,\"choice\":\"red|green\"}",
			"/p/choice: must be one of red|green|blue, not \"red|green\"" },
		{ "{\"whole\":1,\"pointer\":\"a/b\"}",
			"/p/pointer: must be a name or a JSON pointer that "
			"begins with /; did you mean '/a/b'?" },
		{ "{\"whole\":1,\"pointer\":\"/a~b\"}",
			"/p/pointer: must be a JSON pointer, in which ~ is written ~0, not \"/a~b\"" },
		{ "{\"whole\":1,\"pointer\":7}", "/p/pointer: must be a JSON pointer, not 7" },
		{ "{\"whole\":1,\"wohle\":2,\"x/y\":3}",
			"/p/wohle: 'test' has no such parameter; did you mean 'whole'?\n"
			"/p/x~1y: 'test' has no such parameter" },
		{ "{\"number\":\"x\",\"truth\":1,\"text\":2}",
			"/p/text: must be a string, not 2\n/p/whole: is missing: how many\n"
			"/p/number: must be a number from 0 to 1, not \"x\"\n"
			"/p/truth: must be true or false, not 1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_auto_free_ char *said = check(cases[i].given);

		cr_expect_str_eq(said, cases[i].said);
	}
}

Test(params, checked_params_check_again_to_the_same)
{
	_auto_free_ char *once =
		check("{\"whole\":1,\"pointer\":\"name\",\"json\":{\"a\":0.1}}");
	_auto_free_ char *again = check(once);

	cr_expect_str_eq(again, once);
}

static void fill(const char *text, struct instance *instance, struct params_store **ret_store)
{
	json_t *given = json_loads(text, JSON_ALLOW_NUL, NULL), *checked;
	struct mistakes mistakes;
	struct error err;

	mistakes_init(&mistakes);
	checked = params_check(&stage, given, "", &mistakes);
	cr_assert(checked != NULL);
	cr_assert(params_fill(&stage, checked, instance, ret_store, &err) == 0);
	json_decref(checked); /* the instance must not need it */
	json_decref(given);
}

Test(params, fill_the_instance)
{
	struct instance instance = { 0 };
	struct params_store *store;

	fill("{\"whole\":-3,\"text\":\"\xc3\xa9\",\"json\":{\"b\":[19.99,1e300,0.1,-0.0],\"a\":\"\\u0000\"},"
	     "\"number\":1}",
		&instance, &store);
	cr_expect(instance.whole == -3 && instance.truth);
	cr_expect(instance.number == 1.0);
	cr_expect_str_eq(instance.text, "\xc3\xa9");
	cr_expect_str_eq(instance.choice, "red");
	cr_expect_str_eq(instance.pointer, "/a/b");
	cr_expect_str_eq(instance.json, "{\"b\":[19.99,1e300,0.1,-0.0],\"a\":\"\\u0000\"}");
	params_store_free(store);
}

Test(params, absent_without_default_stays_zero)
{
	struct instance instance = { 0 };
	struct params_store *store;

	fill("{\"whole\":0}", &instance, &store);
	cr_expect(instance.text == NULL);
	params_store_free(store);
	params_store_free(NULL);
}

Test(params, a_stage_without_a_table_takes_none)
{
	static const struct stage bare = { .name = "bare" };
	json_t *given = json_pack("{s:i}", "x", 1), *none = json_object(), *checked;
	struct params_store *store;
	struct mistakes mistakes;
	struct error err;

	mistakes_init(&mistakes);
	cr_expect(params_check(&bare, given, "", &mistakes) == NULL && mistakes.count == 1);
	checked = params_check(&bare, none, "", &mistakes);
	cr_assert(checked != NULL && json_object_size(checked) == 0);
	cr_expect(params_fill(&bare, checked, NULL, &store, &err) == 0);
	params_store_free(store);
	json_decref(checked);
	json_decref(none);
	json_decref(given);
	mistakes_done(&mistakes);
}

Test(params, schema_says_what_the_table_says)
{
	json_t *schema = params_schema(&stage);
	_auto_free_ char *text = NULL;

	cr_assert(schema != NULL);
	text = json_dumps(json_object_get(schema, "properties"), JSON_COMPACT);
	cr_expect_str_eq(text,
		"{\"text\":{\"type\":\"string\",\"description\":\"a text\"},"
		"\"choice\":{\"type\":\"string\",\"default\":\"red\",\"enum\":[\"red\",\"green\",\"blue\"]},"
		"\"pointer\":{\"type\":\"string\",\"default\":\"/a/b\",\"examples\":[\"name\",\"/nested/name\"]},"
		"\"json\":{\"default\":[1,2]},"
		"\"whole\":{\"type\":\"integer\",\"description\":\"how many\",\"minimum\":-5,\"maximum\":5},"
		"\"number\":{\"type\":\"number\",\"default\":0.5,\"minimum\":0.0,\"maximum\":1.0},"
		"\"truth\":{\"type\":\"boolean\",\"default\":true}}");
	json_decref(schema);
}

Test(params, the_table_itself_is_checked)
{
	struct error err;

	cr_expect(params_table_check(&stage, &err) == 0);
}
