/* Built-in stages, modules, and modules that must not load. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "plugin/params.h"
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
	cr_assert(registry_count(registry) >= 9);
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
	size_t before = registry_count(registry);
	struct error err;
	json_t *refused;

	cr_assert(registry_load_dir(registry, TEST_MODULES, &err) == 0, "%s", err.text);
	refused = registry_refused(registry);
	cr_expect(json_array_size(refused) == 0);
	json_decref(refused);
	cr_assert(registry_count(registry) > before);
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
			"it was built for stage ABI 4, this leat knows 3: use a newer leat, or "
			"build the stage with this one's stage.h" },
		{ "wrong-async.so",
			"a source or a sink cannot be async; make it blocking, then it may wait" },
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
	size_t before = registry_count(registry);
	struct error err;
	json_t *refused;

	cr_assert(registry_load_dir(registry, TEST_MODULES "/refused", &err) == 0, "%s",
		err.text);
	refused = registry_refused(registry);
	cr_expect(json_array_size(refused) == 14);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect_str_eq(reason_of(refused, rows[i].file), rows[i].reason);
	cr_expect(strstr(reason_of(refused, "wrong-size.so"), "built with a newer stage.h") !=
		  NULL);
	cr_expect(strstr(reason_of(refused, "wrong-small.so"), "not one that STAGE() makes") !=
		  NULL);
	cr_expect(strstr(reason_of(refused, "wrong-file.so"), "it cannot be loaded: ") != NULL);
	json_decref(refused);
	cr_expect(registry_count(registry) == before);
}

Test(registry, a_second_file_of_the_same_name_is_refused)
{
	size_t builtin = registry_count(registry), loaded;
	struct error err;
	json_t *refused;

	cr_assert(registry_load_dir(registry, TEST_MODULES, &err) == 0);
	loaded = registry_count(registry);
	cr_assert(registry_load_dir(registry, TEST_MODULES, &err) == 0);
	refused = registry_refused(registry);
	/* The template is no stage, so it stands in the one and not in the other. */
	cr_expect(json_array_size(refused) == loaded - builtin + 1);
	cr_expect_str_eq(reason_of(refused, "old.so"),
		"there is a stage 'old' already, from " TEST_MODULES "/old.so");
	json_decref(refused);
	cr_expect(registry_count(registry) == loaded);
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
		"\"batches\":false,\"abi\":3,\"module\":null,\"isolation\":\"none\",\"params\":{\"$schema\":"
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

/* ---- what the operator says ---- */

static char folder[] = "/tmp/leat-config-XXXXXX";

static void write_file(const char *name, const char *text)
{
	char path[200];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	cr_assert(file != NULL);
	fputs(text, file);
	fclose(file);
}

static void set_up_config(void)
{
	struct error err;

	set_up();
	cr_assert(mkdtemp(folder) != NULL);
	cr_assert(registry_load_dir(registry, TEST_MODULES, &err) == 0, "%s", err.text);
}

static void tear_down_config(void)
{
	char command[300];

	tear_down();
	snprintf(command, sizeof(command), "rm -r %s", folder);
	cr_expect(system(command) == 0);
}

TestSuite(config, .init = set_up_config, .fini = tear_down_config);

static void load_config(void)
{
	struct error err;

	cr_assert(registry_load_config(registry, folder, NULL, &err) == 0, "%s", err.text);
}

struct shown_config {
	const char *greeting, *token, *more;
	int64_t times;
};

static const struct shown_config *configured(void)
{
	return registry_config(registry, registry_find(registry, "configured"));
}

Test(config, without_a_file_a_stage_has_its_defaults)
{
	struct error err;

	cr_assert(registry_load_config(registry, NULL, NULL, &err) == 0);
	cr_expect_str_eq(configured()->greeting, "hello");
	cr_expect(configured()->token == NULL && configured()->times == 1);
	cr_expect(registry_config(registry, registry_find(registry, "pass")) == NULL);
}

Test(config, a_file_is_the_stages_configuration_and_secrets_may_stand_elsewhere)
{
	json_t *refused;

	setenv("LEAT_TEST_TOKEN", "from the environment", 1);
	write_file("secret", "from a file\r\n\n");
	write_file("configured.json",
		"{\"wanted\":true,\"greeting\":\"welcome\",\"times\":7,\"token\":{\"$env\":\"LEAT_TEST_TOKEN\"},"
		"\"more\":{\"a\":[1,{\"$env\":\"LEAT_TEST_TOKEN\"}],\"b\":{\"$env\":1}}}");
	load_config();
	refused = registry_refused(registry);
	cr_expect(json_array_size(refused) == 0);
	json_decref(refused);
	cr_expect_str_eq(configured()->greeting, "welcome");
	cr_expect_str_eq(configured()->token, "from the environment");
	cr_expect_str_eq(
		configured()->more, "{\"a\":[1,\"from the environment\"],\"b\":{\"$env\":1}}");
	cr_expect(configured()->times == 7);
}

Test(config, the_end_of_a_secrets_file_is_not_part_of_it)
{
	char text[300];

	write_file("secret", "from a file\r\n\n");
	snprintf(text, sizeof(text), "{\"wanted\":true,\"token\":{\"$file\":\"%s/secret\"}}",
		folder);
	write_file("configured.json", text);
	load_config();
	cr_expect_str_eq(configured()->token, "from a file");
}

/* The reason with which the file `name` was refused when it holds `text`. */
static void expect_refused(const char *name, const char *text, const char *reason)
{
	json_t *refused;

	write_file(name, text);
	load_config();
	refused = registry_refused(registry);
	cr_expect_str_eq(reason_of(refused, name), reason);
	json_decref(refused);
}

#define REFUSED(test, name, text, reason)           \
	Test(config, test)                          \
	{                                           \
		expect_refused(name, text, reason); \
	}

REFUSED(no_json, "configured.json", "{\n\"a\":}",
	"it cannot be read: line 2, column 5: unexpected character, expected a valid JSON value")
REFUSED(no_object, "configured.json", "[1]", "it must hold one JSON object")
REFUSED(an_unknown_member, "configured.json", "{\"wanted\":true,\"greting\":\"hello\"}",
	"its member /greting 'configured' has no such parameter; did you mean 'greeting'?")
REFUSED(a_value_is_not_shown, "configured.json", "{\"wanted\":true,\"times\":\"hunter2\"}",
	"its member /times must be a whole number from 1 to 9")
REFUSED(a_choice_is_not_shown, "configured.json", "{\"wanted\":true,\"greeting\":\"hunter2\"}",
	"its member /greeting must be one of hello|welcome")
REFUSED(no_variable, "configured.json", "{\"token\":{\"$env\":\"LEAT_NO_SUCH\"}}",
	"its member /token: the environment has no variable 'LEAT_NO_SUCH'")
REFUSED(no_file, "configured.json", "{\"more\":[{\"$file\":\"/nonexistent\"}]}",
	"its member /more/0: cannot read '/nonexistent': No such file or directory")
REFUSED(no_end_of_file, "configured.json", "{\"token\":{\"$file\":\"/dev/zero\"}}",
	"its member /token: cannot read '/dev/zero': File too large")
REFUSED(no_text, "configured.json", "{\"token\":{\"$file\":\"/proc/self/exe\"}}",
	"its member /token: cannot read '/proc/self/exe': File too large")
REFUSED(not_for_this_stage, "pass.json", "{}", "the stage 'pass' takes no configuration")
REFUSED(no_template, "other.json", "{\"template\":\"nothing\"}",
	"no stage has the name of the file, and for a program its member /template must be the "
	"name of a template, not 'nothing'")
REFUSED(no_name, "a b.json", "{\"template\":\"template\",\"command\":\"x\"}",
	"a stage's name has 1 to 64 letters, digits, '_' or '-'")
REFUSED(no_command, "other.json", "{\"template\":\"template\"}",
	"its member /command is missing: what would be run")
REFUSED(params_of_no_type, "other.json",
	"{\"template\":\"template\",\"command\":\"x\",\"params\":{\"a\":{}}}",
	"its member /params/a/type is missing: string, integer, number, boolean, pointer or json")
REFUSED(params_with_a_wrong_default, "other.json",
	"{\"template\":\"template\",\"command\":\"x\",\"params\":{\"a\":{\"type\":\"integer\","
	"\"default\":\"x\"}}}",
	"the default of its parameter 'a' is not a value of its type")
REFUSED(params_with_a_wrong_enum, "other.json",
	"{\"template\":\"template\",\"command\":\"x\",\"params\":{\"a\":{\"type\":\"string\","
	"\"enum\":[\"x|y\"]}}}",
	"its member /params/a/enum must hold texts without '|'")
REFUSED(params_with_a_bound_that_is_no_number, "other.json",
	"{\"template\":\"template\",\"command\":\"x\",\"params\":{\"a\":{\"type\":\"integer\","
	"\"maximum\":\"9\"}}}",
	"its member /params/a/maximum must be a number")

Test(config, a_program_is_a_stage_with_parameters_of_its_own)
{
	json_t *params = json_pack("{s:s}", "lang", "de"), *described;
	const struct stage *mine;
	struct mistakes mistakes;

	write_file("mine.json",
		"{\"template\":\"template\",\"command\":\"run me\",\"description\":\"My own\","
		"\"version\":\"3\",\"params\":{\"lang\":{\"type\":\"string\",\"enum\":[\"en\","
		"\"de\"],\"required\":true,\"description\":\"a language\"},\"many\":{\"type\":"
		"\"integer\",\"minimum\":1,\"maximum\":9,\"default\":4},\"ratio\":{\"type\":"
		"\"number\",\"default\":0.1}}}");
	load_config();
	mine = registry_find(registry, "mine");
	cr_assert(mine != NULL);
	cr_expect(registry_find(registry, "template") == NULL, "a template is no stage");
	cr_expect_str_eq(mine->summary, "My own");
	cr_expect_str_eq(mine->version, "3");
	described = registry_describe(registry, mine);
	cr_expect_str_eq(json_string_value(json_object_get(described, "module")), "mine.json");
	cr_expect(json_integer_value(json_object_get(described, "abi")) == STAGE_ABI);
	json_decref(described);
	mistakes_init(&mistakes);
	described = params_check(mine, params, "", &mistakes);
	cr_assert(described != NULL);
	cr_expect(json_integer_value(json_object_get(described, "many")) == 4);
	json_object_set_new(params, "lang", json_string("fr"));
	cr_expect(params_check(mine, params, "", &mistakes) == NULL && mistakes.count == 1);
	mistakes_done(&mistakes);
	json_decref(described);
	json_decref(params);
}

Test(config, a_folder_that_cannot_be_read_is_an_error_too)
{
	struct error err;

	cr_expect(registry_load_config(registry, "/nonexistent", NULL, &err) < 0);
	cr_expect_str_eq(err.text,
		"cannot read the folder of configurations '/nonexistent' (stages-d): No such "
		"file or directory");
}
