/* act: what is done to jobs that are there: pause, resume, cancel, close, rm. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/client.h"
#include "cli/command.h"

enum { KEY_FORCE = 'f' };

/* One of the commands. */
struct verb {
	struct client_command command;
	int (*act)(struct client *client, const char *id);
	const char *action; /* POST /v1/jobs/{id}/pause */
};

struct act {
	char **words;
	unsigned count;
	bool force;
	const struct verb *verb;
};

static int take(void *arg, int key, const char *value, struct error *err)
{
	struct act *act = arg;

	if (key == KEY_FORCE)
		act->force = true;
	else
		act->words[act->count++] = (char *)value;
	return 0;
}

static int put_state(const struct client *client, const json_t *job)
{
	struct page page;

	if (client->json)
		return client_put_value(job) == 0 ? EXIT_OK : EXIT_FAILED;
	page_init(&page, CLIENT_ID_SIZE + 32, false);
	page_text(&page, view_string(job, "id"));
	page_put(&page, " ");
	page_text(&page, view_string(job, "state"));
	page_line(&page);
	return client_put_page(&page);
}

/* ---- the acts ---- */

static int post(struct client *client, const char *id)
{
	const struct act *act = client->arg;
	_auto_free_ char *path = client_path("/v1/jobs/%s/%s", id, act->verb->action);
	const struct remote_request request = { .method = "POST", .path = path };
	json_auto_t *job = NULL;
	int code = path != NULL ? client_get_json(client, &request, &job) : EXIT_FAILED;

	return code == EXIT_OK ? put_state(client, job) : code;
}

/* A job that works is not taken away by a slip of the hand. */
static int check_done(struct client *client, const char *path)
{
	const struct remote_request request = { .path = path };
	json_auto_t *job = NULL;
	int code = client_get_json(client, &request, &job);

	if (code != EXIT_OK || json_is_true(json_object_get(job, "done")))
		return code;
	fprintf(stderr,
		"%s: %s is %s: 'leat cancel' it first, or rm --force to cancel and remove it\n",
		client->command->name, view_string(job, "id"), view_string(job, "state"));
	return EXIT_FAILED;
}

static int remove_job(struct client *client, const char *id)
{
	const struct act *act = client->arg;
	_auto_free_ char *path = client_path("/v1/jobs/%s", id);
	const struct remote_request request = { .method = "DELETE", .path = path };
	struct remote_reply reply = REMOTE_REPLY_INIT;
	int code = EXIT_FAILED;

	if (path != NULL)
		code = act->force ? EXIT_OK : check_done(client, path);
	if (code == EXIT_OK)
		code = client_call(client, &request, &reply);
	remote_reply_done(&reply);
	if (code == EXIT_OK && client->json)
		printf("{\"id\":\"%s\",\"removed\":true}\n", id);
	else if (code == EXIT_OK)
		printf("%s removed\n", id);
	return code;
}

/* ---- the commands ---- */

/* Each job in turn; one that cannot be helped does not keep the others from it. */
static int act_on_all(struct client *client, struct act *act)
{
	char id[CLIENT_ID_SIZE];
	int worst = EXIT_OK;

	for (unsigned i = 0; i < act->count && worst < EXIT_SIGNAL; i++) {
		int code = client_find_job(client, act->words[i], id);

		if (code == EXIT_OK)
			code = act->verb->act(client, id);
		worst = MAX(worst, code);
	}
	return worst;
}

static int run(const struct verb *verb, int argc, char **argv)
{
	struct act act = { .words = mem_zalloc(sizeof(char *) * (size_t)(argc + 1)),
		.verb = verb };
	struct client client;
	int code;

	if (act.words == NULL)
		return EXIT_FAILED;
	code = client_begin(&client, &verb->command, argc, argv, &act);
	if (code < 0) {
		code = act.count == 0
			       ? client_missing(&client, "which JOB? 'leat ls' lists them")
			       : client_open(&client);
		code = client_end(&client, code >= 0 ? code : act_on_all(&client, &act));
	}
	mem_free(act.words);
	return code;
}

#define JOBS_ARE " JOB is an id, the beginning of one, or a name that only one job has."

int command_pause(int argc, char **argv)
{
	static const struct verb verb = { { "leat pause", "JOB...",
						  "Let no new item of these jobs begin, until "
						  "'leat resume'." JOBS_ARE,
						  NULL, NULL, take, true },
		post, "pause" };

	return run(&verb, argc, argv);
}

int command_resume(int argc, char **argv)
{
	static const struct verb verb = { { "leat resume", "JOB...",
						  "Let paused jobs go on." JOBS_ARE, NULL, NULL,
						  take, true },
		post, "resume" };

	return run(&verb, argc, argv);
}

int command_cancel(int argc, char **argv)
{
	static const struct verb verb = {
		{ "leat cancel", "JOB...",
			"End jobs before all of their items are over; "
			"their results so far stay." JOBS_ARE,
			NULL, NULL, take, true },
		post, "cancel"
	};

	return run(&verb, argc, argv);
}

int command_close(int argc, char **argv)
{
	static const struct verb verb = {
		{ "leat close", "JOB...",
			"Say that no more items come: the job ends when "
			"those it has are over. For jobs that 'leat submit "
			"--keep-open' made." JOBS_ARE,
			NULL, NULL, take, true },
		post, "close"
	};

	return run(&verb, argc, argv);
}

int command_rm(int argc, char **argv)
{
	static const struct argp_option own[] = {
		{ NULL, 0, NULL, 0, "The removal:", 1 },
		{ "force", KEY_FORCE, NULL, 0,
			"also jobs that are not done: they are cancelled", 1 },
		{ 0 },
	};
	static const struct verb verb = {
		{ "leat rm", "JOB...",
			"Remove jobs with their results and failures; "
			"there is no way back." JOBS_ARE,
			NULL, own, take, true },
		remove_job, NULL
	};

	return run(&verb, argc, argv);
}
