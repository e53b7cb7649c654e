/* submit: a job from a pipeline and items, on a server. See cli/submit.h. */
#include "cli/submit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/random.h"
#include "cli/command.h"
#include "cli/feed.h"

enum {
	KEY_FOLLOW = 'f',
	KEY_RESULTS = 'r',
	KEY_SET = 1,
	KEY_NAME,
	KEY_LABEL,
	KEY_ORDER,
	KEY_JOB,
	KEY_KEY,
	KEY_ARRAY,
	KEY_CSV,
	KEY_INFER,
	KEY_DELIMITER,
	KEY_SKIP,
	KEY_OPEN,
	KEY_RM,
	KEY_RETRY_FOR,
};

static const struct argp_option own_options[] = {
	{ NULL, 0, NULL, 0, "The job:", 1 },
	{ "name", KEY_NAME, "NAME", 0, "its name, for people", 1 },
	{ "label", KEY_LABEL, "KEY=VALUE", 0, "a label of it; may be repeated", 1 },
	{ "set", KEY_SET, "NAME=VALUE", 0,
		"STAGE.PARAM=VALUE sets a stage's parameter (VALUE is JSON if it is JSON, else a "
		"text); workers.STAGE=N and queue.STAGE=N scale it; may be repeated",
		1 },
	{ "order", KEY_ORDER, "ORDER", 0,
		"input: results stand in the order of the items; none: as they are ready", 1 },
	{ "job", KEY_JOB, "JOB", 0,
		"send the items to a job that is there, instead of making one: there is no "
		"PIPELINE then",
		1 },
	{ NULL, 0, NULL, 0, "The items:", 2 },
	{ "array", KEY_ARRAY, NULL, 0,
		"the input is a JSON array of items, or one item, instead of one a line; taken for "
		"granted where a FILE ends in .json",
		2 },
	{ "csv", KEY_CSV, NULL, 0,
		"the input is CSV with a header line, a row an item; taken for granted where a "
		"FILE ends in .csv",
		2 },
	{ "infer", KEY_INFER, NULL, 0,
		"CSV: numbers, true, false, null and nothing become that instead of strings",
		2 },
	{ "delimiter", KEY_DELIMITER, "NAME", 0,
		"CSV: what stands between two fields: comma, semicolon, tab or pipe", 2 },
	{ "skip-invalid", KEY_SKIP, NULL, 0,
		"pass over lines that are no JSON, or wrong rows, instead of ending there", 2 },
	{ "key", KEY_KEY, "KEY", 0,
		"Idempotency-Key of the upload: the same input sent to the same job with the same "
		"key goes on where it was (default: a new one)",
		2 },
	{ "keep-open", KEY_OPEN, NULL, 0,
		"do not close the job's input behind the items: more will come, until 'leat "
		"close'",
		2 },
	CLIENT_RETRY_ROW(KEY_RETRY_FOR, 2),
	{ NULL, 0, NULL, 0, "The end:", 3 },
	{ "follow", KEY_FOLLOW, NULL, 0, "stay until the job is done", 3 },
	{ "results", KEY_RESULTS, NULL, 0,
		"stay, too, and write the results (of a sink: its report) to standard output as "
		"they come, instead of the job's id",
		3 },
	{ "rm", KEY_RM, NULL, 0, "remove the job when it was followed to its end", 3 },
	{ 0 },
};

/* ---- the line ---- */

static int add_label(struct submit *submit, const char *text, struct error *err)
{
	const char *equals = strchr(text, '=');
	_auto_free_ char *key = mem_strndup(text, equals != NULL ? (size_t)(equals - text) : 0);

	if (equals == NULL || equals == text)
		return error_set(err, ERR_BAD_REQUEST, "--label: write KEY=VALUE");
	if (key == NULL ||
		json_object_set_new(submit->labels, key, json_string(equals + 1)) < 0)
		return error_set(err, ERR_BAD_REQUEST, "--label: not a text in UTF-8");
	return 0;
}

static int take_key(struct submit *submit, const char *value, struct error *err)
{
	if (*value == '\0' || strlen(value) > 200)
		return error_set(err, ERR_BAD_REQUEST, "--key: give 1 to 200 bytes");
	for (const char *at = value; *at != '\0'; at++)
		if (*at <= ' ' || *at > '~')
			return error_set(err, ERR_BAD_REQUEST,
				"--key: letters, digits and punctuation of ASCII, no blanks");
	submit->key = value;
	return 0;
}

static int take_flag(struct submit *submit, int key, const char *value)
{
	switch (key) {
	case KEY_FOLLOW:
		submit->follow = true;
		break;
	case KEY_RESULTS:
		submit->results = true;
		break;
	case KEY_ARRAY:
		submit->array = true;
		break;
	case KEY_CSV:
		submit->csv = true;
		break;
	case KEY_INFER:
		submit->infer = true;
		break;
	case KEY_SKIP:
		submit->skip_invalid = true;
		break;
	case KEY_OPEN:
		submit->keep_open = true;
		break;
	case KEY_RM:
		submit->remove = true;
		break;
	default: /* PIPELINE or FILE: which it is says --job */
		submit->paths[submit->path_count++] = (char *)value;
		break;
	}
	return 0;
}

static int take(void *arg, int key, const char *value, struct error *err)
{
	struct submit *submit = arg;

	switch (key) {
	case KEY_SET:
		submit->sets[submit->words.set_count++] = value;
		return 0;
	case KEY_NAME:
		submit->name = value;
		return 0;
	case KEY_LABEL:
		return add_label(submit, value, err);
	case KEY_ORDER:
		submit->words.order = value;
		return 0;
	case KEY_JOB:
		submit->job_word = value;
		return 0;
	case KEY_KEY:
		return take_key(submit, value, err);
	case KEY_DELIMITER:
		submit->delimiter = value;
		return csv_delimiter(value, NULL, err);
	case KEY_RETRY_FOR:
		return client_take_patience(value, &submit->patience_ms, err);
	default:
		return take_flag(submit, key, value);
	}
}

static const struct client_command command = {
	.name = "leat submit",
	.args_doc = "PIPELINE [FILE...]\n--job=JOB [FILE...]",
	.intro =
		"Make a job, send it the items of FILEs or of standard input (no FILE, or -), one "
		"JSON text a line, close its input, and write its id to standard output.\n\n"
		"PIPELINE is NAME[:WORKERS],... as in 'pick,sha256:8', a job definition, a file "
		"that holds one and ends in .json, or -: then it is the first line of standard "
		"input and the items are the lines after it.",
	.examples =
		"Examples:\n"
		"  leat submit sha256:8 --set sha256.field=text orders.ndjson\n"
		"  leat submit job.json --results <in.ndjson >out.ndjson\n"
		"  tail -f log.ndjson | leat submit filter.json --keep-open -\n"
		"  (jq -c . job.json; cat a.ndjson) | leat submit -\n\n"
		"A connection that breaks, or a server that is started again, makes no "
		"difference: what is missing is sent again, and nothing twice. Of standard input "
		"at most 4 MiB (or one longer line, up to 64 MiB) are kept until the server has "
		"them on disk. Files that end in .gz, .zst or .csv are sent as they are.\n\n"
		"It exits with 0 when all is stored (with --follow or --results: when every item "
		"succeeded), 1 when some items failed, the job did, or the server does not answer, "
		"2 when the pipeline, an option or an input is wrong, 130 after Ctrl-C.",
	.own = own_options,
	.take = take,
	.has_json = true,
};

/* What the words mean together; NULL, or what is wrong. */
static const char *sort_words(struct submit *submit)
{
	unsigned dashes = 0;

	if (submit->job_word == NULL) {
		if (submit->path_count == 0)
			return "which PIPELINE? As in: leat submit sha256:8 --set "
			       "sha256.field=text in.ndjson";
		submit->words.pipeline = *submit->paths++;
		submit->path_count--;
	} else if (submit->name != NULL || json_object_size(submit->labels) > 0 ||
		   submit->words.order != NULL || submit->words.set_count > 0) {
		return "--name, --label, --set and --order are for a job that is made, not for "
		       "--job";
	}
	for (unsigned i = 0; i < submit->path_count; i++)
		dashes += strcmp(submit->paths[i], "-") == 0;
	if (submit->words.pipeline != NULL && strcmp(submit->words.pipeline, "-") == 0 &&
		submit->path_count > 0)
		dashes++;
	if (dashes > 1)
		return "standard input can be read only once";
	if (submit->keep_open && (submit->follow || submit->results))
		return "a job that is kept open does not end: --keep-open goes with neither "
		       "--follow nor --results";
	if (submit->results && submit->client.json)
		return "--results writes results, --json the job: one of them";
	if (submit->remove && !submit->follow && !submit->results)
		return "--rm removes a job that was followed: add --follow or --results";
	return NULL;
}

/* ---- in which order ---- */

/* One descriptor for both: epoll's can be waited on itself. */
static int open_wake(struct submit *submit)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (client_catch_signals(&submit->client, 0, 0) < 0)
		return -1;
	submit->gone_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	submit->wake_fd = epoll_create1(EPOLL_CLOEXEC);
	if (submit->gone_fd < 0 || submit->wake_fd < 0 ||
		epoll_ctl(submit->wake_fd, EPOLL_CTL_ADD, submit->client.signal_fd, &event) <
			0 ||
		epoll_ctl(submit->wake_fd, EPOLL_CTL_ADD, submit->gone_fd, &event) < 0)
		return -1;
	chunks_init(&submit->input, STDIN_FILENO, submit->wake_fd);
	return 0;
}

static int say_id(struct submit *submit)
{
	if (submit->results || submit->client.json || submit->words.pipeline == NULL)
		return EXIT_OK;
	printf("%s\n", submit->id);
	return client_flush() == 0 ? EXIT_OK : EXIT_FAILED;
}

static int do_it(struct submit *submit)
{
	int code = submit_read_pipeline(submit);

	if (code == EXIT_OK && submit->words.pipeline == NULL)
		code = submit_check_files(submit);
	if (code == EXIT_OK)
		code = submit_make_job(submit);
	if (code == EXIT_OK)
		code = say_id(submit);
	if (code != EXIT_OK)
		return code;
	code = submit_start_results(submit);
	if (code == EXIT_OK)
		code = submit_send(submit);
	return submit_end(submit, code);
}

static int run(struct submit *submit)
{
	struct client *client = &submit->client;
	const char *wrong = sort_words(submit);
	struct error err;
	int code;

	if (wrong != NULL)
		return client_missing(client, wrong);
	if (open_wake(submit) < 0) {
		error_set(&err, ERR_INTERNAL, "no descriptors: %m");
		return client_fail(client, &err, EXIT_FAILED);
	}
	code = client_open_with(client, submit->wake_fd);
	return code >= 0 ? code : do_it(submit);
}

static void make_key(struct submit *submit)
{
	uint64_t random;

	random_bytes(&random, sizeof(random));
	snprintf(submit->own_key, sizeof(submit->own_key), "submit-%016llx",
		(unsigned long long)random);
	submit->key = submit->own_key;
}

static void done(struct submit *submit, char **paths)
{
	if (submit->gone_fd >= 0)
		close(submit->gone_fd);
	if (submit->wake_fd >= 0)
		close(submit->wake_fd);
	chunks_done(&submit->input);
	buf_done(&submit->pipeline);
	json_decref(submit->labels);
	mem_free(submit->sets);
	mem_free(paths);
}

int command_submit(int argc, char **argv)
{
	struct submit submit = { .patience_ms = PATIENCE_DEFAULT_MS,
		.wake_fd = -1,
		.gone_fd = -1,
		.stop_fd = -1,
		.labels = json_object(),
		.sets = mem_zalloc(sizeof(char *) * (size_t)(argc + 1)),
		.paths = mem_zalloc(sizeof(char *) * (size_t)(argc + 1)) };
	char **paths = submit.paths;
	int code = EXIT_FAILED;

	submit.words.sets = submit.sets;
	if (submit.sets != NULL && paths != NULL && submit.labels != NULL) {
		make_key(&submit);
		code = client_begin(&submit.client, &command, argc, argv, &submit);
		if (code < 0)
			code = client_end(&submit.client, run(&submit));
	}
	done(&submit, paths);
	return code;
}
