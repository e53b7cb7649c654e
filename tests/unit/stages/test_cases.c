/* Every stage's cases, run on the built-in stage and on the module from the same source. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "plugin/module.h"
#include "plugin/registry.h"
#include "support/stage_cases.h"

static const char *const builtins[] = { "aggregate", "csv", "explode", "fail", "files",
	"filter", "jq", "pass", "pick", "range", "sha256", "sleep" };

/* Those that want a server around them; tests/api and the folders beside it drive them. Ends
 * with NULL. */
static const char *const served[] = { "http", "http-pages", "postgres", "postgres-query",
	"sqlite", "sqlite-query", NULL };

/* Module, and the folder with its cases. */
static const struct example {
	const char *module, *cases;
} examples[] = { { "orders", "orders" }, { "orders-jansson", "orders" } };

/* A parameter that held a pointer would crash in PIE builds: these are indices. */
static int numbers[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
_Static_assert(ARRAY_SIZE(numbers) >= ARRAY_SIZE(builtins), "one number a stage");

static void run_cases(const struct stage *stage, const char *folder, const char *name)
{
	char file[1024], *said = NULL;
	size_t said_len;
	FILE *out = open_memstream(&said, &said_len);
	int bad, count;

	snprintf(file, sizeof(file), "%s/%s/cases.ndjson", folder, name);
	bad = stage_cases_run(stage, file, out, &count);
	fclose(out);
	cr_expect(bad == 0, "%d of %d cases in %s:\n%s", bad, count, file, said);
	cr_expect(count > 0, "no case in %s", file);
	free(said);
}

static void run_module(const char *folder, const char *module_name, const char *cases_folder,
	const char *cases)
{
	struct module *module;
	struct error err = { 0 };
	char file[1024];

	snprintf(file, sizeof(file), "%s/%s.so", folder, module_name);
	cr_assert(module_open(file, &module, &err) == 0, "%s: %s", file, err.text);
	cr_expect_str_eq(module_stage(module)->name, module_name);
	run_cases(module_stage(module), cases_folder, cases);
	module_free(module);
}

ParameterizedTestParameters(stage_cases, builtin)
{
	static int index[ARRAY_SIZE(builtins)];

	for (size_t i = 0; i < ARRAY_SIZE(builtins); i++)
		index[i] = (int)i;
	return cr_make_param_array(int, index, ARRAY_SIZE(builtins));
}

ParameterizedTest(int *index, stage_cases, builtin)
{
	struct registry *registry;
	struct error err;
	const struct stage *stage;

	cr_assert(registry_new(&registry, &err) == 0);
	stage = registry_find(registry, builtins[*index]);
	cr_assert(stage != NULL, "%s is not built in", builtins[*index]);
	cr_expect(registry_file(registry, stage) == NULL);
	run_cases(stage, STAGES_SOURCE, builtins[*index]);
	registry_free(registry);
}

ParameterizedTestParameters(stage_cases, module)
{
	static int index[ARRAY_SIZE(builtins)];

	for (size_t i = 0; i < ARRAY_SIZE(builtins); i++)
		index[i] = (int)i;
	return cr_make_param_array(int, index, ARRAY_SIZE(builtins));
}

ParameterizedTest(int *index, stage_cases, module)
{
	run_module(STAGES_BUILD, builtins[*index], STAGES_SOURCE, builtins[*index]);
}

ParameterizedTestParameters(stage_cases, example)
{
	static int index[ARRAY_SIZE(examples)];

	for (size_t i = 0; i < ARRAY_SIZE(examples); i++)
		index[i] = (int)i;
	return cr_make_param_array(int, index, ARRAY_SIZE(examples));
}

ParameterizedTest(int *index, stage_cases, example)
{
	const struct example *example = &examples[*index];

	run_module(EXAMPLES_BUILD, example->module, EXAMPLES_SOURCE, example->cases);
}

static bool in_table(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(builtins); i++)
		if (strcmp(builtins[i], name) == 0)
			return true;
	for (size_t i = 0; served[i] != NULL; i++)
		if (strcmp(served[i], name) == 0)
			return true;
	return false;
}

/* A stage without a page or a test does not get in. */
Test(stage_cases, every_builtin_stage_is_in_a_table_and_has_its_page)
{
	struct registry *registry;
	struct error err;
	char file[1024];

	cr_assert(registry_new(&registry, &err) == 0);
	cr_assert(registry_count(registry) == ARRAY_SIZE(builtins) + ARRAY_SIZE(served) - 1);
	for (size_t i = 0; i < registry_count(registry); i++) {
		const char *name = registry_at(registry, i)->name;
		FILE *page;

		cr_expect(in_table(name), "%s", name);
		snprintf(file, sizeof(file), "%s/%s/README.md", STAGES_SOURCE, name);
		page = fopen(file, "r");
		cr_expect(page != NULL, "%s is missing", file);
		if (page != NULL)
			fclose(page);
	}
	registry_free(registry);
}
