/*
 * run: the same engine without a server, between standard input and standard output.
 *
 *	leat run 'sha256:8' --set sha256.field=text <in.ndjson >out.ndjson
 *
 * The ledger is the one in memory: nothing is kept, and results are dropped as soon as they
 * have been written.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/role.h"
#include "cli/command.h"
#include "cli/run_definition.h"
#include "cli/run_job.h"

/* Accepted input lies in memory here, so its bound is lower than a server's on disk. */
#define BACKLOG_BYTES (16u << 20)

enum {
	KEY_SET = 1,
	KEY_ORDER,
	KEY_FAILURES,
	KEY_JSON,
	KEY_CSV,
	KEY_INFER,
	KEY_DELIMITER,
	KEY_SKIP
};

static const struct argp_option own_options[] = {
	{ NULL, 0, NULL, 0, "The run:", 1 },
	{ "set", KEY_SET, "NAME=VALUE", 0,
		"STAGE.PARAM=VALUE sets a stage's parameter (VALUE is JSON if it is JSON, else a "
		"text); workers.STAGE=N and queue.STAGE=N scale it; may be repeated",
		1 },
	{ "order", KEY_ORDER, "ORDER", 0,
		"input: results stand in the order of the items (the default); none: as they are "
		"ready",
		1 },
	{ "failures", KEY_FAILURES, "FILE", 0,
		"write failed items to FILE, a JSON object a line, instead of a text to stderr",
		1 },
	{ "json", KEY_JSON, NULL, 0,
		"the input is a JSON array of items, or one item, instead of one a line; taken for "
		"granted where a FILE ends in .json",
		1 },
	{ "csv", KEY_CSV, NULL, 0,
		"the input is CSV with a header line, a row an item; taken for granted where a "
		"FILE ends in .csv",
		1 },
	{ "infer", KEY_INFER, NULL, 0,
		"CSV: numbers, true, false, null and nothing become that instead of strings",
		1 },
	{ "delimiter", KEY_DELIMITER, "NAME", 0,
		"CSV: what stands between two fields: comma, semicolon, tab or pipe", 1 },
	{ "skip-invalid", KEY_SKIP, NULL, 0,
		"pass over lines that are no JSON, or wrong rows, instead of ending there", 1 },
	{ 0 },
};

static int take(void *arg, int key, const char *value, struct error *err);

static const struct options options = {
	.name = "leat run",
	.command = FOR_RUN,
	.args_doc = "PIPELINE [FILE...]",
	.intro =
		"Work on the items of FILEs or of standard input, one JSON text a line; results go to "
		"standard output.\n\nPIPELINE is NAME[:WORKERS],... as in 'pick,sha256:8', a job "
		"definition, or a file that holds one and ends in .json. 'leat stages' lists the "
		"stages.",
	.examples =
		"Examples:\n"
		"  leat run sha256:8 --set sha256.field=text <in.ndjson >out.ndjson\n"
		"  leat run 'filter,pick' --set filter.pointer=/qty --set filter.op=gt \\\n"
		"      --set filter.value=0 --set 'pick.fields=[\"id\"]' orders.ndjson\n"
		"  leat run range --set range.to=10\n"
		"  leat run job.json a.ndjson b.ndjson --failures failed.ndjson\n\n"
		"It exits with 0 when every item succeeded, 1 when some failed, 2 when the pipeline, "
		"an option or an input file is wrong, 130 after Ctrl-C.",
	.own = own_options,
	.take = take,
};

/* What the line says. */
struct line {
	struct run_words words;
	const char **sets;
	const char *failures;
	char **paths;
	unsigned path_count;
	bool json, csv, infer, skip;
	char delimiter;
};

struct run {
	struct settings settings;
	struct line line;
	uv_loop_t loop;
	uv_signal_t sigint, sigterm;
	struct ledger *ledger;
	struct registry *registry;
	struct engine *engine;
	struct run_job job;
	int failures_fd;
	bool drained;
};

/* ---- the line ---- */

static int take(void *arg, int key, const char *value, struct error *err)
{
	struct line *line = arg;

	switch (key) {
	case KEY_SET:
		line->sets[line->words.set_count++] = value;
		return 0;
	case KEY_ORDER:
		line->words.order = value;
		return 0;
	case KEY_FAILURES:
		line->failures = value;
		return 0;
	case KEY_JSON:
		line->json = true;
		return 0;
	case KEY_CSV:
		line->csv = true;
		return 0;
	case KEY_INFER:
		line->infer = true;
		return 0;
	case KEY_DELIMITER:
		return csv_delimiter(value, &line->delimiter, err);
	case KEY_SKIP:
		line->skip = true;
		return 0;
	default:
		if (line->words.pipeline == NULL)
			line->words.pipeline = value;
		else
			line->paths[line->path_count++] = (char *)value;
		return 0;
	}
}

static int line_init(struct line *line, int argc, struct error *err)
{
	line->sets = mem_zalloc(sizeof(*line->sets) * (size_t)(argc + 1));
	line->paths = mem_zalloc(sizeof(*line->paths) * (size_t)(argc + 1));
	line->words.sets = line->sets;
	return line->sets != NULL && line->paths != NULL ? 0 : error_no_memory(err);
}

static void line_done(struct line *line)
{
	mem_free(line->sets);
	mem_free(line->paths);
}

/* ---- what has to be right before anything starts ---- */

static void say_mistakes(const struct mistakes *mistakes)
{
	for (unsigned i = 0; i < mistakes->count; i++)
		fprintf(stderr, "leat run: %s: %s\n", mistakes->items[i].pointer,
			mistakes->items[i].detail);
}

static int make_definition(struct run *run, struct definition **ret, struct error *err)
{
	struct mistakes mistakes;
	int result;

	mistakes_init(&mistakes);
	result = run_definition(&run->line.words, registry_catalog(run->registry),
		&run->settings.engine.rules, &mistakes, ret, err);
	say_mistakes(&mistakes);
	mistakes_done(&mistakes);
	return result;
}

static int take_input(struct run *run, const struct definition *definition, struct error *err)
{
	static char dash[] = "-";
	static char *const standard_input[] = { dash };
	struct feed_config *input = &run->job.input;
	unsigned count = MAX(run->line.path_count, 1u);

	if (definition->has_source && run->line.path_count > 0)
		return error_set(err, ERR_BAD_REQUEST,
			"the pipeline begins with the source '%s', which makes the items: it takes "
			"no FILE",
			definition->stages[0].name);
	*input = (struct feed_config){ .loop = &run->loop,
		.paths = run->line.path_count > 0 ? run->line.paths : standard_input,
		.path_count = count,
		.all_json = run->line.json,
		.all_csv = run->line.csv,
		.csv = { .delimiter = run->line.delimiter, .infer = run->line.infer },
		.skip_invalid = run->line.skip,
		.item_max = run->settings.engine.item_max };
	if (!definition->has_source && run->line.path_count == 0 && isatty(STDIN_FILENO) &&
		isatty(STDERR_FILENO))
		fprintf(stderr,
			"leat run: reading items from the terminal; Ctrl-D ends them\n");
	return definition->has_source ? 0 : feed_check(input, err);
}

static int open_failures(struct run *run, struct error *err)
{
	if (run->line.failures == NULL)
		return 0;
	run->failures_fd =
		open(run->line.failures, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (run->failures_fd < 0)
		return error_set(err, ERR_BAD_REQUEST, "--failures: %s cannot be written: %m",
			run->line.failures);
	run->job.failures_json = true;
	return 0;
}

/* ---- the run ---- */

static void on_drained(void *arg)
{
	struct run *run = arg;

	run->drained = true;
}

static void on_over(void *arg)
{
	struct run *run = arg;

	engine_drain(run->engine, 0, on_drained, run);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct run *run = handle->data;

	run_job_interrupt(&run->job, number);
}

static int open_engine(struct run *run, struct error *err)
{
	struct engine_config config = run->settings.engine;

	config.rules.backlog_default = BACKLOG_BYTES;
	if (ledger_memory_open(&run->ledger, err) < 0)
		return -1;
	return engine_open(&config, &run->loop, run->ledger, run->registry, &run->engine, err);
}

static int run_engine(struct run *run, struct definition *definition, struct error *err)
{
	if (open_engine(run, err) < 0) {
		definition_free(definition);
		return -1;
	}
	run->job.loop = &run->loop;
	run->job.engine = run->engine;
	run->job.failures_fd = run->failures_fd;
	run->job.over = on_over;
	run->job.arg = run;
	if (run_job_start(&run->job, definition, err) < 0)
		return -1;
	while (!run->drained)
		uv_run(&run->loop, UV_RUN_ONCE);
	return 0;
}

static void watch_signals(struct run *run)
{
	uv_signal_init(&run->loop, &run->sigint);
	uv_signal_init(&run->loop, &run->sigterm);
	run->sigint.data = run->sigterm.data = run;
	uv_signal_start(&run->sigint, on_signal, SIGINT);
	uv_signal_start(&run->sigterm, on_signal, SIGTERM);
}

/* Everything that needs a loop, from the first handle to the last one closed. */
static int run_on_loop(struct run *run, struct definition *definition, struct error *err)
{
	int result;

	if (uv_loop_init(&run->loop) != 0) {
		definition_free(definition);
		return error_set(err, ERR_INTERNAL, "the event loop cannot be made");
	}
	role_enter(ROLE_LOOP);
	signal(SIGPIPE, SIG_IGN);
	watch_signals(run);
	result = run_engine(run, definition, err);
	run_job_done(&run->job);
	if (run->engine != NULL)
		engine_close(run->engine);
	command_close_signals(&run->sigint, &run->sigterm);
	uv_run(&run->loop, UV_RUN_DEFAULT);
	uv_loop_close(&run->loop);
	ledger_close(run->ledger);
	return result;
}

static int run_all(struct run *run)
{
	struct definition *definition;
	struct error err;

	if (command_registry(&run->settings, &run->registry, &err) < 0)
		return command_fail(options.name, &err, EXIT_USAGE);
	if (make_definition(run, &definition, &err) < 0)
		return err.code == ERR_DEFINITION
			       ? EXIT_USAGE
			       : command_fail(options.name, &err, EXIT_USAGE);
	if (take_input(run, definition, &err) < 0 || open_failures(run, &err) < 0) {
		definition_free(definition);
		return command_fail(options.name, &err, EXIT_USAGE);
	}
	if (run_on_loop(run, definition, &err) < 0)
		return command_fail(options.name, &err, EXIT_FAILED);
	return run->job.code;
}

int command_run(int argc, char **argv)
{
	struct run run = { .failures_fd = STDERR_FILENO };
	struct error err;
	int code;

	if (line_init(&run.line, argc, &err) < 0) {
		line_done(&run.line);
		return command_fail(options.name, &err, EXIT_FAILED);
	}
	code = command_begin(&options, argc, argv, &run.line, &run.settings);
	if (code < 0 && run.line.words.pipeline == NULL) {
		error_set(&err, ERR_BAD_REQUEST,
			"which pipeline? As in: leat run sha256:8 --set sha256.field=text <in.ndjson");
		settings_done(&run.settings);
		code = command_fail(options.name, &err, EXIT_USAGE);
	} else if (code < 0) {
		code = run_all(&run);
		if (!engine_left_threads())
			registry_free(run.registry);
		settings_done(&run.settings);
	}
	if (run.failures_fd > STDERR_FILENO)
		close(run.failures_fd);
	line_done(&run.line);
	return code;
}
