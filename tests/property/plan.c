#include "plan.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAN_MAX 64 /* results of one item, about */

static const char *const use_names[] = {
	[USE_PASS] = "pass",
	[USE_FILTER] = "filter",
	[USE_EXPLODE] = "explode",
	[USE_FAIL] = "fail",
	[USE_PICK] = "pick",
	[USE_SHA256] = "sha256",
	[USE_SLEEP] = "sleep",
	[USE_MANY] = "probe_many",
	[USE_ID] = "probe_id",
	[USE_FLAKY] = "probe_flaky",
	[USE_SERIAL] = "probe_serial",
	[USE_WORKER] = "probe_worker",
	[USE_BLOCK] = "probe_block",
	[USE_POOL] = "probe_pool",
	[USE_BATCH_CPU] = "probe_batch_cpu",
	[USE_BATCH_BLOCK] = "probe_batch_block",
	[USE_BATCH_ASYNC] = "probe_batch_async",
	[USE_HANG_CPU] = "probe_hang_cpu",
	[USE_HANG_BLOCK] = "probe_hang_block",
	[USE_HANG_ASYNC] = "probe_hang_async",
	[USE_RANGE] = "range",
	[USE_BLOCK_RANGE] = "probe_range",
	[USE_SINK] = "probe_sink",
	[USE_BLOCK_SINK] = "probe_block_sink",
	[USE_BATCH_SINK] = "probe_batch_sink",
	[USE_QUICK_SINK] = "probe_quick_sink",
	[USE_AGGREGATE] = "aggregate",
};

static bool hangs(enum plan_use use)
{
	return use == USE_HANG_CPU || use == USE_HANG_BLOCK || use == USE_HANG_ASYNC;
}

static bool takes_batches(enum plan_use use)
{
	return use == USE_BATCH_CPU || use == USE_BATCH_BLOCK || use == USE_BATCH_ASYNC;
}

/* ---- stages ---- */

static enum plan_use choose(struct rng *rng, const struct plan_rules *rules, unsigned *fan)
{
	for (;;) {
		enum plan_use use = (enum plan_use)rng_below(rng, USE_MAPS);
		unsigned more = use == USE_EXPLODE   ? 3
				: use == USE_MANY    ? 5
				: takes_batches(use) ? 2
						     : 1;

		if ((use == USE_FAIL || use == USE_ID) && !rules->numbered)
			continue;
		if (hangs(use) && !rules->hangs)
			continue;
		if (*fan * more > FAN_MAX)
			continue;
		*fan *= more;
		return use;
	}
}

static void bounds(struct plan_stage *stage, struct rng *rng, const struct plan_rules *rules)
{
	if (rng_percent(rng, 60))
		stage->workers = (unsigned)RNG_PICK(rng, 1, 1, 2, 3, 8, 16);
	stage->queue_items = RNG_PICK(rng, 1, 1, 2, 3, 8, 64, 1024);
	stage->queue_bytes = RNG_PICK(rng, 1, 100, 1000, 100000, 16777216);
	stage->attempts = rules->sturdy ? 4 : (unsigned)RNG_PICK(rng, 1, 2, 3, 4);
	if ((stage->use == USE_BLOCK_SINK || stage->use == USE_BATCH_SINK) &&
		stage->attempts == 1)
		stage->attempts = 2; /* its state needs a second one now and then */
	stage->backoff_ms = RNG_PICK(rng, 0, 0, 1, 2);
	stage->on_error = rng_percent(rng, 75) ? ON_ERROR_DEAD_LETTER : ON_ERROR_DROP;
	if (rules->fails && rng_percent(rng, 15))
		stage->on_error = ON_ERROR_FAIL;
	if (rng_percent(rng, 8))
		stage->rate = (double)RNG_PICK(rng, 20000, 100000, 1000000);
	if (takes_batches(stage->use) && rng_percent(rng, 75)) {
		stage->batch_items = RNG_PICK(rng, 1, 2, 7, 64, 10000);
		stage->batch_wait_ms = RNG_PICK(rng, 0, 0, 1, 3, 10);
	}
	if (hangs(stage->use)) {
		stage->timeout_ms = 250;
		stage->attempts = (unsigned)RNG_PICK(rng, 1, 1, 2);
		stage->mod = RNG_PICK(rng, 20, 60);
	} else if (rng_percent(rng, 10)) {
		stage->timeout_ms = 600000; /* never over */
	}
}

static void add_stage(
	struct plan *plan, enum plan_use use, struct rng *rng, const struct plan_rules *rules)
{
	struct plan_stage *stage = &plan->stages[plan->count];

	*stage = (struct plan_stage){ .use = use, .salt = plan->count * 7 + rng_below(rng, 5) };
	snprintf(stage->name, sizeof(stage->name), "s%u", plan->count++);
	stage->mod = RNG_PICK(rng, 1, 2, 5, 20, 100);
	stage->k = RNG_PICK(rng, 0, 1, 2, 3, 5);
	stage->transient = rng_percent(rng, 50);
	stage->until_attempt = RNG_PICK(rng, 0, 2, 3);
	bounds(stage, rng, rules);
	plan->may_fail |= stage->on_error == ON_ERROR_FAIL;
}

/* ---- items ---- */

static json_t *random_item(struct rng *rng, uint64_t n, unsigned depth)
{
	json_t *item = json_object(), *children = json_array();
	uint64_t count = depth == 0 ? 0 : RNG_PICK(rng, 0, 1, 2, 3);
	char text[400];
	size_t len = RNG_PICK(rng, 0, 1, 10, 50, 300);

	memset(text, 'a' + (int)(n % 26), len);
	json_object_set_new(item, "n", json_integer((json_int_t)n));
	json_object_set_new(item, "s", json_stringn(text, len));
	for (uint64_t at = 0; at < count; at++)
		json_array_append_new(children, random_item(rng, n * 10 + at, depth - 1));
	json_object_set_new(item, "a", children);
	return item;
}

static char *random_line(struct rng *rng, uint64_t n)
{
	json_t *item = random_item(rng, n, 2);
	char *large, *line;

	if (rng_below(rng, 400) == 0) { /* now and then one larger than a block */
		large = malloc(70001);
		memset(large, 'l', 70000);
		large[70000] = '\0';
		json_object_set_new(item, "s", json_string(large));
		free(large);
	}
	line = json_dumps(item, JSON_COMPACT);
	json_decref(item);
	assert(line != NULL);
	return line;
}

static char *range_line(uint64_t n)
{
	char *line;

	if (asprintf(&line, "{\"n\":%llu,\"s\":\"no %llu\",\"a\":[{\"n\":%llu}]}",
		    (unsigned long long)n, (unsigned long long)n, (unsigned long long)n) < 0)
		abort();
	return line;
}

/* Would many items take long? */
static bool waits(const struct plan *plan)
{
	for (unsigned at = 0; at < plan->count; at++)
		if (plan->stages[at].use == USE_SLEEP || plan->stages[at].use == USE_BLOCK)
			return true;
	return false;
}

static void make_lines(struct plan *plan, struct rng *rng, unsigned max)
{
	plan->line_count = (unsigned)RNG_PICK(rng, 0, 1, 7, 30, 30, 100, 100, 300, 1500);
	if (waits(plan) && max > 60)
		max = 60;
	plan->line_count = plan->line_count > max ? max : plan->line_count;
	plan->lines = calloc(plan->line_count + 1, sizeof(plan->lines[0]));
	for (unsigned at = 0; at < plan->line_count; at++)
		plan->lines[at] = plan->source ? range_line(at) : random_line(rng, at);
}

/* ---- the whole ---- */

void plan_make(
	struct plan *plan, struct rng *rng, const struct plan_rules *rules, unsigned slot)
{
	unsigned maps, fan = 1;

	*plan = (struct plan){ .slot = slot, .ordered = rng_percent(rng, 40) };
	plan->source = rules->source && rng_percent(rng, 50);
	plan->sink = rules->sink && rng_percent(rng, 60);
	maps = (unsigned)rng_below(rng, 5) + 1;
	if (plan->source && plan->sink && rng_percent(rng, 20))
		maps = 0;
	if (plan->source)
		add_stage(plan, rng_percent(rng, 50) ? USE_RANGE : USE_BLOCK_RANGE, rng, rules);
	while (maps-- > 0)
		add_stage(plan, choose(rng, rules, &fan), rng, rules);
	if (plan->sink)
		add_stage(plan,
			RNG_PICK(rng, USE_SINK, USE_BLOCK_SINK, USE_BATCH_SINK, USE_QUICK_SINK,
				USE_AGGREGATE),
			rng, rules);
	plan->max_failures = -1;
	if (rules->fails && rng_percent(rng, 30))
		plan->max_failures = (int)RNG_PICK(rng, 0, 2, 10);
	plan->backlog = RNG_PICK(rng, 1, 1000, 100000, 268435456);
	make_lines(plan, rng, rules->items_max);
}

void plan_done(struct plan *plan)
{
	for (unsigned at = 0; at < plan->line_count; at++)
		free(plan->lines[at]);
	free(plan->lines);
}

static json_t *params_of(const struct plan *plan, const struct plan_stage *stage)
{
	switch (stage->use) {
	case USE_PASS:
		return json_object();
	case USE_FILTER:
		return json_pack("{s:s, s:s, s:I}", "pointer", "n", "op", "ge", "value",
			(json_int_t)(stage->mod * 3));
	case USE_EXPLODE:
		return json_pack("{s:s}", "field", "a");
	case USE_FAIL:
		return json_pack("{s:I, s:s, s:I}", "every", (json_int_t)stage->mod, "kind",
			stage->transient ? "transient" : "permanent", "until_attempt",
			(json_int_t)stage->until_attempt);
	case USE_PICK:
		return json_pack("{s:[s,s]}", "fields", "n", stage->k < 2 ? "a" : "s");
	case USE_SHA256:
		return json_pack("{s:s}", "field", "s");
	case USE_SLEEP:
		return json_pack("{s:I, s:I}", "ms", (json_int_t)0, "jitter_ms", (json_int_t)2);
	case USE_RANGE:
		return json_pack("{s:I, s:{s:s, s:s, s:[{s:s}]}}", "to",
			(json_int_t)plan->line_count, "template", "n", "$i", "s", "no $i", "a",
			"n", "$i");
	case USE_BLOCK_RANGE:
		return json_pack("{s:I, s:I, s:I, s:i}", "salt", (json_int_t)stage->salt, "mod",
			(json_int_t)stage->mod, "k", (json_int_t)plan->line_count, "slot",
			(int)plan->slot);
	case USE_AGGREGATE:
		return json_pack("{s:s}", "field", "n");
	default:
		return json_pack("{s:I, s:I, s:I, s:i}", "salt", (json_int_t)stage->salt, "mod",
			(json_int_t)stage->mod, "k", (json_int_t)stage->k, "slot",
			(int)plan->slot);
	}
}

static json_t *stage_definition(const struct plan *plan, const struct plan_stage *stage)
{
	static const char *const words[] = { "dead_letter", "drop", "fail" };
	json_t *json = json_pack("{s:s, s:s, s:o, s:{s:I, s:I}, s:{s:i, s:I, s:I}, s:s}", "use",
		use_names[stage->use], "name", stage->name, "params", params_of(plan, stage),
		"queue", "items", (json_int_t)stage->queue_items, "bytes",
		(json_int_t)stage->queue_bytes, "retry", "attempts", (int)stage->attempts,
		"backoff_ms", (json_int_t)stage->backoff_ms, "max_backoff_ms",
		(json_int_t)stage->backoff_ms, "on_error", words[stage->on_error]);

	assert(json != NULL);
	if (stage->workers > 0)
		json_object_set_new(json, "workers", json_integer(stage->workers));
	if (stage->timeout_ms > 0)
		json_object_set_new(
			json, "timeout_ms", json_integer((json_int_t)stage->timeout_ms));
	if (stage->batch_items > 0)
		json_object_set_new(json, "batch",
			json_pack("{s:I, s:I}", "items", (json_int_t)stage->batch_items,
				"wait_ms", (json_int_t)stage->batch_wait_ms));
	if (stage->rate > 0)
		json_object_set_new(
			json, "rate", json_pack("{s:f}", "per_second", stage->rate));
	return json;
}

json_t *plan_definition(const struct plan *plan)
{
	json_t *stages = json_array(), *json;

	for (unsigned at = 0; at < plan->count; at++)
		json_array_append_new(stages, stage_definition(plan, &plan->stages[at]));
	json = json_pack("{s:o, s:s, s:{s:I}}", "stages", stages, "order",
		plan->ordered ? "input" : "none", "backlog", "bytes",
		(json_int_t)plan->backlog);
	if (plan->max_failures >= 0)
		json_object_set_new(
			json, "limits", json_pack("{s:i}", "max_failures", plan->max_failures));
	return json;
}
