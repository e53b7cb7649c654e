/* PIPELINE and --set, made into a definition or into mistakes. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/run_definition.h"

/* ---- a catalog of two stages that takes any parameter ---- */

static const struct stage upper = { .name = "upper", .threads = STAGE_PARALLEL };
static const struct stage pass = { .name = "pass", .threads = STAGE_PARALLEL };

static const struct stage *find(const struct catalog *catalog, const char *name)
{
	return strcmp(name, "upper") == 0 ? &upper : strcmp(name, "pass") == 0 ? &pass : NULL;
}

static const char *nearest(const struct catalog *catalog, const char *name)
{
	return "upper";
}

static json_t *check_params(const struct catalog *catalog, const struct stage *stage,
	const json_t *params, const char *pointer, struct mistakes *mistakes)
{
	return params != NULL ? json_deep_copy(params) : json_object();
}

static const struct catalog catalog = { find, nearest, check_params };

static int make(const char *pipeline, const char *set, const char *order,
	struct mistakes *mistakes, struct definition **ret, struct error *err)
{
	const char *sets[] = { set };
	struct run_words words = { .pipeline = pipeline,
		.sets = sets,
		.set_count = set != NULL ? 1 : 0,
		.order = order };

	mistakes_init(mistakes);
	return run_definition(&words, &catalog, &definition_rules_default, mistakes, ret, err);
}

static struct definition *made(const char *pipeline, const char *set, const char *order)
{
	struct definition *definition = NULL;
	struct mistakes mistakes;
	struct error err = { 0 };

	cr_assert(make(pipeline, set, order, &mistakes, &definition, &err) == 0, "%s: %s",
		err.text, mistakes.count > 0 ? mistakes.items[0].detail : "");
	mistakes_done(&mistakes);
	return definition;
}

Test(run_definition, takes_the_short_form_and_keeps_the_order_of_the_input)
{
	struct definition *definition = made("pass,upper:8", NULL, NULL);

	cr_assert(eq(uint, definition->stage_count, 2));
	cr_assert(eq(uint, definition->stages[1].workers, 8));
	cr_assert(definition->ordered);
	definition_free(definition);
}

Test(run_definition, order_of_the_line_goes_before_that_of_the_definition)
{
	struct definition *definition = made("upper", NULL, "none");

	cr_assert(not(definition->ordered));
	definition_free(definition);
	definition = made("{\"stages\":[{\"use\":\"upper\"}],\"order\":\"none\"}", NULL, NULL);
	cr_assert(not(definition->ordered));
	definition_free(definition);
	definition =
		made("{\"stages\":[{\"use\":\"upper\"}],\"order\":\"none\"}", NULL, "input");
	cr_assert(definition->ordered);
	definition_free(definition);
}

Test(run_definition, takes_a_file_that_ends_in_json)
{
	char path[] = "/tmp/leat-job-XXXXXX.json";
	const char text[] = "{\"name\":\"from a file\",\"stages\":[{\"use\":\"upper\"}]}";
	int fd = mkstemps(path, 5);
	struct definition *definition;

	cr_assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	definition = made(path, NULL, NULL);
	cr_assert(eq(str, definition->name, (char *)"from a file"));
	definition_free(definition);
	unlink(path);
}

Test(run_definition, set_reaches_parameters_workers_and_queues)
{
	struct definition *definition = made("upper", "upper.field=text", NULL);

	cr_assert(eq(str,
		(char *)json_string_value(
			json_object_get(definition->stages[0].params, "field")),
		(char *)"text"));
	definition_free(definition);
	definition = made("upper", "workers.upper=16", NULL);
	cr_assert(eq(uint, definition->stages[0].workers, 16));
	definition_free(definition);
	definition = made("upper", "queue.upper=32", NULL);
	cr_assert(eq(u64, definition->stages[0].queue_items, 32));
	definition_free(definition);
}

static const struct {
	const char *pipeline, *set, *order, *pointer, *detail;
} bad[] = {
	{ "uper", NULL, NULL, "/stages/0/use", "upper" },
	{ "upper:0", NULL, NULL, "stages", "upper:0" },
	{ "", NULL, NULL, "stages", "missing" },
	{ "upper", "field", NULL, "field", "STAGE.PARAM=VALUE" },
	{ "upper", "field=text", NULL, "field=text", "STAGE.PARAM=VALUE" },
	{ "upper", "uper.field=text", NULL, "uper.field", "upper" },
	{ "upper", "workers.upper=none", NULL, "workers.upper", "" },
	{ "upper", "workers.uper=1", NULL, "workers.uper", "" },
	{ "upper", NULL, "sideways", "/order", "input" },
	{ "{\"stages\":[]}", NULL, NULL, "/stages", "" },
	{ "{\"stages\":[{\"use\":\"upper\"}],\"colour\":1}", NULL, NULL, "/colour", "" },
};

Test(run_definition, mistakes_are_pointed_at)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct definition *definition = NULL;
		struct mistakes mistakes;
		struct error err = { 0 };

		cr_assert(make(bad[i].pipeline, bad[i].set, bad[i].order, &mistakes,
				  &definition, &err) < 0,
			"%s is taken", bad[i].pipeline);
		cr_assert(err.code == ERR_DEFINITION, "%s: %s", bad[i].pipeline, err.text);
		cr_assert(mistakes.count > 0);
		cr_assert(eq(str, mistakes.items[0].pointer, (char *)bad[i].pointer));
		cr_assert(strstr(mistakes.items[0].detail, bad[i].detail) != NULL, "%s",
			mistakes.items[0].detail);
		cr_assert(definition == NULL);
		mistakes_done(&mistakes);
	}
}

static const struct {
	const char *pipeline, *why;
} unreadable[] = {
	{ "/nowhere/job.json", "/nowhere/job.json cannot be read: No such file or directory" },
	{ "{\"stages\":", "the definition: line 1, column 11: it ends too early" },
	{ "{\"stages\":[],\"stages\":[]}",
		"the definition: line 1, column 14: the key stands in this object already" },
};

Test(run_definition, what_is_no_json_is_said_with_its_place)
{
	for (size_t i = 0; i < ARRAY_SIZE(unreadable); i++) {
		struct definition *definition = NULL;
		struct mistakes mistakes;
		struct error err = { 0 };

		cr_assert(make(unreadable[i].pipeline, NULL, NULL, &mistakes, &definition,
				  &err) < 0);
		cr_assert(err.code == ERR_BAD_REQUEST);
		cr_assert(strncmp(err.text, unreadable[i].why, strlen(unreadable[i].why)) == 0,
			"%s", err.text);
		mistakes_done(&mistakes);
	}
}
