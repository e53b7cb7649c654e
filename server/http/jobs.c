#include "http/jobs.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/document.h"
#include "job/text.h"

void job_etag(const struct job *job, char ret_text[static ETAG_SIZE])
{
	snprintf(ret_text, ETAG_SIZE, "W/\"%llu\"", (unsigned long long)job_version(job));
}

static void reply_job(struct request *request, unsigned status, struct job *job)
{
	char etag[ETAG_SIZE];

	job_etag(job, etag);
	request_reply_json(request, status, job_to_json(job));
	request_set_header_of(request, status, "ETag", etag);
}

bool reply_is_good(struct request *request, const struct job *job, const struct error *err)
{
	struct error gone;

	if (!request_back(request))
		return false;
	if (err == NULL && job != NULL)
		return true;
	error_set(&gone, ERR_JOB_NOT_FOUND, "the job has been deleted meanwhile");
	request_reply_problem(request, err != NULL ? err : &gone, NULL);
	return false;
}

void reply_with_job(void *arg, struct job *job, const struct error *err)
{
	if (reply_is_good(arg, job, err))
		reply_job(arg, 200, job);
}

/* ---- definitions ---- */

static bool is_scaling(const char *key)
{
	return strncmp(key, "workers.", 8) == 0 || strncmp(key, "queue.", 6) == 0;
}

static int scale(struct request *request, struct definition *definition,
	struct mistakes *mistakes, struct error *err)
{
	const struct definition_rules *rules = &engine_config(request_engine(request))->rules;
	const struct query *query = &request->query;

	for (size_t at = 0; at < query->count; at++)
		if (is_scaling(query->values[at].key))
			definition_scale(definition, rules, query->values[at].key,
				query->values[at].text, mistakes);
	if (mistakes->count == 0)
		return 0;
	return error_set(err, ERR_BAD_QUERY, "%s: %s", mistakes->items[0].pointer,
		mistakes->items[0].detail);
}

struct definition *definition_of(struct request *request, json_t *root)
{
	struct engine *engine = request_engine(request);
	struct definition *definition = NULL;
	struct mistakes mistakes;
	struct error err;

	mistakes_init(&mistakes);
	if (definition_parse(root, registry_catalog(engine_registry(engine)),
		    &engine_config(engine)->rules, &mistakes, &definition, &err) < 0 ||
		scale(request, definition, &mistakes, &err) < 0 ||
		principal_mark(request->principal, definition->labels, &mistakes, &err) < 0) {
		request_reply_problem(request, &err, &mistakes);
		definition_free(definition);
		definition = NULL;
	}
	mistakes_done(&mistakes);
	json_decref(root);
	return definition;
}

static void reply_definition(struct request *request, struct job *job)
{
	request_reply_json(request, 200, definition_to_json(job_definition(job)));
}

static void definition_finish(struct request *request)
{
	request_with_job(request, reply_definition);
}

const struct endpoint job_definition_endpoint = { .finish = definition_finish };

/* ---- validate ---- */

struct validating {
	struct request *request; /* away */
	json_t *whole;           /* the answer if its stages open */
};

static void on_checked(void *arg, struct job *job, const struct error *err)
{
	struct validating *validating = arg;
	struct request *request = validating->request;

	if (!request_back(request))
		json_decref(validating->whole);
	else if (err == NULL)
		request_reply_json(request, 200, validating->whole);
	else {
		json_decref(validating->whole);
		reply_not_created(request, err);
	}
	mem_free(validating);
}

static void validate_finish(struct request *request)
{
	json_t *root = document_take(request);
	struct definition *definition = root == NULL ? NULL : definition_of(request, root);
	struct validating *validating;
	struct error err;

	if (definition == NULL)
		return;
	validating = mem_alloc(sizeof(*validating));
	if (validating == NULL) {
		definition_free(definition);
		error_no_memory(&err);
		request_reply_problem(request, &err, NULL);
		return;
	}
	*validating =
		(struct validating){ request_away(request), definition_to_json(definition) };
	if (engine_check(request_engine(request), definition, on_checked, validating, &err) < 0)
		on_checked(validating, NULL, &err);
}

/* What a stage says when it is opened stands at a parameter: "/stages/0/params/x: why". */
void reply_not_created(struct request *request, const struct error *err)
{
	const char *colon = strstr(err->text, ": ");
	struct mistakes mistakes;
	char pointer[ERROR_TEXT_MAX];

	mistakes_init(&mistakes);
	if (err->code == ERR_DEFINITION && err->text[0] == '/' && colon != NULL) {
		snprintf(pointer, sizeof(pointer), "%.*s", (int)(colon - err->text), err->text);
		mistakes_add(&mistakes, pointer, "%s", colon + 2);
	}
	request_reply_problem(request, err, &mistakes);
	mistakes_done(&mistakes);
}

static void on_created(void *arg, struct job *job, const struct error *err)
{
	struct request *request = arg;
	char location[64];

	if (err != NULL) {
		if (request_back(request))
			reply_not_created(request, err);
		return;
	}
	if (!reply_is_good(request, job, err))
		return;
	snprintf(request->arg, sizeof(request->arg), "%s", job_id_text(job));
	snprintf(location, sizeof(location), "/v1/jobs/%s", job_id_text(job));
	reply_job(request, 201, job);
	request_set_header_of(request, 201, "Location", location);
	/* There was no memory for the 201. Who hears 503 tries again and must not have made
	 * two.
	 */
	if (request->status != 201)
		job_discard(job);
}

static void create_finish(struct request *request)
{
	json_t *root = document_take(request);
	struct definition *definition = root == NULL ? NULL : definition_of(request, root);
	struct trace trace;
	struct error err;

	if (definition == NULL)
		return;
	if (engine_create(request_engine(request), definition, false,
		    request_trace(request, &trace), request->principal->name, on_created,
		    request_away(request), &err) < 0) {
		request_back(request);
		reply_not_created(request, &err);
	}
}

const struct endpoint jobs_create = {
	.begin = document_begin,
	.body = document_body,
	.finish = create_finish,
	.end = document_end,
};

const struct endpoint jobs_validate = {
	.begin = document_begin,
	.body = document_body,
	.finish = validate_finish,
	.end = document_end,
};

/* ---- the list ---- */

#define LIST_LIMIT 100

static void on_list(void *arg, json_t *jobs, const struct id *next, const struct error *err)
{
	struct request *request = arg;
	char text[ID_TEXT_SIZE];

	if (!request_back(request)) {
		json_decref(jobs);
		return;
	}
	if (err != NULL) {
		json_decref(jobs);
		request_reply_problem(request, err, NULL);
		return;
	}
	if (next != NULL)
		id_format(next, text);
	request_reply_json(request, 200,
		json_pack("{s:o, s:s?}", "items", jobs, "next", next != NULL ? text : NULL));
}

/* An object of the `label.KEY` parameters; NULL: none, or no memory (*ret_failed). */
static json_t *label_filter(const struct query *query, bool *ret_failed)
{
	json_t *labels = NULL;

	*ret_failed = false;
	for (size_t at = 0; at < query->count; at++) {
		if (strncmp(query->values[at].key, "label.", 6) != 0)
			continue;
		if (labels == NULL)
			labels = json_object();
		if (json_object_set_new(labels, query->values[at].key + 6,
			    json_string(query->values[at].text)) < 0)
			*ret_failed = true;
	}
	return labels;
}

static int parse_filter(struct request *request, struct job_filter *filter, struct id *before,
	const struct id **ret_before, struct error *err)
{
	const char *state = query_text(&request->query, "state");
	const char *after = query_text(&request->query, "after");
	enum job_state parsed;
	bool failed;

	*filter =
		(struct job_filter){ .state = -1, .name = query_text(&request->query, "name") };
	if (state != NULL && job_state_parse(state, &parsed))
		filter->state = (int)parsed;
	if (after != NULL && !id_parse(after, before))
		return error_set(err, ERR_BAD_CURSOR,
			"'%.60s' is not a cursor of this list; take it from its 'next'", after);
	*ret_before = after == NULL ? NULL : before;
	filter->labels = label_filter(&request->query, &failed);
	if (!failed)
		return 0;
	json_decref(TAKE(filter->labels));
	return error_no_memory(err);
}

static void reply_none(struct request *request)
{
	request_reply_json(request, 200, json_pack("{s:[], s:n}", "items", "next"));
}

static int ask_for_list(struct request *request, struct job_filter *filter,
	const struct id *before, struct error *err)
{
	uint64_t most = request_config(request)->page_limit_max;
	uint64_t limit = query_uint(&request->query, "limit", LIST_LIMIT);

	if (engine_list(request_engine(request), filter, before, (unsigned)MIN(limit, most),
		    on_list, request_away(request), err) == 0)
		return 0;
	request_back(request);
	return -1;
}

/* Of what is asked for only what is the asker's. */
static int narrow(const struct request *request, struct job_filter *filter, struct error *err)
{
	const struct principal *principal = request->principal;
	struct mistakes mistakes;
	int result;

	if (principal->labels == NULL)
		return 0;
	if (filter->labels == NULL)
		filter->labels = json_object();
	mistakes_init(&mistakes);
	result = principal_mark(principal, filter->labels, &mistakes, err);
	mistakes_done(&mistakes);
	return result;
}

static void list_finish(struct request *request)
{
	const struct id *before = NULL;
	struct job_filter filter = { 0 };
	struct error err;
	struct id id;
	bool good = parse_filter(request, &filter, &id, &before, &err) == 0;

	if (good && narrow(request, &filter, &err) == 0)
		good = ask_for_list(request, &filter, before, &err) == 0;
	else if (good && err.code == ERR_FORBIDDEN)
		reply_none(request); /* jobs of another label are none */
	else
		good = false;
	if (!good)
		request_reply_problem(request, &err, NULL);
	if (filter.labels != NULL)
		json_decref(filter.labels);
}

const struct endpoint jobs_list = { .finish = list_finish };
