/* One job: looking at it, waiting for it, changing it. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "http/document.h"
#include "http/internal.h"
#include "http/jobs.h"
#include "http/negotiate.h"

/* ---- GET, with ETag and long poll ---- */

struct poll {
	struct job *job; /* a reference */
	struct job_watch watch;
	struct request *request;
	uint64_t version;
};

static void reply_state(struct request *request, struct job *job)
{
	char etag[ETAG_SIZE];

	job_etag(job, etag);
	if (tag_listed(request_header(request, "If-None-Match"), etag)) {
		request_reply_empty(request, 304);
		request_set_header_of(request, 304, "ETag", etag);
	} else {
		request_reply_json(request, 200, job_to_json(job));
		request_set_header_of(request, 200, "ETag", etag);
	}
}

static void poll_over(struct request *request)
{
	struct poll *poll = request->state;

	reply_state(request, poll->job);
}

static void on_version(struct job_watch *watch, struct job *job, unsigned events)
{
	struct poll *poll = CONTAINER_OF(watch, struct poll, watch);
	struct error err;

	if ((events & JOB_EVENT_DELETED) != 0) {
		error_set(&err, ERR_JOB_NOT_FOUND, "the job has been deleted");
		request_reply_problem(poll->request, &err, NULL);
	} else if (job_version(job) > poll->version) {
		poll_over(poll->request);
	}
}

static void start_poll(struct request *request, struct job *job, uint64_t wait_ms)
{
	struct poll *poll = NULL;
	struct error err;

	if (follow_begin(request, FOLLOWS_WAITING, &err) < 0) {
		request_reply_problem(request, &err, NULL);
		return;
	}
	poll = mem_zalloc(sizeof(*poll));
	if (poll == NULL) {
		error_no_memory(&err);
		request_reply_problem(request, &err, NULL);
		return;
	}
	poll->request = request;
	poll->job = job_ref(job);
	poll->version = query_uint(&request->query, "version", job_version(job));
	poll->watch.fn = on_version;
	request->state = poll;
	job_watch(job, &poll->watch);
	request_set_timer(request, wait_ms, poll_over);
}

static void get_job(struct request *request, struct job *job)
{
	uint64_t wait_ms = query_uint(&request->query, "wait_ms", 0);
	uint64_t version = query_uint(&request->query, "version", job_version(job));

	if (wait_ms > 0 && job_version(job) <= version && !request_is_last(request))
		start_poll(request, job, wait_ms);
	else
		reply_state(request, job);
}

static void get_finish(struct request *request)
{
	request_with_job(request, get_job);
}

static void get_quiesce(struct request *request)
{
	if (request->state != NULL)
		poll_over(request);
}

static void get_end(struct request *request)
{
	struct poll *poll = request->state;

	if (poll == NULL)
		return;
	job_unwatch(&poll->watch);
	job_unref(poll->job);
	mem_free(poll);
}

const struct endpoint job_get = {
	.finish = get_finish,
	.quiesce = get_quiesce,
	.end = get_end,
};

/* ---- close, pause, resume, cancel, delete ---- */

typedef int job_verb(struct job *job, job_reply reply, void *arg, struct error *err);

static void act(struct request *request, struct job *job, job_verb *verb, job_reply reply)
{
	struct error err;

	if (verb(job, reply, request_away(request), &err) == 0)
		return;
	request_back(request);
	request_reply_problem(request, &err, NULL);
}

#define VERB(name, call)                                                  \
	static void name##_then(struct request *request, struct job *job) \
	{                                                                 \
		act(request, job, call, reply_with_job);                  \
	}                                                                 \
	static void name##_finish(struct request *request)                \
	{                                                                 \
		request_with_job(request, name##_then);                   \
	}                                                                 \
	const struct endpoint job_##name##_endpoint = { .finish = name##_finish }

VERB(close, job_close_input);
VERB(pause, job_pause);
VERB(resume, job_resume);
VERB(cancel, job_cancel);

static void on_deleted(void *arg, struct job *job, const struct error *err)
{
	struct request *request = arg;

	if (!request_back(request))
		return;
	if (err != NULL)
		request_reply_problem(request, err, NULL);
	else
		request_reply_empty(request, 204);
}

static void delete_job(struct request *request, struct job *job)
{
	act(request, job, job_delete, on_deleted);
}

static void delete_finish(struct request *request)
{
	request_with_job(request, delete_job);
}

const struct endpoint job_remove = { .finish = delete_finish };

/* ---- PATCH ---- */

/* Who follows a job that has become another's follows it no longer. */
static void cut_blind(struct request *changer, const struct job *job)
{
	LIST_EACH(&changer->server->requests, link)
	{
		struct request *request = LIST_ENTRY(link, struct request, link);

		if (request != changer && request->route != NULL &&
			strcmp(request->arg, job_id_text(job)) == 0 &&
			!principal_sees(request->principal, job_definition(job)->labels))
			request_hang_up(request);
	}
}

static void on_patched(void *arg, struct job *job, const struct error *err)
{
	struct request *request = arg;

	if (err == NULL && job != NULL)
		cut_blind(request, job);
	reply_with_job(request, job, err);
}

static void patch_job(struct request *request, struct job *job)
{
	json_t *patch = document_take(request);
	struct mistakes mistakes;
	struct error err;

	if (patch == NULL)
		return;
	mistakes_init(&mistakes);
	if (principal_keeps(request->principal, patch, &mistakes, &err) < 0) {
		request_reply_problem(request, &err, &mistakes);
	} else if (job_patch(job, patch, &mistakes, on_patched, request_away(request), &err) <
		   0) {
		request_back(request);
		request_reply_problem(request, &err, &mistakes);
	}
	mistakes_done(&mistakes);
	json_decref(patch);
}

static void patch_finish(struct request *request)
{
	request_with_job(request, patch_job);
}

const struct endpoint job_change = {
	.begin = document_begin,
	.body = document_body,
	.finish = patch_finish,
	.end = document_end,
};

/* ---- failures/retry ---- */

static void on_retried(void *arg, struct job *job, uint64_t retried, const struct error *err)
{
	struct request *request = arg;
	json_t *json;

	if (!reply_is_good(request, job, err))
		return;
	json = job_to_json(job);
	if (json_object_set_new(json, "retried", json_integer((json_int_t)retried)) < 0) {
		json_decref(json);
		json = NULL;
	}
	request_reply_json(request, 200, json);
}

/* Numbers out of {"items":[…]}; *ret_numbers stays NULL where all are meant. */
static int parse_numbers(const json_t *items, struct mistakes *mistakes, uint64_t **ret_numbers,
	size_t *ret_count, struct error *err)
{
	size_t count = json_array_size(items), at;
	uint64_t *numbers;
	char pointer[40];
	json_t *number;

	if (!json_is_array(items)) {
		mistakes_add(mistakes, "/items", "must be an array of item numbers");
		return 0;
	}
	numbers = mem_alloc(MAX(count, (size_t)1) * sizeof(*numbers));
	if (numbers == NULL)
		return error_no_memory(err);
	json_array_foreach(items, at, number)
	{
		if (!json_is_integer(number) || json_integer_value(number) < 0) {
			snprintf(pointer, sizeof(pointer), "/items/%zu", at);
			mistakes_add(mistakes, pointer, "must be an item number, from 0");
		}
		numbers[at] = (uint64_t)json_integer_value(number);
	}
	*ret_numbers = numbers;
	*ret_count = count;
	return 0;
}

static int parse_retry(const json_t *root, struct mistakes *mistakes, uint64_t **ret_numbers,
	size_t *ret_count, struct error *err)
{
	const char *key;
	char pointer[100];
	json_t *value;

	if (!json_is_object(root))
		mistakes_add(mistakes, "", "must be an object, {\"items\":[…]} or {} for all");
	json_object_foreach((json_t *)(uintptr_t)root, key, value)
	{
		if (strcmp(key, "items") == 0) {
			if (parse_numbers(value, mistakes, ret_numbers, ret_count, err) < 0)
				return -1;
			continue;
		}
		snprintf(pointer, sizeof(pointer), "/%.90s", key);
		mistakes_add(mistakes, pointer, "unknown field; there is only 'items'");
	}
	if (mistakes->count == 0)
		return 0;
	return error_set(err, ERR_DEFINITION, "%s: %s", mistakes->items[0].pointer,
		mistakes->items[0].detail);
}

static void retry_job(struct request *request, struct job *job)
{
	json_t *root = document_take_or_empty(request);
	_auto_free_ uint64_t *numbers = NULL;
	struct mistakes mistakes;
	struct error err;
	size_t count = 0;

	if (root == NULL)
		return;
	mistakes_init(&mistakes);
	if (parse_retry(root, &mistakes, &numbers, &count, &err) < 0) {
		request_reply_problem(request, &err, &mistakes);
	} else if (job_retry(job, numbers, count, on_retried, request_away(request), &err) <
		   0) {
		request_back(request);
		request_reply_problem(request, &err, NULL);
	}
	mistakes_done(&mistakes);
	json_decref(root);
}

static void retry_finish(struct request *request)
{
	request_with_job(request, retry_job);
}

const struct endpoint job_retry_endpoint = {
	.begin = document_begin,
	.body = document_body,
	.finish = retry_finish,
	.end = document_end,
};
