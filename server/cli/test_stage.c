/* test-stage: run the cases of a stage, as its author does while writing it. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/role.h"
#include "cli/case_file.h"
#include "cli/case_run.h"
#include "cli/command.h"

struct test_stage {
	const char *stage, *path;
	struct settings settings;
	struct registry *registry;
	uv_loop_t loop;
	struct ledger *ledger;
	struct engine *engine;
	unsigned passed, failed;
	bool drained;
};

static int take(void *arg, int key, const char *value, struct error *err)
{
	struct test_stage *test = arg;

	(void)key;
	if (test->stage == NULL)
		test->stage = value;
	else if (test->path == NULL)
		test->path = value;
	else
		return error_set(err, ERR_BAD_REQUEST,
			"a STAGE and a file of CASES are enough; '%.60s' is too many", value);
	return 0;
}

/* ---- which stage ---- */

static bool is_a_file(const char *text)
{
	size_t len = strlen(text);

	return strchr(text, '/') != NULL || (len > 3 && strcmp(text + len - 3, ".so") == 0);
}

static const struct stage *find_stage(struct test_stage *test, struct error *err)
{
	const struct stage *stage = registry_find(test->registry, test->stage);
	const char *nearest;

	if (stage != NULL)
		return stage;
	nearest = registry_catalog(test->registry)
			  ->nearest(registry_catalog(test->registry), test->stage);
	error_set(err, ERR_BAD_REQUEST,
		"there is no stage '%.60s'%s%s%s; a module's file is written as ./NAME.so",
		test->stage, nearest != NULL ? "; did you mean '" : "",
		nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
	return NULL;
}

/* ---- the cases, as TAP (testanything.org) ---- */

static void say(struct test_stage *test, const struct stage_case *one, unsigned line,
	const struct error *err)
{
	unsigned number = test->passed + test->failed + 1;

	printf("%s %u - line %u%s%.*s\n", err == NULL ? "ok" : "not ok", number, line,
		one->name.at != NULL ? ": " : "", (int)one->name.len,
		one->name.at != NULL ? one->name.at : "");
	if (err == NULL) {
		test->passed++;
		return;
	}
	printf("  %s\n", err->text);
	test->failed++;
}

static int run_cases(struct test_stage *test, const struct case_rig *rig, struct error *err)
{
	struct case_file cases;
	struct stage_case one;
	int more;

	if (case_file_open(&cases, test->path, err) < 0)
		return -1;
	while ((more = case_file_next(&cases, &one, err)) > 0) {
		struct error why = { 0 };
		int result = case_run(rig, &one, &why);

		say(test, &one, cases.number, result == 0 ? NULL : &why);
		stage_case_done(&one);
	}
	case_file_close(&cases);
	return more;
}

/* ---- with an engine ---- */

static void on_drained(void *arg)
{
	((struct test_stage *)arg)->drained = true;
}

static int run_with_engine(
	struct test_stage *test, const struct stage *stage, struct error *err)
{
	struct case_rig rig = { .loop = &test->loop,
		.registry = test->registry,
		.stage = stage,
		.rules = &test->settings.engine.rules };
	int result;

	if (ledger_memory_open(&test->ledger, err) < 0 ||
		engine_open(&test->settings.engine, &test->loop, test->ledger, test->registry,
			&test->engine, err) < 0)
		return -1;
	rig.engine = test->engine;
	result = run_cases(test, &rig, err);
	engine_drain(test->engine, 0, on_drained, test);
	while (!test->drained)
		uv_run(&test->loop, UV_RUN_ONCE);
	engine_close(test->engine);
	return result;
}

static int run_on_loop(struct test_stage *test, const struct stage *stage, struct error *err)
{
	int result;

	if (uv_loop_init(&test->loop) != 0)
		return error_set(err, ERR_INTERNAL, "the event loop cannot be made");
	role_enter(ROLE_LOOP);
	result = run_with_engine(test, stage, err);
	uv_run(&test->loop, UV_RUN_DEFAULT);
	uv_loop_close(&test->loop);
	ledger_close(test->ledger);
	return result;
}

/* ---- the command ---- */

static const struct options options = {
	.name = "leat test-stage",
	.command = FOR_STAGES,
	.args_doc = "STAGE CASES",
	.intro =
		"Run the cases of a stage: what goes in, what must come out.\n"
		"STAGE is a module (./upper.so) or the name of a stage that leat has; CASES is a "
		"file of lines, a case each. Says in TAP which are as wanted; exits with 0 when "
		"all are, 1 when some are not, 2 when the stage or the file is wrong.",
	.examples = "Examples:\n"
		    "  leat test-stage ./upper.so cases.ndjson\n"
		    "  echo '{\"params\":{\"fields\":[\"a\"]},\"in\":[{\"a\":1,\"b\":2}],"
		    "\"out\":[{\"a\":1}]}' |\n"
		    "    leat test-stage pick /dev/stdin",
	.take = take,
};

static int run_all(struct test_stage *test)
{
	const struct stage *stage = NULL;
	struct error err;
	int code = EXIT_USAGE;

	if (test->path == NULL) {
		error_set(&err, ERR_BAD_REQUEST,
			"which stage, and which cases? As in: leat test-stage ./upper.so cases.ndjson");
		return command_fail(options.name, &err, EXIT_USAGE);
	}
	if (command_registry_with(&test->settings, is_a_file(test->stage) ? test->stage : NULL,
		    &stage, &test->registry, &err) < 0)
		return command_fail(options.name, &err, EXIT_USAGE);
	log_set_level(LOG_WARN);
	if (stage == NULL)
		stage = find_stage(test, &err);
	if (stage == NULL || run_on_loop(test, stage, &err) < 0) {
		command_fail(options.name, &err, EXIT_USAGE);
	} else {
		printf("1..%u\n%u passed, %u failed\n", test->passed + test->failed,
			test->passed, test->failed);
		code = test->failed > 0 ? EXIT_FAILED : EXIT_OK;
	}
	if (!engine_left_threads())
		registry_free(test->registry);
	return code;
}

int command_test_stage(int argc, char **argv)
{
	struct test_stage test = { 0 };
	int code = command_begin(&options, argc, argv, &test, &test.settings);

	if (code >= 0)
		return code;
	code = run_all(&test);
	settings_done(&test.settings);
	return fflush(stdout) == 0 ? code : EXIT_FAILED;
}
