/* change: one job, given something to do: scale its stages, run failed items again. */
#include <stdio.h>
#include <string.h>

#include "base/json_text.h"
#include "base/mem.h"
#include "cli/client.h"
#include "cli/command.h"
#include "client/shown.h"
#include "job/text.h"

struct change {
	const char *word; /* the job */
	json_t *body;
	bool wanted; /* there is something to do */
};

#define JOB_IS " JOB is an id, the beginning of one, or a name that only one job has."

/* The request's body as the line gave it, and the reply. */
static int send_change(struct client *client, const struct change *change, const char *method,
	const char *action, json_t **ret)
{
	_auto_free_ char *path = NULL, *body = json_text(change->body, JSON_COMPACT);
	char id[CLIENT_ID_SIZE];
	int code = client_find_job(client, change->word, id);

	if (code != EXIT_OK)
		return code;
	path = client_path("/v1/jobs/%s%s", id, action);
	if (path == NULL || body == NULL)
		return EXIT_FAILED;
	return client_get_json(client,
		&(struct remote_request){ .method = method,
			.path = path,
			.content_type = "application/json",
			.body = body,
			.body_len = strlen(body) },
		ret);
}

static int run(const struct client_command *command, int argc, char **argv,
	struct change *change, const char *missing, int (*act)(struct client *))
{
	struct client client;
	int code = client_begin(&client, command, argc, argv, change);

	if (code < 0) {
		code = change->word == NULL || !change->wanted
			       ? client_missing(&client, missing)
			       : client_open(&client);
		code = client_end(&client, code >= 0 ? code : act(&client));
	}
	json_decref(change->body);
	return code;
}

/* ---- scale ---- */

static int take_scale(void *arg, int key, const char *value, struct error *err)
{
	struct change *change = arg;
	const char *equals = strchr(value, '=');
	_auto_free_ char *name =
		mem_strndup(value, equals != NULL ? (size_t)(equals - value) : 0);
	json_t *stages = json_object_get(change->body, "stages");
	unsigned long long workers;

	if (change->word == NULL && equals == NULL) {
		change->word = value;
		return 0;
	}
	if (equals == NULL || equals == value || !text_to_uint(equals + 1, 1000000, &workers))
		return error_set(err, ERR_BAD_REQUEST,
			"'%.60s': write STAGE=N with a number of workers, as in sha256=32",
			value);
	change->wanted = true;
	if (name == NULL || json_object_set_new(stages, name,
				    json_pack("{s:I}", "workers", (json_int_t)workers)) < 0)
		return error_no_memory(err);
	return 0;
}

static int put_workers(const struct client *client, const json_t *job)
{
	const json_t *stage;
	struct page page;
	size_t i;

	if (client->json)
		return client_put_value(job) == 0 ? EXIT_OK : EXIT_FAILED;
	page_init(&page, 256, false);
	json_array_foreach(json_object_get(job, "stages"), i, stage)
	{
		page_text(&page, view_string(stage, "name"));
		page_put(&page, "=%.0f", view_number(stage, "workers", NULL));
		page_line(&page);
	}
	return client_put_page(&page);
}

static int scale(struct client *client)
{
	json_auto_t *job = NULL;
	int code = send_change(client, client->arg, "PATCH", "", &job);

	return code == EXIT_OK ? put_workers(client, job) : code;
}

int command_scale(int argc, char **argv)
{
	static const struct client_command command = {
		.name = "leat scale",
		.args_doc = "JOB STAGE=N...",
		.intro = "Change how many items stages of a job work on at a time, at once and "
			 "without losing one. STAGE is the name that 'leat show' gives." JOB_IS,
		.examples = "Example:\n"
			    "  leat scale orders sha256=32",
		.take = take_scale,
		.has_json = true,
	};
	struct change change = { .body = json_pack("{s:{}}", "stages") };

	return run(&command, argc, argv, &change,
		"which JOB, and which STAGE=N? As in: leat scale orders sha256=32", scale);
}

/* ---- retry ---- */

static int take_retry(void *arg, int key, const char *value, struct error *err)
{
	struct change *change = arg;
	unsigned long long number;
	json_t *items = json_object_get(change->body, "items");

	if (change->word == NULL) {
		change->word = value;
		return 0;
	}
	if (!text_to_uint(value, INT64_MAX, &number))
		return error_set(err, ERR_BAD_REQUEST,
			"'%.60s' is not the number of an item, as 'leat failures' gives it",
			value);
	if (items == NULL) {
		items = json_array();
		json_object_set_new(change->body, "items", items);
	}
	if (json_array_append_new(items, json_integer((json_int_t)number)) < 0)
		return error_no_memory(err);
	return 0;
}

static int retry(struct client *client)
{
	json_auto_t *job = NULL;
	char count[SHOWN_SIZE];
	uint64_t retried;
	int code = send_change(client, client->arg, "POST", "/failures/retry", &job);

	if (code != EXIT_OK)
		return code;
	if (client->json)
		return client_put_value(job) == 0 ? EXIT_OK : EXIT_FAILED;
	retried = (uint64_t)view_number(job, "retried", NULL);
	shown_count(retried, count);
	printf("%s failure%s again\n", count, retried == 1 ? " runs" : "s run");
	return EXIT_OK;
}

int command_retry(int argc, char **argv)
{
	static const struct client_command command = {
		.name = "leat retry",
		.args_doc = "JOB [ITEM...]",
		.intro =
			"Run failed items of a job again: all, or those of these numbers. The job "
			"goes back to running if it was done." JOB_IS,
		.examples = "Examples:\n"
			    "  leat retry orders\n"
			    "  leat retry orders 17 123",
		.take = take_retry,
		.has_json = true,
	};
	struct change change = { .body = json_object(), .wanted = true };

	return run(&command, argc, argv, &change, "which JOB? 'leat ls' lists them", retry);
}
