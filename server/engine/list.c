/*
 * The list of jobs, newest first: read from the ledger on libuv's pool, so that it costs the
 * same however many there are; jobs that live are shown as they live. Who asks for a state in
 * which only jobs are that live gets those in memory.
 */
#include <stdlib.h>

#include "base/json_parse.h"
#include "base/role.h"
#include "engine/internal.h"

/* How many jobs one request looks at, whatever it looks for; the next page goes on there. */
#define LOOK_MAX 10000

struct listed {
	struct id id;
	struct buf definition, record;
};

struct listing {
	uv_work_t work;
	struct engine *engine;
	int state;
	char *name;
	json_t *labels;
	struct id before;
	struct id last; /* that was looked at, and of which there is nothing more to say */
	bool has_before, more;
	unsigned limit, count, looked;
	struct listed *found;
	list_reply reply;
	void *arg;
	bool failed;
	struct error err;
};

static bool labels_match(const json_t *wanted, const json_t *labels)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)wanted, key, value)
	{
		if (!json_equal(value, json_object_get(labels, key)))
			return false;
	}
	return true;
}

/* Name and labels stand in the definition's text. */
static bool definition_matches(const struct listing *listing, const void *text, size_t len)
{
	json_t *root;
	const char *name;
	bool match;

	if (listing->name == NULL && listing->labels == NULL)
		return true;
	root = json_parse(text, len, JSON_ALLOW_NUL, NULL);
	name = json_string_value(json_object_get(root, "name"));
	match = listing->name == NULL || (name != NULL && strcmp(name, listing->name) == 0);
	if (match && listing->labels != NULL)
		match = labels_match(listing->labels, json_object_get(root, "labels"));
	json_decref(root);
	return match;
}

static int keep(struct listing *listing, const struct id *id, const void *definition,
	size_t definition_len, const void *record, size_t record_len)
{
	struct listed *listed = &listing->found[listing->count];

	*listed = (struct listed){ .id = *id };
	if (buf_append(&listed->definition, definition, definition_len) < 0 ||
		buf_append(&listed->record, record, record_len) < 0) {
		buf_done(&listed->definition);
		buf_done(&listed->record);
		return error_no_memory(&listing->err);
	}
	listing->count++;
	return 0;
}

static bool stop(struct listing *listing)
{
	listing->failed = true;
	return false;
}

static bool visit(void *arg, const struct id *id, const void *definition, size_t definition_len,
	const void *record, size_t record_len)
{
	struct listing *listing = arg;
	unsigned failures = mem_failures();
	struct job_record decoded;
	bool match;

	if (listing->looked++ == LOOK_MAX) {
		listing->more = true;
		return false;
	}
	if (job_record_decode(record, record_len, &decoded, NULL) < 0) {
		if (mem_failures() == failures)
			return true;
		error_no_memory(&listing->err);
		return stop(listing);
	}
	match = !decoded.erasing &&
		(listing->state < 0 || decoded.state == (uint64_t)listing->state) &&
		definition_matches(listing, definition, definition_len);
	job_record_done(&decoded);
	if (mem_failures() != failures) { /* what could not be parsed seems not to match */
		error_no_memory(&listing->err);
		return stop(listing);
	}
	if (match && listing->count == listing->limit) {
		listing->more = true;
		return false;
	}
	if (match && keep(listing, id, definition, definition_len, record, record_len) < 0)
		return stop(listing);
	listing->last = *id;
	return true;
}

static void read_list(uv_work_t *work)
{
	struct listing *listing = work->data;
	struct ledger *ledger = listing->engine->ledger;

	if (ledger->ops->each_job(ledger, listing->has_before ? &listing->before : NULL, visit,
		    listing, &listing->err) < 0)
		listing->failed = true;
}

static void listing_free(struct listing *listing)
{
	json_decref(listing->labels);
	mem_free(listing->name);
	mem_free(listing->found);
	mem_free(listing);
}

static json_t *show(struct engine *engine, const struct listed *listed)
{
	struct job *job = engine_find(engine, &listed->id);
	json_t *json;

	if (job != NULL)
		return job_to_json(job);
	job = job_load(engine, &listed->id, &listed->definition, &listed->record, NULL);
	if (job == NULL)
		return NULL;
	json = job->record.erasing ? NULL : job_to_json(job);
	job_unref(job);
	return json;
}

static void list_read(uv_work_t *work, int status)
{
	struct listing *listing = work->data;
	struct engine *engine = listing->engine;
	unsigned failures = mem_failures();
	json_t *jobs = json_array();

	(void)status;
	engine->reads--;
	for (unsigned at = 0; at < listing->count; at++) {
		json_t *job = show(engine, &listing->found[at]);

		if (job != NULL)
			json_array_append_new(jobs, job);
		buf_done(&listing->found[at].definition);
		buf_done(&listing->found[at].record);
	}
	if (mem_failures() != failures && !listing->failed) {
		listing->failed = true;
		error_no_memory(&listing->err);
	}
	listing->reply(listing->arg, jobs, listing->more ? &listing->last : NULL,
		listing->failed ? &listing->err : NULL);
	/* the array is the callee's now */
	listing_free(listing);
	engine_check_drained(engine);
}

/* ---- those that live ---- */

static int newest_first(const void *a, const void *b)
{
	struct job *const *one = a, *const *other = b;

	return memcmp((*other)->id.bytes, (*one)->id.bytes, ID_BYTES);
}

static bool job_matches(
	const struct job *job, const struct job_filter *filter, const struct id *before)
{
	const struct definition *definition = job_definition(job);

	return !job->deleted && (int)job->state == filter->state &&
	       (before == NULL || memcmp(job->id.bytes, before->bytes, ID_BYTES) < 0) &&
	       (filter->name == NULL || (definition->name != NULL &&
						strcmp(definition->name, filter->name) == 0)) &&
	       (filter->labels == NULL || labels_match(filter->labels, definition->labels));
}

static int list_live(struct engine *engine, const struct job_filter *filter,
	const struct id *before, unsigned limit, list_reply reply, void *arg, struct error *err)
{
	_auto_free_ struct job **found = mem_alloc((engine->live_count + 1) * sizeof(found[0]));
	unsigned failures = mem_failures(), count = 0;
	json_t *jobs = json_array();

	if (found == NULL) {
		json_decref(jobs);
		return error_no_memory(err);
	}
	LIST_EACH(&engine->live, link)
	{
		struct job *job = LIST_ENTRY(link, struct job, link);

		if (job_matches(job, filter, before))
			found[count++] = job;
	}
	qsort(found, count, sizeof(found[0]), newest_first);
	for (unsigned at = 0; at < MIN(count, limit); at++)
		json_array_append_new(jobs, job_to_json(found[at]));
	if (mem_failures() != failures) {
		json_decref(jobs);
		return error_no_memory(err);
	}
	reply(arg, jobs, count > limit ? &found[limit - 1]->id : NULL, NULL);
	return 0;
}

int engine_list(struct engine *engine, const struct job_filter *filter, const struct id *before,
	unsigned limit, list_reply reply, void *arg, struct error *err)
{
	struct listing *listing;

	assert_on(ROLE_LOOP);
	if (filter->state >= 0 && !job_state_is_done((enum job_state)filter->state))
		return list_live(engine, filter, before, limit, reply, arg, err);
	listing = mem_zalloc(sizeof(*listing));
	if (listing == NULL)
		return error_no_memory(err);
	listing->found = mem_zalloc((limit + 1) * sizeof(listing->found[0]));
	listing->name = filter->name == NULL ? NULL : mem_strdup(filter->name);
	listing->labels = json_deep_copy(filter->labels);
	if (listing->found == NULL || (listing->name == NULL) != (filter->name == NULL) ||
		(listing->labels == NULL) != (filter->labels == NULL)) {
		listing_free(listing);
		return error_no_memory(err);
	}
	listing->work.data = listing;
	listing->engine = engine;
	listing->state = filter->state;
	listing->has_before = before != NULL;
	if (before != NULL)
		listing->before = *before;
	listing->limit = limit;
	listing->reply = reply;
	listing->arg = arg;
	engine->reads++;
	uv_queue_work(engine->loop, &listing->work, read_list, list_read);
	return 0;
}
