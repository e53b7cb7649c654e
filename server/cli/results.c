/* results, failures: what came out of a job, once each, to standard output. */
#include <stdio.h>
#include <string.h>

#include "base/json_parse.h"
#include "base/mem.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/results.h"
#include "client/shown.h"
#include "job/text.h"

enum { KEY_FOLLOW = 'f', KEY_AFTER = 1, KEY_LIMIT, KEY_ENVELOPE, KEY_RETRY_FOR };

struct results {
	struct client client;
	const char *word, *what;
	const char *after;
	unsigned long long limit;
	uint64_t patience_ms;
	bool follow, envelope;
	struct results_output output;
};

#define READING_ROWS                                                                         \
	{ NULL, 0, NULL, 0, "The reading:", 1 },                                             \
		{ "follow", KEY_FOLLOW, NULL, 0,                                             \
			"stay until the job is done, and write what comes as it comes", 1 }, \
		{ "after", KEY_AFTER, "CURSOR", 0, "begin behind this cursor", 1 },          \
		{ "limit", KEY_LIMIT, "COUNT", 0, "at most so many", 1 },                    \
		CLIENT_RETRY_ROW(KEY_RETRY_FOR, 1)

static int take(void *arg, int key, const char *value, struct error *err)
{
	struct results *results = arg;

	switch (key) {
	case KEY_FOLLOW:
		results->follow = true;
		return 0;
	case KEY_AFTER:
		results->after = value;
		return 0;
	case KEY_LIMIT:
		if (text_to_uint(value, INT64_MAX, &results->limit) && results->limit > 0)
			return 0;
		return error_set(err, ERR_BAD_REQUEST,
			"--limit: '%.40s' is not a whole number such as 100", value);
	case KEY_ENVELOPE:
		results->envelope = true;
		return 0;
	case KEY_RETRY_FOR:
		return client_take_patience(value, &results->patience_ms, err);
	default:
		break;
	}
	if (results->word != NULL)
		return error_set(
			err, ERR_BAD_REQUEST, "one JOB is enough; '%.60s' is too many", value);
	results->word = value;
	return 0;
}

/* ---- lines ---- */

bool results_put(void *arg, const struct follow_line *line)
{
	struct results_output *output = arg;

	return (output->envelope ? client_put_json(line->whole, line->whole_len)
				 : client_put_json(line->value, line->value_len)) == 0 &&
	       client_write("\n", 1) == 0;
}

bool results_pause(void *arg)
{
	return client_flush() == 0;
}

void results_trouble(void *arg, const char *why)
{
	const struct results_output *output = arg;

	client_trouble((void *)output->client, why);
}

/* "failed item 17 at sha256 after 1 attempt: no string field 'text'", as leat run says it. */
static bool put_failure_text(const json_t *failure)
{
	unsigned attempts = (unsigned)view_number(failure, "attempts", NULL);
	struct buf text = BUF_INIT;
	bool good;

	good = buf_printf(&text, "failed item %.0f at ", view_number(failure, "item", NULL)) ==
		       0 &&
	       shown_text(view_string(failure, "stage"), &text) == 0 &&
	       buf_printf(&text, " after %u attempt%s: ", attempts, attempts == 1 ? "" : "s") ==
		       0 &&
	       shown_text(view_string(failure, "error"), &text) == 0 &&
	       buf_append_str(&text, "\n") == 0 && client_write(text.data, text.len) == 0;
	buf_done(&text);
	return good;
}

static bool put_failure(void *arg, const struct follow_line *line)
{
	struct results_output *output = arg;
	json_auto_t *failure = NULL;

	if (output->envelope)
		return results_put(arg, line);
	failure = json_parse(line->whole, line->whole_len, JSON_ALLOW_NUL, NULL);
	return put_failure_text(failure);
}

/* ---- reading ---- */

int results_code(struct client *client, struct follow *follow, enum follow_result result)
{
	switch (result) {
	case FOLLOW_ALL:
		return EXIT_OK;
	case FOLLOW_REFUSED:
		return client_refused(client, &follow->reply);
	case FOLLOW_UNREACHABLE:
		return client_fail(client, &follow->err, EXIT_FAILED);
	case FOLLOW_INTERRUPTED:
		return EXIT_SIGNAL + client_signal(client);
	case FOLLOW_GIVEN_UP:
		break;
	}
	return EXIT_FAILED; /* the output; client_end() says what is the matter with it */
}

static int read_all(struct results *results, struct follow *follow)
{
	int code = results_code(&results->client, follow, follow_run(follow));

	if (code == EXIT_OK && results->follow && follow->job != NULL && results->limit == 0)
		return client_outcome(&results->client, follow->job);
	return code;
}

/* A job that is not there is found out at once, and whatever may pass later is waited for. */
static int read_job(struct results *results)
{
	struct client *client = &results->client;
	bool failures = strcmp(results->what, "failures") == 0;
	char id[CLIENT_ID_SIZE];
	struct follow follow;
	int code = client_find_job(client, results->word, id);

	if (code != EXIT_OK)
		return code;
	follow_init(&follow, &(struct follow_config){ .remote = client->remote,
				     .job = id,
				     .what = results->what,
				     .after = results->after,
				     .limit = results->limit,
				     .follow = results->follow,
				     .patience_ms = results->patience_ms,
				     .interrupt_fd = client->signal_fd,
				     .arg = &results->output,
				     .line = failures ? put_failure : results_put,
				     .pause = results->follow ? results_pause : NULL,
				     .trouble = results_trouble });
	code = read_all(results, &follow);
	follow_done(&follow);
	return code;
}

static int run(
	struct results *results, const struct client_command *command, int argc, char **argv)
{
	struct client *client = &results->client;
	int code;

	results->patience_ms = PATIENCE_DEFAULT_MS;
	code = client_begin(client, command, argc, argv, results);
	if (code >= 0)
		return code;
	results->output = (struct results_output){ client, results->envelope || client->json };
	if (results->word == NULL)
		return client_end(
			client, client_missing(client, "which JOB? 'leat ls' lists them"));
	client_catch_signals(client, 0, 0);
	code = client_open(client);
	return client_end(client, code >= 0 ? code : read_job(results));
}

int command_results(int argc, char **argv)
{
	static const struct argp_option own[] = {
		READING_ROWS,
		{ "envelope", KEY_ENVELOPE, NULL, 0,
			"each line as {\"cursor\":…,\"item\":…,\"value\":…}: its cursor, and the "
			"number of the input item, from 0",
			1 },
		{ 0 },
	};
	static const struct client_command command = {
		.name = "leat results",
		.args_doc = "JOB",
		.intro =
			"Write the results of a job, one JSON text a line, those it has now or, "
			"with -f, all until it is done. A connection that breaks and a server "
			"that is started again make no difference: every line comes once. JOB is "
			"an id, the beginning of one, or a name that only one job has.",
		.examples = "Examples:\n"
			    "  leat results orders >out.ndjson\n"
			    "  leat results -f orders | jq -r .sha256\n\n"
			    "With -f it exits with 0 when every item succeeded and 1 when some "
			    "failed or the job did.",
		.own = own,
		.take = take,
	};
	struct results results = { .what = "results" };

	return run(&results, &command, argc, argv);
}

int command_failures(int argc, char **argv)
{
	static const struct argp_option own[] = { READING_ROWS, { 0 } };
	static const struct client_command command = {
		.name = "leat failures",
		.args_doc = "JOB",
		.intro =
			"Write the failed items of a job: which, where and why; with --json also "
			"what the stage was given. JOB is an id, the beginning of one, or a name "
			"that only one job has.",
		.examples = "Examples:\n"
			    "  leat failures orders\n"
			    "  leat failures orders --json | jq -c .input >again.ndjson",
		.own = own,
		.take = take,
		.has_json = true,
	};
	struct results results = { .what = "failures" };

	return run(&results, &command, argc, argv);
}
