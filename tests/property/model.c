#include "model.h"

#include <assert.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/block.h"
#include "probes.h"

/* A part of an item on its way. */
struct part {
	const char *text;
	uint64_t number; /* of the part */
	unsigned bits;
};

/* What a stage made of a part: `outputs` or a failure. */
struct made {
	char **outputs;
	size_t count;
	bool failed;
	enum failure_kind kind;
};

void model_init(struct model *model, const struct plan *plan)
{
	*model = (struct model){ .plan = plan };
}

static void free_failures(struct model_failure *failures, size_t count)
{
	for (size_t at = 0; at < count; at++)
		free(failures[at].input);
	free(failures);
}

void model_done(struct model *model)
{
	for (size_t at = 0; at < model->result_count; at++)
		free(model->results[at].text);
	free(model->results);
	free_failures(model->failures, model->failure_count);
}

/* ---- one stage ---- */

static void output(struct made *made, char *text)
{
	made->outputs = realloc(made->outputs, (made->count + 1) * sizeof(char *));
	made->outputs[made->count++] = text;
}

static void output_json(struct made *made, const json_t *json)
{
	output(made, json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY));
}

static void fail(struct made *made, enum failure_kind kind)
{
	made->failed = true;
	made->kind = kind;
}

static void add_digest(json_t *item, const char *text)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	char hex[2 * SHA256_DIGEST_SIZE + 1];
	struct sha256_ctx hash;

	sha256_init(&hash);
	sha256_update(&hash, strlen(text), (const uint8_t *)text);
	sha256_digest(&hash, sizeof(digest), digest);
	for (size_t at = 0; at < sizeof(digest); at++)
		sprintf(hex + 2 * at, "%02x", digest[at]);
	json_object_set_new(item, "sha256", json_string(hex));
}

static void do_sha256(json_t *item, struct made *made)
{
	const char *text = json_string_value(json_object_get(item, "s"));

	if (text == NULL) {
		fail(made, FAILURE_PERMANENT);
		return;
	}
	add_digest(item, text);
	output_json(made, item);
}

static void do_explode(json_t *item, struct made *made)
{
	json_t *array = json_object_get(item, "a"), *child;
	size_t at;

	if (!json_is_array(array))
		fail(made, FAILURE_PERMANENT);
	json_array_foreach(array, at, child) output_json(made, child);
}

static void do_pick(const struct plan_stage *stage, json_t *item, struct made *made)
{
	static const char *const names[2][2] = { { "n", "a" }, { "n", "s" } };
	json_t *picked = json_object();

	for (int at = 0; at < 2; at++) {
		json_t *value = json_object_get(item, names[stage->k >= 2][at]);

		if (value != NULL)
			json_object_set(picked, names[stage->k >= 2][at], value);
	}
	output_json(made, picked);
	json_decref(picked);
}

static void do_many(const struct plan_stage *stage, json_t *item, struct made *made)
{
	char name[32];

	snprintf(name, sizeof(name), "k%llu", (unsigned long long)stage->salt);
	for (uint64_t n = 0; n < stage->k; n++) {
		json_object_set_new(item, name, json_integer((json_int_t)n));
		output_json(made, item);
	}
}

static void do_id(
	const struct model *model, const struct part *part, json_t *item, struct made *made)
{
	char id[64];
	int len = snprintf(id, sizeof(id), "%llu", (unsigned long long)model->item);

	if (part->number != 0)
		snprintf(id + len, sizeof(id) - (size_t)len, ".%llx",
			(unsigned long long)part->number);
	json_object_set_new(item, "id", json_string(id));
	output_json(made, item);
}

/* Does the mood let it through? */
static bool moody(const struct model *model, const struct plan_stage *stage,
	const struct part *part, unsigned attempt, struct made *made)
{
	enum probe_mood mood =
		probe_mood(probe_hash(part->text, strlen(part->text), stage->salt), stage->mod);

	if (model->healed || mood == MOOD_GOOD || (mood == MOOD_ONCE && attempt > 1) ||
		(mood == MOOD_TWICE && attempt > 2))
		return true;
	fail(made, mood == MOOD_PERMANENT ? FAILURE_PERMANENT : FAILURE_TRANSIENT);
	return false;
}

static void do_batch(const struct model *model, const struct plan_stage *stage,
	const struct part *part, unsigned attempt, struct made *made)
{
	uint64_t hash = probe_hash(part->text, strlen(part->text), stage->salt);

	if (!moody(model, stage, part, attempt, made))
		return;
	for (unsigned n = probe_makes(hash); n > 0; n--)
		output(made, strdup(part->text));
}

static void do_fail(const struct model *model, const struct plan_stage *stage,
	const struct part *part, unsigned attempt, struct made *made)
{
	bool hit = (model->item + 1) % stage->mod == 0;

	if (hit && (stage->until_attempt == 0 || attempt < stage->until_attempt))
		fail(made, stage->transient ? FAILURE_TRANSIENT : FAILURE_PERMANENT);
	else
		output(made, strdup(part->text));
}

static void do_hang(const struct model *model, const struct plan_stage *stage,
	const struct part *part, struct made *made)
{
	uint64_t hash = probe_hash(part->text, strlen(part->text), stage->salt);

	if (!model->healed && probe_hangs(hash, stage->mod))
		fail(made, FAILURE_TIMEOUT);
	else
		output(made, strdup(part->text));
}

static void attempt_map(const struct model *model, const struct plan_stage *stage,
	const struct part *part, unsigned attempt, struct made *made)
{
	json_t *item = json_loads(part->text, JSON_DECODE_ANY, NULL);

	assert(item != NULL);
	switch (stage->use) {
	case USE_FILTER:
		if (json_integer_value(json_object_get(item, "n")) >=
			(json_int_t)stage->mod * 3)
			output(made, strdup(part->text));
		break;
	case USE_EXPLODE:
		do_explode(item, made);
		break;
	case USE_FAIL:
		do_fail(model, stage, part, attempt, made);
		break;
	case USE_PICK:
		do_pick(stage, item, made);
		break;
	case USE_SHA256:
		do_sha256(item, made);
		break;
	case USE_MANY:
		do_many(stage, item, made);
		break;
	case USE_ID:
		do_id(model, part, item, made);
		break;
	case USE_FLAKY:
		if (moody(model, stage, part, attempt, made))
			output(made, strdup(part->text));
		break;
	case USE_BATCH_CPU:
	case USE_BATCH_BLOCK:
	case USE_BATCH_ASYNC:
		do_batch(model, stage, part, attempt, made);
		break;
	case USE_HANG_CPU:
	case USE_HANG_BLOCK:
	case USE_HANG_ASYNC:
		do_hang(model, stage, part, made);
		break;
	default: /* they pass it on */
		output(made, strdup(part->text));
	}
	json_decref(item);
}

/* ---- one item ---- */

static void keep_failure(struct model *model, unsigned stage, const struct part *part,
	unsigned attempts, enum failure_kind kind)
{
	struct model_failure *failure;

	model->failures =
		realloc(model->failures, (model->failure_count + 1) * sizeof(*failure));
	failure = &model->failures[model->failure_count++];
	*failure = (struct model_failure){ .item = model->item,
		.part = part->number,
		.span_bits = part->bits,
		.stage = stage,
		.attempts = attempts,
		.kind = kind,
		.input = strdup(part->text) };
}

static void part_failed(struct model *model, unsigned stage, const struct part *part,
	unsigned attempts, enum failure_kind kind)
{
	model->has_failed = true;
	model->counts[stage].failed++;
	if (model->plan->stages[stage].on_error != ON_ERROR_DROP)
		keep_failure(model, stage, part, attempts, kind);
}

static void keep_result(struct model *model, const char *text)
{
	model->left_result = true;
	model->results =
		realloc(model->results, (model->result_count + 1) * sizeof(model->results[0]));
	model->results[model->result_count++] =
		(struct model_result){ model->item, strdup(text) };
}

static void sink_part(struct model *model, unsigned index, const struct part *part)
{
	const struct plan_stage *stage = &model->plan->stages[index];
	json_t *item = json_loads(part->text, JSON_DECODE_ANY, NULL);
	struct made made = { 0 };
	unsigned attempt = 1;

	model->left_result = true; /* it has come to the sink */
	for (; stage->use != USE_AGGREGATE && !moody(model, stage, part, attempt, &made);
		attempt++) {
		if (made.kind == FAILURE_PERMANENT || attempt >= stage->attempts)
			break;
		made.failed = false;
		model->counts[index].retries++;
	}
	model->counts[index].in++;
	if (made.failed) {
		part_failed(model, index, part, attempt, made.kind);
	} else {
		model->sink_count++;
		model->sink_sum +=
			stage->use != USE_AGGREGATE
				? probe_hash(part->text, strlen(part->text), stage->salt) &
					  0xffffffff
				: (uint64_t)json_integer_value(json_object_get(item, "n"));
	}
	json_decref(item);
}

static unsigned bits_for(size_t n)
{
	unsigned bits = 0;

	while (((size_t)1 << bits) < n)
		bits++;
	return bits;
}

static void run_part(struct model *model, unsigned stage, const struct part *part);

static void hand_on(
	struct model *model, unsigned stage, const struct part *part, struct made *made)
{
	unsigned bits = bits_for(made->count);

	for (size_t at = 0; at < made->count; at++) {
		struct part child = { made->outputs[at], part->number, part->bits - bits };

		if (at > 0)
			child.number += (uint64_t)at << child.bits;
		run_part(model, stage + 1, &child);
		free(made->outputs[at]);
	}
	free(made->outputs);
}

static void run_part(struct model *model, unsigned stage, const struct part *part)
{
	const struct plan *plan = model->plan;
	const struct plan_stage *at = &plan->stages[stage];
	struct made made = { 0 };
	unsigned attempt = 1;

	if (stage == plan->count) {
		keep_result(model, part->text);
		return;
	}
	if (at->use >= USE_SINK) {
		sink_part(model, stage, part);
		return;
	}
	for (;; attempt++) {
		model->counts[stage].in++;
		made = (struct made){ 0 };
		attempt_map(model, at, part, attempt, &made);
		if (!made.failed || made.kind == FAILURE_PERMANENT || attempt >= at->attempts)
			break;
		model->counts[stage].retries++;
	}
	if (made.failed) {
		part_failed(model, stage, part, attempt, made.kind);
		return;
	}
	model->counts[stage].out += made.count;
	model->counts[stage].filtered += made.count == 0;
	hand_on(model, stage, part, &made);
}

/* The item is over; its failures from `first` on know whether it has left anything. */
static void conclude(struct model *model, size_t first)
{
	for (size_t at = first; at < model->failure_count; at++)
		model->failures[at].had_results = model->left_result;
	if (model->has_failed)
		model->failed++;
	else if (model->left_result)
		model->succeeded++;
	else
		model->filtered++;
}

void model_item(struct model *model, uint64_t number, const char *text)
{
	struct part whole = { text, 0, 64 };
	size_t first = model->failure_count;

	model->item = number;
	model->left_result = model->has_failed = false;
	run_part(model, model->plan->source ? 1 : 0, &whole);
	conclude(model, first);
}

void model_retry(struct model *model)
{
	struct model_failure *failures = model->failures;
	size_t count = model->failure_count;

	model->failures = NULL;
	model->failure_count = 0;
	model->healed = true;
	for (size_t at = 0; at < count;) {
		size_t first = model->failure_count;

		model->item = failures[at].item;
		model->left_result = failures[at].had_results;
		model->has_failed = false;
		model->failed--;
		for (; at < count && failures[at].item == model->item; at++) {
			struct part part = { failures[at].input, failures[at].part,
				failures[at].span_bits };

			run_part(model, failures[at].stage, &part);
		}
		conclude(model, first);
	}
	free_failures(failures, count);
}
