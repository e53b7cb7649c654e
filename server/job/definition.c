#include "job/definition.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "job/definition_parts.h"

const struct definition_rules definition_rules_default = {
	.stages_max = 64,
	.queue_items_max = 1000000,
	.queue_bytes_max = 1ull << 30,
	.backlog_default = 256ull << 20,
	.backlog_max = 1ull << 40,
	.retention_default_ms = 7 * DAY_MS,
};

const char *const order_words[] = { "none", "input", NULL };
const char *const isolation_words[] = { "none", "process", NULL };
const char *const on_error_words[] = { "dead_letter", "drop", "fail", NULL };

void stage_def_done(struct stage_def *stage)
{
	mem_free(stage->name);
	json_decref(stage->params);
}

void definition_free(struct definition *definition)
{
	if (definition == NULL)
		return;
	for (unsigned i = 0; i < definition->stage_count; i++)
		stage_def_done(&definition->stages[i]);
	mem_free(definition->stages);
	mem_free(definition->name);
	json_decref(definition->labels);
	mem_free(definition);
}

int definition_find_stage(const struct definition *definition, const char *name)
{
	for (unsigned i = 0; i < definition->stage_count; i++)
		if (strcmp(definition->stages[i].name, name) == 0)
			return (int)i;
	return -1;
}

static json_t *uint_or_null(uint64_t value)
{
	return value == 0 ? json_null() : json_integer((json_int_t)value);
}

/* As people write it: 100, not 100.0. */
static json_t *number_or_null(double value, bool given)
{
	if (!given)
		return json_null();
	if (value == trunc(value) && fabs(value) < 1e15)
		return json_integer((json_int_t)value);
	return json_real(value);
}

static json_t *rate_to_json(double per_second)
{
	if (per_second == 0)
		return json_null();
	return json_pack("{s:o}", "per_second", number_or_null(per_second, true));
}

/* No member where there is none. */
static json_t *batch_to_json(const struct stage_def *stage)
{
	if (stage->batch_items == 0)
		return NULL;
	return json_pack("{s:I, s:I}", "items", (json_int_t)stage->batch_items, "wait_ms",
		(json_int_t)stage->batch_wait_ms);
}

static json_t *queue_to_json(const struct stage_def *stage)
{
	return json_pack("{s:I, s:I}", "items", (json_int_t)stage->queue_items, "bytes",
		(json_int_t)stage->queue_bytes);
}

static json_t *retry_to_json(const struct stage_def *stage)
{
	return json_pack("{s:I, s:I, s:I}", "attempts", (json_int_t)stage->attempts,
		"backoff_ms", (json_int_t)stage->backoff_ms, "max_backoff_ms",
		(json_int_t)stage->max_backoff_ms);
}

/* `scaled` because the same parser reads this: workers alone would say that it is. */
static json_t *stage_to_json(const struct stage_def *stage)
{
	return json_pack("{s:s, s:s, s:O, s:I, s:b, s:o, s:o, s:o, s:s, s:o, s:o*, s:s*}",
		"use", stage->stage->name, "name", stage->name, "params", stage->params,
		"workers", (json_int_t)stage->workers, "scaled", (int)stage->scaled, "queue",
		queue_to_json(stage), "timeout_ms", uint_or_null(stage->timeout_ms), "retry",
		retry_to_json(stage), "on_error", on_error_words[stage->on_error], "rate",
		rate_to_json(stage->rate_per_s), "batch", batch_to_json(stage), "isolation",
		stage->isolation == ISOLATION_PROCESS || stage->isolation_said
			? isolation_words[stage->isolation]
			: NULL);
}

static json_t *stages_to_json(const struct definition *definition)
{
	json_t *list = json_array();

	for (unsigned i = 0; list != NULL && i < definition->stage_count; i++) {
		if (json_array_append_new(list, stage_to_json(&definition->stages[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *limits_to_json(const struct job_limits *limits)
{
	return json_pack("{s:o, s:o, s:o}", "max_failures",
		limits->max_failures < 0 ? json_null() : json_integer(limits->max_failures),
		"max_failure_ratio",
		number_or_null(limits->max_failure_ratio, limits->max_failure_ratio >= 0),
		"deadline_ms", uint_or_null(limits->deadline_ms));
}

json_t *definition_to_json(const struct definition *definition)
{
	return json_pack("{s:s, s:O, s:o, s:s, s:{s:I}, s:o, s:I}", "name", definition->name,
		"labels", definition->labels, "stages", stages_to_json(definition), "order",
		order_words[definition->ordered], "backlog", "bytes",
		(json_int_t)definition->backlog_bytes, "limits",
		limits_to_json(&definition->limits), "retention_ms",
		(json_int_t)definition->retention_ms);
}
