/* The short form of /v1/run and `leat run`. */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "base/mem.h"
#include "catalog.h"

static char *from_short(const char *text)
{
	struct mistakes mistakes;
	json_t *root;
	char *said;

	mistakes_init(&mistakes);
	root = definition_from_short(text, &mistakes);
	cr_assert((root == NULL) == (mistakes.count > 0));
	said = root != NULL ? json_dumps(root, JSON_COMPACT) : mistakes_text(&mistakes);
	json_decref(root);
	mistakes_done(&mistakes);
	return said;
}

Test(definition_short, names_and_workers)
{
	static const struct {
		const char *text, *said;
	} rows[] = {
		{ "a", "{\"stages\":[{\"use\":\"a\"}]}" },
		{ "a,b:8,c",
			"{\"stages\":[{\"use\":\"a\"},{\"use\":\"b\",\"workers\":8},{\"use\":\"c\"}]}" },
		{ " a : 8",
			"stages: 'a : 8': write name or name:workers, with 1 to 10000 workers" },
		{ " a:8 , b ", "{\"stages\":[{\"use\":\"a\",\"workers\":8},{\"use\":\"b\"}]}" },
		{ "", "stages: a name is missing: write a,b:8,c" },
		{ "a,,b", "stages: a name is missing: write a,b:8,c" },
		{ "a,", "stages: a name is missing: write a,b:8,c" },
		{ ":8", "stages: ':8': write name or name:workers, with 1 to 10000 workers" },
		{ "a:", "stages: 'a:': write name or name:workers, with 1 to 10000 workers" },
		{ "a:0,b:x,c:10001",
			"stages: 'a:0': write name or name:workers, with 1 to 10000 workers\n"
			"stages: 'b:x': write name or name:workers, with 1 to 10000 workers\n"
			"stages: 'c:10001': write name or name:workers, with 1 to 10000 workers" },
		{ "a:100000000000000000000000000",
			"stages: 'a:100000000000000000000000000': write "
			"name or name:workers, with 1 to 10000 workers" },
		{ "\xff", "stages: is not printable UTF-8" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_free_ char *said = from_short(rows[i].text);

		cr_expect_str_eq(said, rows[i].said);
	}
}

static json_t *root;
static struct mistakes mistakes;

static void set_up(void)
{
	mistakes_init(&mistakes);
	root = definition_from_short("map,sha256:2,map", &mistakes);
	cr_assert(root != NULL);
}

static void tear_down(void)
{
	mistakes_done(&mistakes);
	json_decref(root);
}

TestSuite(definition_set_param, .init = set_up, .fini = tear_down);

Test(definition_set_param, values_are_json_if_they_are_json)
{
	static const struct {
		const char *key, *value, *json;
	} rows[] = {
		{ "sha256.field", "text", "\"text\"" },
		{ "sha256.n", "12", "12" },
		{ "sha256.b", "true", "true" },
		{ "sha256.s", "\"12\"", "\"12\"" },
		{ "sha256.list", "[\"a\",1]", "[\"a\",1]" },
		{ "sha256.half", "[\"a\"", "\"[\\\"a\\\"\"" },
		{ "sha256.none", "", "\"\"" },
		{ "sha256.a.b", "x", "\"x\"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_free_ char *json = NULL;
		const json_t *stage = json_array_get(json_object_get(root, "stages"), 1);

		cr_expect(
			definition_set_param(root, rows[i].key, rows[i].value, &mistakes) == 1);
		json = json_dumps(json_object_get(json_object_get(stage, "params"),
					  strchr(rows[i].key, '.') + 1),
			JSON_ENCODE_ANY | JSON_COMPACT);
		cr_expect_str_eq(json, rows[i].json);
	}
}

Test(definition_set_param, finds_stages_by_the_names_they_will_have)
{
	const json_t *list = json_object_get(root, "stages");

	cr_expect(definition_set_param(root, "map.n", "1", &mistakes) == 1);
	cr_expect(definition_set_param(root, "map-2.n", "2", &mistakes) == 1);
	for (int i = 0; i < 2; i++) {
		json_int_t n;

		cr_assert(json_unpack(json_array_get(list, (size_t)i * 2), "{s:{s:I}}",
				  "params", "n", &n) == 0);
		cr_expect(n == i + 1);
	}
}

Test(definition_set_param, what_is_for_others_is_left_to_them)
{
	cr_expect(definition_set_param(root, "order", "input", &mistakes) == 0);
	cr_expect(definition_set_param(root, "workers.map", "8", &mistakes) == 0);
	cr_expect(definition_set_param(root, "queue.map", "8", &mistakes) == 0);
	cr_expect(mistakes.count == 0);
}

Test(definition_set_param, mistakes_stand_under_the_key)
{
	_auto_free_ char *said = NULL;

	cr_expect(definition_set_param(root, "sha265.field", "x", &mistakes) == -1);
	cr_expect(definition_set_param(root, "zebra.field", "x", &mistakes) == -1);
	cr_expect(definition_set_param(root, "map.n", "\xff", &mistakes) == -1);
	cr_expect(definition_set_param(root, "map.n", "1", &mistakes) == 1);
	cr_expect(definition_set_param(root, "map.n", "2", &mistakes) == -1);
	said = mistakes_text(&mistakes);
	cr_expect_str_eq(said,
		"sha265.field: there is no stage 'sha265' in the pipeline; did you "
		"mean 'sha256'?\n"
		"zebra.field: there is no stage 'zebra' in the pipeline\n"
		"map.n: is not UTF-8\n"
		"map.n: is given twice");
}
