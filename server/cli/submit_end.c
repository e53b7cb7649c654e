/* submit: what comes after the items: closing, results, the end of the job. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/command.h"
#include "cli/submit.h"
#include "client/upload.h"

/* ---- results, written by a thread of their own while items are sent ---- */

static void *write_results(void *arg)
{
	struct submit *submit = arg;

	submit->written = follow_run(&submit->follow_results);
	/* Nobody reads them: there is no use in sending more. */
	if (submit->written != FOLLOW_ALL)
		eventfd_write(submit->gone_fd, 1);
	return NULL;
}

static int open_writer(struct submit *submit, struct error *err)
{
	submit->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (submit->stop_fd < 0)
		return error_set(err, ERR_INTERNAL, "no eventfd: %m");
	return remote_open(&submit->writer_remote,
		&(struct remote_config){ .url = submit->client.server,
			.token = submit->client.token,
			.cacert = submit->client.cacert,
			.cert = submit->client.cert,
			.key = submit->client.key,
			.interrupt_fd = submit->stop_fd },
		err);
}

int submit_start_results(struct submit *submit)
{
	struct error err;

	if (!submit->results)
		return EXIT_OK;
	if (open_writer(submit, &err) < 0)
		return client_fail(&submit->client, &err, EXIT_FAILED);
	submit->output = (struct results_output){ &submit->client, false };
	follow_init(&submit->follow_results,
		&(struct follow_config){ .remote = submit->writer_remote,
			.job = submit->id,
			.what = "results",
			.follow = true,
			.patience_ms = submit->patience_ms,
			.interrupt_fd = submit->stop_fd,
			.arg = &submit->output,
			.line = results_put,
			.pause = results_pause });
	if (pthread_create(&submit->thread, NULL, write_results, submit) != 0) {
		error_set(&err, ERR_INTERNAL, "no thread can be started");
		return client_fail(&submit->client, &err, EXIT_FAILED);
	}
	submit->writing = true;
	return EXIT_OK;
}

/*
 * Waits until all results are written, or, with `stop`, only until the thread has ended; if
 * it had ended by itself before that, it says why.
 */
static int join_results(struct submit *submit, bool stop)
{
	int code = EXIT_OK;

	if (submit->writing) {
		if (stop)
			eventfd_write(submit->stop_fd, 1);
		pthread_join(submit->thread, NULL);
		submit->writing = false;
		if (submit->written != FOLLOW_ALL && submit->written != FOLLOW_INTERRUPTED)
			code = results_code(
				&submit->client, &submit->follow_results, submit->written);
		follow_done(&submit->follow_results);
	}
	remote_close(submit->writer_remote);
	submit->writer_remote = NULL;
	if (submit->stop_fd >= 0)
		close(submit->stop_fd);
	submit->stop_fd = -1;
	return code;
}

int submit_interrupted(struct submit *submit)
{
	int number = client_signal(&submit->client);

	submit_status(submit, NULL);
	if (number != 0)
		return EXIT_SIGNAL + number;
	return EXIT_FAILED; /* the writer has ended early: it says why */
}

/* ---- the job ---- */

static void on_job(void *arg, const json_t *job)
{
	struct submit *submit = arg;
	struct page page;

	if (!submit_has_status(submit))
		return;
	page_init(&page, 79, false);
	view_line(&page, job);
	if (!page.failed && buf_append(&page.text, "", 1) == 0)
		submit_status(submit, page.text.data);
	page_done(&page);
}

static int code_of(struct submit *submit, struct follow *follow, enum follow_result result)
{
	submit_status(submit, NULL);
	if (result == FOLLOW_INTERRUPTED)
		return submit_interrupted(submit);
	return results_code(&submit->client, follow, result);
}

/* Is the job still to take something? A job that is about to end is waited for. */
static bool has_ended_badly(struct submit *submit, struct follow *follow)
{
	const char *state;

	if (follow_look(follow) != FOLLOW_ALL)
		return false;
	state = view_string(follow->job, "state");
	if (strcmp(state, "running") == 0 || strcmp(state, "paused") == 0)
		return false;
	return follow_job(follow, NULL, NULL) == FOLLOW_ALL &&
	       strcmp(view_string(follow->job, "state"), "succeeded") != 0;
}

static void follow_init_job(struct submit *submit, struct follow *follow)
{
	follow_init(follow, &(struct follow_config){ .remote = submit->client.remote,
				    .job = submit->id,
				    .what = "job",
				    .patience_ms = submit->patience_ms,
				    .interrupt_fd = submit->wake_fd,
				    .arg = submit,
				    .trouble = submit_trouble });
}

int submit_refused(struct submit *submit, const struct remote_reply *reply, const char *where,
	uint64_t first_line)
{
	struct follow follow;
	int code;

	if (reply->status != 409)
		return client_refused_at(&submit->client, reply, where, first_line);
	follow_init_job(submit, &follow);
	code = has_ended_badly(submit, &follow)
		       ? client_outcome(&submit->client, follow.job)
		       : client_refused_at(&submit->client, reply, where, first_line);
	follow_done(&follow);
	return code;
}

/* Tried again like an upload; closing twice is closing once. */
static int send_close(struct submit *submit)
{
	_auto_free_ char *path = client_path("/v1/jobs/%s/close", submit->id);
	struct upload upload;
	enum upload_result result;
	int code = EXIT_OK;

	upload_init(&upload, &(struct upload_config){ .remote = submit->client.remote,
				     .patience_ms = submit->patience_ms,
				     .interrupt_fd = submit->wake_fd,
				     .arg = submit,
				     .trouble = submit_trouble });
	result = path != NULL ? upload_post(&upload, path) : UPLOAD_UNREACHABLE;
	if (result == UPLOAD_INTERRUPTED)
		code = submit_interrupted(submit);
	else if (result == UPLOAD_REFUSED)
		code = submit_refused(submit, &upload.reply, "", 0);
	else if (result != UPLOAD_STORED)
		code = client_fail(&submit->client, &upload.err, EXIT_FAILED);
	upload_done(&upload);
	return code;
}

static int remove_job(struct submit *submit)
{
	_auto_free_ char *path = client_path("/v1/jobs/%s", submit->id);
	struct remote_reply reply = REMOTE_REPLY_INIT;
	int code = client_call(&submit->client,
		&(struct remote_request){ .method = "DELETE", .path = path }, &reply);

	remote_reply_done(&reply);
	return code;
}

/* Until the job is done and what it gave is written. */
static int follow_to_the_end(struct submit *submit, int code)
{
	struct client *client = &submit->client;
	enum follow_result result;
	struct follow follow;

	follow_init_job(submit, &follow);
	result = follow_job(&follow, on_job, submit);
	code = MAX(code, code_of(submit, &follow, result));
	if (result == FOLLOW_ALL) {
		code = MAX(code, join_results(submit, false));
		code = MAX(code, client_outcome(client, follow.job));
		if (client->json)
			client_put_value(follow.job);
		else if (submit->results && !view_is_null(follow.job, "report"))
			client_put_value(json_object_get(follow.job, "report"));
	}
	follow_done(&follow);
	return code;
}

static int put_job(struct submit *submit)
{
	_auto_free_ char *path = client_path("/v1/jobs/%s", submit->id);
	json_auto_t *job = NULL;
	int code = client_get_json(
		&submit->client, &(struct remote_request){ .path = path }, &job);

	if (code == EXIT_OK && client_put_value(job) < 0)
		code = EXIT_FAILED;
	return code;
}

int submit_end(struct submit *submit, int code)
{
	bool follows = submit->follow || submit->results;

	if (code == EXIT_OK && !submit->keep_open && !submit->has_source)
		code = send_close(submit);
	if (code == EXIT_OK && follows)
		code = follow_to_the_end(submit, code);
	else if (code == EXIT_OK && submit->client.json)
		code = put_job(submit);
	code = MAX(code, join_results(submit, true));
	if (submit->remove && code <= EXIT_FAILED && follows)
		code = MAX(code, remove_job(submit));
	return code;
}
