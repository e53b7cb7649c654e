/* One element of `stages`: everything about it but its place and its name. */
#include "job/definition_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static const char *const stage_fields[] = { "use", "name", "params", "workers", "scaled",
	"queue", "timeout_ms", "retry", "on_error", "rate", "batch", "isolation", NULL };
static const char *const queue_fields[] = { "items", "bytes", NULL };
static const char *const retry_fields[] = { "attempts", "backoff_ms", "max_backoff_ms", NULL };
static const char *const rate_fields[] = { "per_second", NULL };
static const char *const batch_fields[] = { "items", "wait_ms", NULL };

struct stage_name stage_default_name(const char *use, unsigned nth)
{
	struct stage_name name;

	if (nth < 2)
		snprintf(name.text, sizeof(name.text), "%.*s", TEXT_NAME_MAX, use);
	else
		snprintf(name.text, sizeof(name.text), "%.*s-%u", TEXT_NAME_MAX - 4, use, nth);
	return name;
}

static const struct stage *find_stage(
	const struct fields *fields, const struct catalog *catalog)
{
	const json_t *use = json_object_get(fields->object, "use");
	const struct stage *stage;
	const char *near;

	if (!json_is_string(use)) {
		fields_mistake(fields, "use", "%s",
			use == NULL
				? "is missing: the name of a stage, as GET /v1/stages lists them"
				: "must be the name of a stage");
		return NULL;
	}
	stage = catalog->find(catalog, json_string_value(use));
	if (stage != NULL && json_string_length(use) == strlen(stage->name))
		return stage;
	near = catalog->nearest(catalog, json_string_value(use));
	fields_mistake(fields, "use", "there is no stage '%.64s'%s%s%s", json_string_value(use),
		near != NULL ? "; did you mean '" : ", GET /v1/stages lists those there are",
		near != NULL ? near : "", near != NULL ? "'?" : "");
	return NULL;
}

static json_t *parse_params(
	const struct fields *fields, const struct catalog *catalog, const struct stage *stage)
{
	const json_t *given = json_object_get(fields->object, "params");
	struct pointer pointer = pointer_at(fields->pointer, "params");
	json_t *none, *params;

	if (given != NULL && !json_is_object(given)) {
		fields_mistake(
			fields, "params", "must be an object, not %s", value_shown(given).text);
		return NULL;
	}
	if (stage == NULL)
		return NULL;
	if (given != NULL)
		return catalog->check_params(
			catalog, stage, given, pointer.text, fields->mistakes);
	none = json_object();
	if (none == NULL)
		return NULL;
	params = catalog->check_params(catalog, stage, none, pointer.text, fields->mistakes);
	json_decref(none);
	return params;
}

static void parse_workers(const struct fields *fields, struct stage_def *to)
{
	uint64_t workers = 1;

	to->scaled = field_uint(fields, "workers", 1, DEFINITION_WORKERS_MAX, &workers);
	to->workers = (unsigned)workers;
	field_bool(fields, "scaled", &to->scaled);
	if (to->workers > 1 && !to->scaled)
		fields_mistake(
			fields, "scaled", "a stage of %u workers is scaled", to->workers);
}

static void parse_queue(
	const struct fields *fields, const struct definition_rules *rules, struct stage_def *to)
{
	const json_t *queue = json_object_get(fields->object, "queue");
	struct pointer pointer = pointer_at(fields->pointer, "queue");
	struct fields inner;

	to->queue_items = MIN((uint64_t)QUEUE_ITEMS_DEFAULT, rules->queue_items_max);
	to->queue_bytes = MIN((uint64_t)QUEUE_BYTES_DEFAULT, rules->queue_bytes_max);
	if (queue == NULL ||
		!fields_open(&inner, queue, pointer.text, queue_fields, fields->mistakes))
		return;
	field_uint(&inner, "items", 1, rules->queue_items_max, &to->queue_items);
	field_uint(&inner, "bytes", 1, rules->queue_bytes_max, &to->queue_bytes);
}

/* What was not given follows what was. */
static void fit_backoff(
	const struct fields *retry, bool backoff_given, bool max_given, struct stage_def *to)
{
	if (to->backoff_ms <= to->max_backoff_ms)
		return;
	if (backoff_given && max_given)
		fields_mistake(retry, "max_backoff_ms", "must not be less than backoff_ms");
	else if (backoff_given)
		to->max_backoff_ms = to->backoff_ms;
	else
		to->backoff_ms = to->max_backoff_ms;
}

static void parse_retry(const struct fields *fields, struct stage_def *to)
{
	const json_t *retry = json_object_get(fields->object, "retry");
	struct pointer pointer = pointer_at(fields->pointer, "retry");
	bool backoff_given, max_given;
	uint64_t attempts = ATTEMPTS_DEFAULT;
	struct fields inner;

	to->attempts = ATTEMPTS_DEFAULT;
	to->backoff_ms = BACKOFF_MS_DEFAULT;
	to->max_backoff_ms = MAX_BACKOFF_MS_DEFAULT;
	if (retry == NULL ||
		!fields_open(&inner, retry, pointer.text, retry_fields, fields->mistakes))
		return;
	field_uint(&inner, "attempts", 1, ATTEMPTS_MAX, &attempts);
	to->attempts = (unsigned)attempts;
	backoff_given = field_uint(&inner, "backoff_ms", 0, BACKOFF_MS_MAX, &to->backoff_ms);
	max_given =
		field_uint(&inner, "max_backoff_ms", 0, BACKOFF_MS_MAX, &to->max_backoff_ms);
	fit_backoff(&inner, backoff_given, max_given, to);
}

static void parse_rate(const struct fields *fields, struct stage_def *to)
{
	const json_t *rate = json_object_get(fields->object, "rate");
	struct pointer pointer = pointer_at(fields->pointer, "rate");
	struct fields inner;

	if (rate == NULL || json_is_null(rate) ||
		!fields_open(&inner, rate, pointer.text, rate_fields, fields->mistakes))
		return;
	if (json_object_get(rate, "per_second") == NULL)
		fields_mistake(&inner, "per_second", "is missing");
	field_number_or_none(&inner, "per_second", RATE_MIN, RATE_MAX, 0, &to->rate_per_s);
}

static void parse_batch(const struct fields *fields, struct stage_def *to)
{
	const json_t *batch = json_object_get(fields->object, "batch");
	struct pointer pointer = pointer_at(fields->pointer, "batch");
	uint64_t items = 0;
	struct fields inner;

	if (batch == NULL || json_is_null(batch) ||
		!fields_open(&inner, batch, pointer.text, batch_fields, fields->mistakes))
		return;
	if (to->stage != NULL && to->stage->run_batch == NULL) {
		fields_mistake(fields, "batch",
			"'%s' takes items one at a time (GET /v1/stages: batches)",
			to->stage->name);
		return;
	}
	if (json_object_get(batch, "items") == NULL)
		fields_mistake(&inner, "items", "is missing");
	field_uint(&inner, "items", 1, DEFINITION_BATCH_MAX, &items);
	field_uint(&inner, "wait_ms", 0, BATCH_WAIT_MS_MAX, &to->batch_wait_ms);
	to->batch_items = (unsigned)items;
}

const char *stage_not_isolated(const struct stage *stage)
{
	if (stage->kind == STAGE_SOURCE)
		return "it is a source";
	if (stage->kind == STAGE_SINK)
		return "it is a sink";
	if (stage->threads == STAGE_ASYNC)
		return "it works on the server's loop";
	if (stage->config != NULL || stage->config_of != NULL)
		return "it has a configuration, which stays in the server";
	return NULL;
}

static void parse_isolation(
	const struct fields *fields, const struct catalog *catalog, struct stage_def *to)
{
	const char *why = to->stage != NULL ? stage_not_isolated(to->stage) : NULL;
	int isolation = ISOLATION_NONE;

	to->isolation_said = json_object_get(fields->object, "isolation") != NULL;
	field_word(fields, "isolation", isolation_words, &isolation);
	if (!to->isolation_said && why == NULL && to->stage != NULL &&
		catalog->isolated != NULL && catalog->isolated(catalog, to->stage))
		isolation = ISOLATION_PROCESS;
	if (isolation == ISOLATION_PROCESS && why != NULL)
		fields_mistake(fields, "isolation",
			"'%s' cannot run in a process of its own: %s", to->stage->name, why);
	if (isolation == ISOLATION_PROCESS && to->batch_items > 0)
		fields_mistake(fields, "isolation",
			"with 'batch' it must be \"none\": a stage in a process of its own is given "
			"single items");
	to->isolation = isolation;
}

int stage_def_parse(const json_t *value, const char *pointer, const struct catalog *catalog,
	const struct definition_rules *rules, struct mistakes *mistakes, struct stage_def *ret)
{
	struct stage_def stage = { .workers = 1 };
	unsigned before = mistakes->count;
	int on_error = ON_ERROR_DEAD_LETTER;
	struct fields fields;

	if (!fields_open(&fields, value, pointer, stage_fields, mistakes))
		return -1;
	stage.stage = find_stage(&fields, catalog);
	stage.params = parse_params(&fields, catalog, stage.stage);
	parse_workers(&fields, &stage);
	parse_queue(&fields, rules, &stage);
	field_uint_or_none(&fields, "timeout_ms", 1, TIMEOUT_MS_MAX, 0, &stage.timeout_ms);
	parse_retry(&fields, &stage);
	field_word(&fields, "on_error", on_error_words, &on_error);
	stage.on_error = on_error;
	parse_rate(&fields, &stage);
	parse_batch(&fields, &stage);
	parse_isolation(&fields, catalog, &stage);
	*ret = stage;
	return mistakes->count > before || stage.params == NULL ? -1 : 0;
}
