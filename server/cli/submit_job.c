/* submit: the pipeline that was given, made a job on the server. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json_parse.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/submit.h"

/* ---- the pipeline ---- */

static int cannot_read(struct submit *submit, struct error *why)
{
	struct error err;

	error_set(&err, ERR_BAD_REQUEST, "the pipeline on standard input: %.300s", why->text);
	return client_fail(&submit->client, &err, EXIT_USAGE);
}

static enum chunks_result read_all(struct submit *submit, struct error *err)
{
	enum chunks_result result;
	struct chunk chunk;

	while ((result = chunks_next(&submit->input, &chunk, err)) == CHUNKS_CHUNK)
		if (buf_append(&submit->pipeline, chunk.bytes, chunk.len) < 0) {
			error_no_memory(err);
			return CHUNKS_FAILED;
		}
	return result;
}

/* `-`: all of standard input, or where the items come from there as well, its first line. */
int submit_read_pipeline(struct submit *submit)
{
	enum chunks_result result;
	struct error err;

	if (submit->words.pipeline == NULL || strcmp(submit->words.pipeline, "-") != 0)
		return EXIT_OK;
	result = submit->path_count > 0 ? read_all(submit, &err)
					: chunks_line(&submit->input, &submit->pipeline, &err);
	if (result == CHUNKS_INTERRUPTED)
		return submit_interrupted(submit);
	if (result == CHUNKS_FAILED)
		return cannot_read(submit, &err);
	while (submit->pipeline.len > 0 &&
		strchr(" \t\r\n", submit->pipeline.data[submit->pipeline.len - 1]) != NULL)
		submit->pipeline.len--;
	if (submit->pipeline.len == 0) {
		error_set(&err, ERR_BAD_REQUEST, "there is none; its first line is to be one");
		return cannot_read(submit, &err);
	}
	if (buf_append(&submit->pipeline, "", 1) < 0)
		return EXIT_FAILED;
	submit->words.pipeline = submit->pipeline.data;
	return EXIT_OK;
}

static int add_names(const struct submit *submit, json_t *root, struct error *err)
{
	json_t *labels;
	int failed = 0;

	if (submit->name != NULL)
		failed |= json_object_set_new(root, "name", json_string(submit->name));
	if (json_object_size(submit->labels) > 0) {
		labels = json_object_get(root, "labels");
		failed |= json_is_object(labels)
				  ? json_object_update(labels, submit->labels)
				  : json_object_set(root, "labels", submit->labels);
	}
	return failed == 0 ? 0
			   : error_set(err, ERR_BAD_REQUEST,
				     "--name and --label must be text in UTF-8");
}

static int read_definition(struct submit *submit, json_t **ret)
{
	struct mistakes mistakes;
	struct error err;
	json_t *root = NULL;
	int result;

	mistakes_init(&mistakes);
	result = run_definition_tree(&submit->words, &mistakes, &root, &err);
	if (result == 0 && json_is_object(root))
		result = add_names(submit, root, &err);
	for (unsigned i = 0; i < mistakes.count; i++)
		fprintf(stderr, "%s: %s: %s\n", submit->client.command->name,
			mistakes.items[i].pointer, mistakes.items[i].detail);
	if (result < 0 && mistakes.count == 0)
		client_fail(&submit->client, &err, EXIT_USAGE);
	mistakes_done(&mistakes);
	if (result < 0)
		json_decref(root);
	else
		*ret = root;
	return result == 0 ? EXIT_OK : EXIT_USAGE;
}

/* ---- does it need items? ---- */

static int look_for_source(struct submit *submit, const json_t *root)
{
	const json_t *first = json_array_get(json_object_get(root, "stages"), 0);
	const char *use = view_string(first, "use");
	struct remote_reply reply = REMOTE_REPLY_INIT;
	struct buf path = BUF_INIT;
	int code = EXIT_OK;
	struct error err;

	if (*use == '\0' || buf_append_str(&path, "/v1/stages/") < 0 ||
		remote_escape(use, &path) < 0 || buf_append(&path, "", 1) < 0) {
		buf_done(&path);
		return EXIT_OK; /* the server says what is wrong */
	}
	if (remote_call(submit->client.remote, &(struct remote_request){ .path = path.data },
		    &reply, &err) < 0)
		code = client_failed_call(&submit->client, &reply, &err);
	else
		submit->has_source = reply.status == 200 &&
				     strstr(reply.body.data, "\"kind\":\"source\"") != NULL;
	remote_reply_done(&reply);
	buf_done(&path);
	if (code == EXIT_OK && submit->has_source && submit->path_count > 0) {
		error_set(&err, ERR_BAD_REQUEST,
			"the pipeline begins with the source '%.60s', which makes the items: it "
			"takes no FILE",
			use);
		code = client_fail(&submit->client, &err, EXIT_USAGE);
	}
	return code;
}

/* ---- the job ---- */

/* --set workers.STAGE=N is the server's to check: "?workers.STAGE=N". */
static int make_path(const struct submit *submit, struct buf *path)
{
	int failed = buf_append_str(path, "/v1/jobs");
	char divider = '?';

	for (unsigned i = 0; i < submit->words.set_count; i++) {
		const char *set = submit->words.sets[i], *equals = strchr(set, '=');
		_auto_free_ char *key = NULL;

		if (!run_words_is_scaling(set) || equals == NULL)
			continue;
		key = mem_strndup(set, (size_t)(equals - set));
		if (key == NULL)
			return -1;
		failed |= buf_append(path, &divider, 1) | remote_escape(key, path) |
			  buf_append_str(path, "=") | remote_escape(equals + 1, path);
		divider = '&';
	}
	return failed | buf_append(path, "", 1);
}

/* Whether a request that broke has made a job nobody can say but the server. */
static int create_failed(
	struct submit *submit, const struct remote_reply *reply, const struct error *err)
{
	int code = client_failed_call(&submit->client, reply, err);

	if (reply->sent)
		fprintf(stderr,
			"%s: the job may have been made all the same; 'leat ls' shows it\n",
			submit->client.command->name);
	return code;
}

static int take_id(struct submit *submit, const struct remote_reply *reply)
{
	json_auto_t *job = json_parse(reply->body.data, reply->body.len, JSON_ALLOW_NUL, NULL);
	const char *id = view_string(job, "id");
	struct error err;

	if (*id != '\0' && strlen(id) < CLIENT_ID_SIZE) {
		strcpy(submit->id, id);
		return EXIT_OK;
	}
	error_set(&err, ERR_BAD_REQUEST, "what %s answers is not a job; is that a leat server?",
		remote_url(submit->client.remote));
	return client_fail(&submit->client, &err, EXIT_USAGE);
}

static int create(struct submit *submit, const json_t *root)
{
	_auto_free_ char *text = json_text(root, JSON_ENCODE_ANY | JSON_COMPACT);
	struct remote_reply reply = REMOTE_REPLY_INIT;
	struct buf path = BUF_INIT;
	int code = EXIT_FAILED;
	struct error err;

	if (text != NULL && make_path(submit, &path) == 0) {
		const struct remote_request request = { .method = "POST",
			.path = path.data,
			.content_type = "application/json",
			.body = text,
			.body_len = strlen(text) };

		if (remote_call(submit->client.remote, &request, &reply, &err) < 0)
			code = create_failed(submit, &reply, &err);
		else if (reply.status / 100 != 2)
			code = client_refused(&submit->client, &reply);
		else
			code = take_id(submit, &reply);
	}
	remote_reply_done(&reply);
	buf_done(&path);
	return code;
}

int submit_make_job(struct submit *submit)
{
	json_auto_t *root = NULL;
	int code;

	if (submit->words.pipeline == NULL)
		return client_find_job(&submit->client, submit->job_word, submit->id);
	code = read_definition(submit, &root);
	if (code == EXIT_OK)
		code = look_for_source(submit, root);
	if (code == EXIT_OK)
		code = submit_check_files(submit);
	return code == EXIT_OK ? create(submit, root) : code;
}
