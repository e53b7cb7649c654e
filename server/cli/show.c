/* show: one job, as it is now. */
#include <stdio.h>

#include "base/mem.h"
#include "cli/client.h"
#include "cli/command.h"

struct show {
	const char *word;
};

static int take(void *arg, int key, const char *value, struct error *err)
{
	struct show *show = arg;

	if (show->word != NULL)
		return error_set(
			err, ERR_BAD_REQUEST, "one JOB is enough; '%.60s' is too many", value);
	show->word = value;
	return 0;
}

static int put(const struct client *client, const json_t *job)
{
	struct view_style style;
	struct page page;

	if (client->json)
		return client_put_value(job) == 0 ? EXIT_OK : EXIT_FAILED;
	client_style(&style);
	page_init(&page, style.columns, style.color);
	view_job(&page, job, &style);
	return client_put_page(&page);
}

static int show_job(struct client *client, const char *word)
{
	_auto_free_ char *path = NULL;
	json_auto_t *job = NULL;
	char id[CLIENT_ID_SIZE];
	int code = client_find_job(client, word, id);

	if (code != EXIT_OK)
		return code;
	path = client_path("/v1/jobs/%s", id);
	if (path == NULL)
		return EXIT_FAILED;
	code = client_get_json(client, &(struct remote_request){ .path = path }, &job);
	return code == EXIT_OK ? put(client, job) : code;
}

int command_show(int argc, char **argv)
{
	static const struct client_command command = {
		.name = "leat show",
		.args_doc = "JOB",
		.intro = "Show a job: its state, its counts, each of its stages. JOB is an id, "
			 "the beginning of one, or a name that only one job has.",
		.take = take,
		.has_json = true,
	};
	struct show show = { 0 };
	struct client client;
	int code = client_begin(&client, &command, argc, argv, &show);

	if (code >= 0)
		return code;
	if (show.word == NULL)
		return client_end(
			&client, client_missing(&client, "which JOB? 'leat ls' lists them"));
	code = client_open(&client);
	return client_end(&client, code >= 0 ? code : show_job(&client, show.word));
}
