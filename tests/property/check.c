/*
 * What was read, against what the model says.
 */
#include "driver_parts.h"

#include <stdio.h>

#include "ledger/block.h"

#define TELL "%s"

static unsigned long long llu(uint64_t value)
{
	return value;
}

/* ---- at any moment ---- */

static uint64_t count_of(const json_t *counts, const char *name)
{
	json_t *value = json_object_get(counts, name);

	MUST(json_is_integer(value) && json_integer_value(value) >= 0, "counts.%s", name);
	return (uint64_t)json_integer_value(value);
}

static void look_at_stage(const struct plan_stage *plan, const json_t *stage, bool patched)
{
	json_t *queue = json_object_get(stage, "queue");
	uint64_t items = count_of(queue, "items"), workers = count_of(stage, "workers");

	uint64_t each = MIN(plan->queue_items, plan->batch_items > 0 ? plan->batch_items : 7);

	/* What comes back from a batch stands in front of what came meanwhile; each call and
	 * each worker has one in hand besides, or what a call of many took from the queue,
	 * which may be put back to be tried again. */
	MUST(patched || items <= 2 * plan->queue_items + workers * each,
		"%s holds %llu items of %llu", plan->name, llu(items), llu(plan->queue_items));
	MUST(patched || count_of(stage, "busy") <= workers);
}

static char *shown(const json_t *json)
{
	return json_dumps(json, JSON_COMPACT);
}

void check_look(struct driver *driver, struct job *job)
{
	json_t *json = job_to_json(job), *counts, *stage;
	uint64_t sum, received;
	size_t at;

	if (json == NULL && driver->rules.faults)
		return;
	MUST(json != NULL);
	counts = json_object_get(json, "counts");
	received = count_of(json_object_get(json, "input"), "received");
	sum = count_of(counts, "pending") + count_of(counts, "running") +
	      count_of(counts, "succeeded") + count_of(counts, "filtered") +
	      count_of(counts, "failed") + count_of(counts, "cancelled");
	MUST(sum == received, TELL, shown(json));
	MUST(count_of(json, "version") >= driver->last_version, TELL, shown(json));
	driver->last_version = count_of(json, "version");
	json_array_foreach(json_object_get(json, "stages"), at, stage)
		look_at_stage(&driver->plan.stages[at], stage, driver->patched);
	json_decref(json);
}

/* ---- results ---- */

static int by_item(const void *a, const void *b)
{
	const struct model_result *x = *(struct model_result *const *)a,
				  *y = *(struct model_result *const *)b;

	if (x->item != y->item)
		return x->item < y->item ? -1 : 1;
	return x < y ? -1 : x > y; /* as they stood */
}

static int by_text(const void *a, const void *b)
{
	const struct model_result *x = *(struct model_result *const *)a,
				  *y = *(struct model_result *const *)b;

	return strcmp(x->text, y->text);
}

static struct model_result **sorted(
	struct model_result *results, size_t count, int (*compare)(const void *, const void *))
{
	struct model_result **list = calloc(count + 1, sizeof(*list));

	for (size_t at = 0; at < count; at++)
		list[at] = &results[at];
	qsort(list, count, sizeof(*list), compare);
	return list;
}

static bool same(
	const struct driver *driver, const struct model_result *a, const struct model_result *b)
{
	return strcmp(a->text, b->text) == 0 && (!driver->numbered || a->item == b->item);
}

static void check_order(const struct driver *driver)
{
	for (size_t at = 1; at < driver->result_count && driver->plan.ordered; at++)
		MUST(driver->results[at - 1].item <= driver->results[at].item,
			"result %zu of item %llu stands behind item %llu", at,
			llu(driver->results[at].item), llu(driver->results[at - 1].item));
}

static void check_results(const struct driver *driver)
{
	const struct model *model = &driver->model;
	int (*compare)(const void *, const void *) =
		driver->sender_count > 1 ? by_text : by_item;
	struct model_result **have = sorted(driver->results, driver->result_count, compare);
	struct model_result **want = sorted(model->results, model->result_count, compare);
	size_t some = MIN(driver->result_count, model->result_count);

	for (size_t at = 0; at < some; at++)
		MUST(same(driver, have[at], want[at]),
			"result %zu: item %llu %.300s\n# wanted: item %llu %.300s", at,
			llu(have[at]->item), have[at]->text, llu(want[at]->item),
			want[at]->text);
	MUST(driver->result_count == model->result_count, "%zu results, not %zu",
		driver->result_count, model->result_count);
	free(have);
	free(want);
}

/* The job ended early: what there is must be whole items, each once. */
static void check_some_results(const struct driver *driver)
{
	const struct model *model = &driver->model;
	int (*compare)(const void *, const void *) = driver->numbered ? by_item : by_text;
	struct model_result **have = sorted(driver->results, driver->result_count, compare);
	struct model_result **want = sorted(model->results, model->result_count, compare);
	size_t to = 0;

	for (size_t at = 0; at < driver->result_count; at++, to++) {
		bool whole = driver->numbered && at > 0 && have[at - 1]->item == have[at]->item;

		while (!whole && to < model->result_count && !same(driver, have[at], want[to]))
			to++;
		MUST(to < model->result_count && same(driver, have[at], want[to]),
			"result of item %llu: %.300s", llu(have[at]->item), have[at]->text);
	}
	free(have);
	free(want);
}

/* ---- failures ---- */

static int compare_failures(const struct model_failure *x, const struct model_failure *y,
	bool numbered, bool attempts)
{
#define COMPARE(member)             \
	if (x->member != y->member) \
	return x->member < y->member ? -1 : 1
	if (numbered) {
		COMPARE(item);
		COMPARE(part);
		COMPARE(span_bits);
		COMPARE(had_results);
	}
	COMPARE(stage);
	COMPARE(kind);
	if (attempts)
		COMPARE(attempts);
#undef COMPARE
	return strcmp(x->input, y->input);
}

static int numbered_failures(const void *a, const void *b)
{
	return compare_failures(*(void *const *)a, *(void *const *)b, true, true);
}

static int some_failures(const void *a, const void *b)
{
	return compare_failures(*(void *const *)a, *(void *const *)b, false, false);
}

static struct model_failure **sorted_failures(struct model_failure *failures, size_t count,
	int (*compare)(const void *, const void *))
{
	struct model_failure **list = calloc(count + 1, sizeof(*list));

	for (size_t at = 0; at < count; at++)
		list[at] = &failures[at];
	qsort(list, count, sizeof(*list), compare);
	return list;
}

static void check_failures(const struct driver *driver)
{
	const struct model *model = &driver->model;
	bool numbered = driver->numbered && !driver->plan.sink, attempts = !driver->lost;
	int (*compare)(const void *, const void *) =
		numbered && attempts ? numbered_failures : some_failures;
	struct model_failure **all_have =
		sorted_failures(driver->failures, driver->failure_count, compare);
	struct model_failure **all_want =
		sorted_failures(model->failures, model->failure_count, compare);
	size_t some = MIN(driver->failure_count, model->failure_count);

	for (size_t at = 0; at < some; at++) {
		const struct model_failure *have = all_have[at], *want = all_want[at];

		MUST(compare(&have, &want) == 0,
			"failure %zu: item %llu part %llx/%u stage %u kind %u attempts %u results %d %.200s\n"
			"# wanted: item %llu part %llx/%u stage %u kind %u attempts %u results %d %.200s",
			at, llu(have->item), llu(have->part), have->span_bits, have->stage,
			have->kind, have->attempts, have->had_results, have->input,
			llu(want->item), llu(want->part), want->span_bits, want->stage,
			want->kind, want->attempts, want->had_results, want->input);
	}
	MUST(driver->failure_count == model->failure_count, "%zu failures, not %zu",
		driver->failure_count, model->failure_count);
	free(all_have);
	free(all_want);
}

/* ---- counts ---- */

static void check_counts(const struct driver *driver, const struct job_record *record)
{
	const struct model *model = &driver->model;
	uint64_t retries = 0;

	MUST(record->succeeded == model->succeeded, "succeeded %llu, not %llu",
		llu(record->succeeded), llu(model->succeeded));
	MUST(record->filtered == model->filtered, "filtered %llu, not %llu",
		llu(record->filtered), llu(model->filtered));
	MUST(record->failed == model->failed, "failed %llu, not %llu", llu(record->failed),
		llu(model->failed));
	MUST(record->results == driver->result_count && record->cancelled == 0);
	for (unsigned at = 0; at < driver->plan.count && !driver->lost; at++) {
		const struct stage_counts *have = &record->stages[at],
					  *want = &model->counts[at];

		retries += have->retries;
		if (driver->plan.source && at == 0)
			continue;
		MUST(have->in == want->in && have->out == want->out &&
				have->filtered == want->filtered &&
				have->failed == want->failed && have->retries == want->retries,
			"stage %u: in %llu/%llu out %llu/%llu filtered %llu/%llu failed %llu/%llu retries %llu/%llu",
			at, llu(have->in), llu(want->in), llu(have->out), llu(want->out),
			llu(have->filtered), llu(want->filtered), llu(have->failed),
			llu(want->failed), llu(have->retries), llu(want->retries));
	}
	MUST(driver->lost || record->retries == retries);
}

static void check_report(const struct driver *driver, const struct job_record *record)
{
	const struct model *model = &driver->model;
	json_t *report = record->report == NULL ? NULL : json_loads(record->report, 0, NULL);
	json_int_t count = -1, sum = 0;

	if (!driver->plan.sink)
		return;
	MUST(json_unpack(report, "{s:I, s?:I}", "count", &count, "sum", &sum) == 0,
		"report: %s", record->report);
	MUST((uint64_t)count == model->sink_count && (uint64_t)sum == model->sink_sum,
		"report: %s, not count %llu sum %llu", record->report, llu(model->sink_count),
		llu(model->sink_sum));
	json_decref(report);
}

/* ---- the whole ---- */

static void run_model(struct driver *driver, const struct job_record *record)
{
	struct plan *plan = &driver->plan;
	uint64_t items = plan->line_count;

	if (driver->modelled)
		return;
	driver->modelled = true;
	if (plan->source && record->state == JOB_SUCCEEDED)
		items = record->received; /* it may have been told to stop early */
	MUST(items <= plan->line_count);
	for (uint64_t at = 0; at < items; at++)
		model_item(&driver->model, at, plan->lines[at]);
}

static bool must_fail(const struct driver *driver)
{
	const struct model *model = &driver->model;

	for (unsigned at = 0; at < driver->plan.count; at++)
		if (model->counts[at].failed > 0 &&
			driver->plan.stages[at].on_error == ON_ERROR_FAIL)
			return true;
	return driver->plan.max_failures >= 0 &&
	       model->failed > (uint64_t)driver->plan.max_failures;
}

static void check_input_is_gone(const struct driver *driver)
{
	struct ledger *ledger = driver->rig->ledger;
	uint64_t first, last, bytes;
	struct error err;

	MUST(ledger->ops->input_range(ledger, &driver->id, &first, &last, &bytes, &err) == 0,
		"blocks %llu to %llu are left", llu(first), llu(last));
}

void check_outcome(struct driver *driver, struct job *job)
{
	const struct job_record *record = job_record(job);
	bool failed;

	check_look(driver, job);
	run_model(driver, record);
	failed = must_fail(driver);
	if (!driver->retried)
		check_order(driver);
	if (record->state == JOB_SUCCEEDED) {
		MUST(!failed, "an item failed where none may, and the job did not");
		MUST(record->received == driver->plan.line_count || driver->plan.source,
			"%llu items received, not %u", llu(record->received),
			driver->plan.line_count);
		check_counts(driver, record);
		check_results(driver);
		check_failures(driver);
		check_report(driver, record);
		check_input_is_gone(driver);
		return;
	}
	MUST(record->state == JOB_CANCELLED ? driver->want_cancel : failed,
		"it ended as %s: %s", job_state_name((enum job_state)record->state),
		record->error);
	check_some_results(driver);
}
