/* Built-in stages, modules, and modules that must not load. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "plugin/registry.h"
#include "support/stage_host.h"

static struct registry *registry;

static void set_up(void)
{
	struct error err;

	log_set_level(LOG_OFF);
	cr_assert(registry_new(&registry, &err) == 0);
}

static void tear_down(void)
{
	registry_free(registry);
}

TestSuite(registry, .init = set_up, .fini = tear_down);

Test(registry, builtin_stages_stand_in_order_of_name)
{
	cr_assert(registry_count(registry) == 9);
	for (size_t i = 1; i < registry_count(registry); i++)
		cr_expect(strcmp(registry_at(registry, i - 1)->name,
				  registry_at(registry, i)->name) < 0);
	for (size_t i = 0; i < registry_count(registry); i++) {
		const struct stage *stage = registry_at(registry, i);

		cr_expect(registry_find(registry, stage->name) == stage);
		cr_expect(registry_file(registry, stage) == NULL);
	}
	cr_expect(registry_find(registry, "") == NULL);
	cr_expect(registry_find(registry, "zzz") == NULL);
}

Test(registry, modules_are_loaded_and_found)
{
	const struct stage *block, *old;
	struct error err;
	json_t *refused;

	cr_assert(registry_load_dir(registry, TEST_MODULES, &err) == 0, "%s", err.text);
	refused = registry_refused(registry);
	cr_expect(json_array_size(refused) == 0);
	json_decref(refused);
	cr_assert(registry_count(registry) == 12);
	block = registry_find(registry, "block");
	old = registry_find(registry, "old");
	cr_assert(block != NULL && old != NULL);
	cr_expect(block->threads == STAGE_BLOCKING);
	cr_expect_str_eq(registry_file(registry, block), TEST_MODULES "/block.so");
}

/* A module that was built with the first stage.h works as on its first day. */
Test(registry, a_module_of_the_first_stage_h_still_works)
{
	json_t *params = json_pack("{s:i}", "times", 3);
	struct stage_host host;
	const char *output;
	struct error err;
	size_t len;

	cr_assert(registry_load_dir(registry, TEST_MODULES, &err) == 0, "%s", err.text);
	cr_assert(
		stage_host_open(&host, registry_find(registry, "old"), params, NULL, &err) == 0,
		"%s", err.text);
	cr_expect(host.stage->size == sizeof(struct stage) || host.stage->report == NULL);
	cr_assert(stage_host_run(&host, "\"abc\"", 5, 0, 1) == STAGE_OK);
	output = stage_host_output(&host, 0, &len);
	cr_expect(len == 5 && memcmp(output, "\"ABC\"", 5) == 0);
	stage_host_close(&host);
	json_decref(params);
}

static const char *reason_of(const json_t *refused, const char *file)
{
	size_t i;
	json_t *row;

	json_array_foreach(refused, i, row)
	{
		const char *path = json_string_value(json_object_get(row, "file"));

		if (strcmp(strrchr(path, '/') + 1, file) == 0)
			return json_string_value(json_object_get(row, "reason"));
	}
	return "(not refused)";
}

Test(registry, what_is_wrong_is_refused_with_the_reason_and_the_rest_serves)
{
	static const struct {
		const char *file, *reason;
	} rows[] = {
		{ "wrong-abi.so",
			"it was built for stage ABI 2, this leat knows 1: use a newer leat, or "
			"build the stage with this one's stage.h" },
		{ "wrong-default.so",
			"the default of its parameter 'number' is not a value of its type" },
		{ "wrong-kind.so", "its kind or its threads is none we know" },
		{ "wrong-name.so", "it has no name of 1 to 64 letters, digits, '_' or '-'" },
		{ "wrong-offset.so",
			"its parameter 'number' lies outside of the instance (instance_size)" },
		{ "wrong-run.so", "it has no run function" },
		{ "wrong-symbol.so",
			"it has no leat_stage: a stage's file ends with STAGE(…) of stage.h" },
		{ "wrong-taken.so", "there is a stage 'pass' already, built in" },
		{ "wrong-twice.so", "its parameter 'number' stands twice in the table" },
		{ "wrong-type.so", "its parameter 'number' has the unknown type 99" },
	};
	struct error err;
	json_t *refused;

	cr_assert(registry_load_dir(registry, TEST_MODULES "/refused", &err) == 0, "%s",
		err.text);
	refused = registry_refused(registry);
	cr_expect(json_array_size(refused) == 13);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect_str_eq(reason_of(refused, rows[i].file), rows[i].reason);
	cr_expect(strstr(reason_of(refused, "wrong-size.so"), "built with a newer stage.h") !=
		  NULL);
	cr_expect(strstr(reason_of(refused, "wrong-small.so"), "not one that STAGE() makes") !=
		  NULL);
	cr_expect(strstr(reason_of(refused, "wrong-file.so"), "it cannot be loaded: ") != NULL);
	json_decref(refused);
	cr_expect(registry_count(registry) == 9);
}

Test(registry, a_second_file_of_the_same_name_is_refused)
{
	struct error err;
	json_t *refused;

	cr_assert(registry_load_dir(registry, TEST_MODULES, &err) == 0);
	cr_assert(registry_load_dir(registry, TEST_MODULES, &err) == 0);
	refused = registry_refused(registry);
	cr_expect(json_array_size(refused) == 3);
	cr_expect_str_eq(reason_of(refused, "old.so"),
		"there is a stage 'old' already, from " TEST_MODULES "/old.so");
	json_decref(refused);
	cr_expect(registry_count(registry) == 12);
}

Test(registry, a_folder_that_cannot_be_read_is_an_error)
{
	struct error err;

	cr_expect(registry_load_dir(registry, "/nonexistent", &err) < 0);
	cr_expect_str_eq(err.text,
		"cannot read the folder of stages '/nonexistent': No such file or directory");
}

Test(registry, describes_a_stage_with_its_schema)
{
	json_t *json = registry_describe(registry, registry_find(registry, "fail"));
	_auto_free_ char *text = json_dumps(json, JSON_COMPACT);

	cr_expect_str_eq(text,
		"{\"name\":\"fail\",\"kind\":\"map\",\"version\":\"1.0.0\","
		"\"summary\":\"Fail every n-th item on purpose\",\"threads\":\"parallel\","
		"\"module\":null,\"params\":{\"$schema\":"
		"\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\",\"properties\":{"
		"\"every\":{\"type\":\"integer\",\"description\":"
		"\"fail every so many-th item: those whose number + 1 it divides\",\"default\":1,"
		"\"minimum\":1,\"maximum\":1000000000000000},"
		"\"kind\":{\"type\":\"string\",\"description\":"
		"\"transient failures are tried again, as the job's retry says\","
		"\"default\":\"permanent\",\"enum\":[\"permanent\",\"transient\"]},"
		"\"until_attempt\":{\"type\":\"integer\",\"description\":"
		"\"succeed from this attempt on; 0: never\",\"default\":0,\"minimum\":0,"
		"\"maximum\":1000000}},\"required\":[],\"additionalProperties\":false}}");
	json_decref(json);
	json = registry_describe(registry, registry_find(registry, "range"));
	cr_expect_str_eq(json_string_value(json_object_get(json, "kind")), "source");
	cr_expect_str_eq(
		json_string_value(json_array_get(
			json_object_get(json_object_get(json, "params"), "required"), 0)),
		"to");
	json_decref(json);
}

Test(registry, every_builtin_stage_can_be_described)
{
	for (size_t i = 0; i < registry_count(registry); i++) {
		const struct stage *stage = registry_at(registry, i);
		json_t *json = registry_describe(registry, stage);

		cr_expect(json_is_object(json_object_get(json, "params")), "%s", stage->name);
		cr_expect(strlen(json_string_value(json_object_get(json, "summary"))) > 0);
		json_decref(json);
	}
}

Test(registry, its_catalog_suggests_and_checks)
{
	const struct catalog *catalog = registry_catalog(registry);
	const struct stage *stage = catalog->find(catalog, "sha256");
	json_t *given = json_pack("{s:s}", "field", "text"), *params;
	struct mistakes mistakes;

	mistakes_init(&mistakes);
	cr_assert(stage != NULL);
	cr_expect_str_eq(catalog->nearest(catalog, "sha265"), "sha256");
	cr_expect(catalog->nearest(catalog, "nothing") == NULL);
	params = catalog->check_params(catalog, stage, given, "/p", &mistakes);
	cr_assert(params != NULL);
	cr_expect_str_eq(json_string_value(json_object_get(params, "field")), "/text");
	cr_expect_str_eq(json_string_value(json_object_get(params, "into")), "sha256");
	json_decref(params);
	json_decref(given);
	mistakes_done(&mistakes);
}
