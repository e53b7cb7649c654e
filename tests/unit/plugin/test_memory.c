/*
 * Every allocation fails once: what was asked for is then refused for want of memory, for no
 * other reason, and nothing leaks (which the sanitizer of the build says).
 */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "plugin/params.h"
#include "plugin/registry.h"

#define DEFINITION                                                                                      \
	"{\"name\":\"orders\",\"labels\":{\"a\":\"b\"},\"limits\":{\"max_failures\":3},"                \
	"\"stages\":[{\"use\":\"range\",\"params\":{\"to\":5,\"template\":{\"id\":\"$i\",\"p\":0.1}}}," \
	"{\"use\":\"sha256\",\"name\":\"hash\",\"workers\":8,\"params\":{\"field\":\"text\"}},"         \
	"{\"use\":\"aggregate\"}]}"

static struct registry *registry;
static json_t *root;

static void set_up(void)
{
	struct error err;

	log_set_level(LOG_OFF);
	mem_use_for_jansson();
	cr_assert(registry_new(&registry, &err) == 0);
	root = json_loads(DEFINITION, 0, NULL);
	cr_assert(root != NULL);
}

static void tear_down(void)
{
	json_decref(root);
	registry_free(registry);
}

TestSuite(memory, .init = set_up, .fini = tear_down);

/* Fail the n-th allocation for n = 1, 2, … until `attempt` returns 0. */
static void fail_each(int (*attempt)(struct error *err))
{
	long n;

	for (n = 1; n < 100000; n++) {
		struct error err = { 0 };
		int result;

		fault_arm(FAULT_ALLOC, n, false);
		result = attempt(&err);
		fault_arm(FAULT_ALLOC, 0, false);
		if (result == 0)
			break;
		cr_assert(err.code == ERR_NO_MEMORY, "allocation %ld: %s", n, err.text);
	}
	cr_assert(n > 5 && n < 100000, "%ld allocations", n);
}

static int parse(struct error *err)
{
	struct definition *definition = NULL;
	struct mistakes mistakes;
	int result;

	mistakes_init(&mistakes);
	result = definition_parse(root, registry_catalog(registry), &definition_rules_default,
		&mistakes, &definition, err);
	cr_assert(mistakes.count == 0, "%s", mistakes.items[0].detail);
	mistakes_done(&mistakes);
	definition_free(definition);
	return result;
}

Test(memory, a_definition_is_parsed_or_refused)
{
	fail_each(parse);
}

static struct definition *parsed;

static int write_back(struct error *err)
{
	json_t *json = definition_to_json(parsed);

	if (json == NULL)
		return error_no_memory(err);
	json_decref(json);
	return 0;
}

static int patch(struct error *err)
{
	json_t *change;
	struct mistakes mistakes;
	int result;

	change = json_pack("{s:{s:s, s:s}, s:{s:{s:i}}}", "labels", "c", "d", "e", "f",
		"stages", "hash", "workers", 9);
	if (change == NULL)
		return error_no_memory(err);
	mistakes_init(&mistakes);
	result = definition_patch(parsed, change, &mistakes, err);
	cr_assert(mistakes.count == 0);
	json_decref(change);
	return result;
}

static int fill(struct error *err)
{
	const struct stage_def *def = &parsed->stages[0];
	char instance[256] = { 0 };
	struct params_store *store;

	cr_assert(def->stage->instance_size <= sizeof(instance));
	if (params_fill(def->stage, def->params, instance, &store, err) < 0)
		return -1;
	params_store_free(store);
	return 0;
}

static int describe(struct error *err)
{
	json_t *json = registry_describe(registry, registry_find(registry, "fail"));

	if (json == NULL)
		return error_no_memory(err);
	json_decref(json);
	return 0;
}

Test(memory, a_parsed_definition_is_written_patched_and_filled_in)
{
	struct mistakes mistakes;
	struct error err;

	mistakes_init(&mistakes);
	cr_assert(definition_parse(root, registry_catalog(registry), &definition_rules_default,
			  &mistakes, &parsed, &err) == 0);
	fail_each(write_back);
	fail_each(fill);
	fail_each(describe);
	fail_each(patch);
	cr_expect(parsed->stages[1].workers == 9);
	definition_free(parsed);
}

/* A default that cannot be read for want of memory looks like one that is none: that module
 * is refused, and remembered. */
#define MODULES 4 /* that are stages; a template is counted only when it is refused */

static int load_modules(struct error *err)
{
	struct registry *other;
	json_t *refused;
	size_t count;
	int result;

	if (registry_new(&other, err) < 0)
		return -1;
	count = registry_count(other);
	result = registry_load_dir(other, TEST_MODULES, err);
	fault_arm(FAULT_ALLOC, 0, false);
	refused = registry_refused(other);
	count = registry_count(other) - count + json_array_size(refused);
	json_decref(refused);
	registry_free(other);
	if (result == 0)
		cr_assert(count >= MODULES && count <= MODULES + 1, "%zu", count);
	return result;
}

static const char *config_dir;

/* As with modules, a file that could not be read for want of memory may be refused instead. */
static int load_config(struct error *err)
{
	struct registry *other;
	int result;

	if (registry_new(&other, err) < 0)
		return -1;
	result = registry_load_dir(other, TEST_MODULES, err);
	if (result == 0)
		result = registry_load_config(other, config_dir, NULL, err);
	fault_arm(FAULT_ALLOC, 0, false);
	registry_free(other);
	return result;
}

static void write_config(const char *dir, const char *name, const char *text)
{
	char path[200];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	cr_assert(file != NULL);
	fputs(text, file);
	fclose(file);
}

Test(memory, a_configuration_is_read_or_refused)
{
	char dir[] = "/tmp/leat-config-XXXXXX", command[100];

	config_dir = mkdtemp(dir);
	cr_assert(config_dir != NULL);
	write_config(dir, "configured.json",
		"{\"wanted\":true,\"greeting\":\"welcome\",\"token\":{\"$env\":\"PATH\"},\"more\":{\"a\":[1.5,{}]}}");
	write_config(dir, "mine.json",
		"{\"template\":\"template\",\"command\":\"x\",\"params\":{\"a\":{\"type\":\"string\","
		"\"enum\":[\"b\",\"c\"],\"default\":\"b\",\"description\":\"d\"}}}");
	for (long n = 1; n < 600; n++) {
		struct error err = { 0 };

		fault_arm(FAULT_ALLOC, n, false);
		if (load_config(&err) < 0)
			cr_assert(err.code == ERR_NO_MEMORY, "allocation %ld: %s", n, err.text);
	}
	snprintf(command, sizeof(command), "rm -r %s", dir);
	cr_expect(system(command) == 0);
}

Test(memory, a_registry_is_filled_or_refused)
{
	for (long n = 1; n < 300; n++) {
		struct error err = { 0 };

		fault_arm(FAULT_ALLOC, n, false);
		if (load_modules(&err) < 0)
			cr_assert(err.code == ERR_NO_MEMORY, "allocation %ld: %s", n, err.text);
	}
}
