/* What may change after a job's birth: PATCH, and the scaling parameters of a query. */
#include "job/definition_parts.h"

#include <string.h>

#include "base/mem.h"

static const char *const patch_fields[] = { "stages", "limits", "labels", NULL };
static const char *const patch_stage_fields[] = { "workers", NULL };

static const char *nearest_stage(const struct definition *definition, const char *name)
{
	struct nearest nearest;

	nearest_init(&nearest, name);
	for (unsigned i = 0; i < definition->stage_count; i++)
		nearest_offer(&nearest, definition->stages[i].name);
	return nearest_best(&nearest);
}

/* The stage of that name, -1 with a mistake under `pointer`. */
static int find_or_say(const struct definition *definition, const char *name,
	const char *pointer, struct mistakes *mistakes)
{
	int index = definition_find_stage(definition, name);
	const char *near = index < 0 ? nearest_stage(definition, name) : NULL;

	if (near != NULL)
		mistakes_add(mistakes, pointer,
			"this job has no stage named '%.64s'; did you mean '%s'?", name, near);
	else if (index < 0)
		mistakes_add(mistakes, pointer, "this job has no stage named '%.64s'", name);
	return index;
}

/* ---- PATCH ---- */

/* New numbers of workers by stage, 0 where nothing changes. */
static void patch_stages(const struct definition *definition, const json_t *stages,
	struct mistakes *mistakes, unsigned *workers)
{
	const char *name;
	json_t *value;

	if (!json_is_object(stages)) {
		mistakes_add(mistakes, "/stages", "must be an object of stages by name, not %s",
			value_shown(stages).text);
		return;
	}
	json_object_foreach((json_t *)stages, name, value)
	{
		struct pointer pointer = pointer_at("/stages", name);
		int index = find_or_say(definition, name, pointer.text, mistakes);
		uint64_t given = 0;
		struct fields fields;

		if (!fields_open(&fields, value, pointer.text, patch_stage_fields, mistakes))
			continue;
		field_uint(&fields, "workers", 1, DEFINITION_WORKERS_MAX, &given);
		if (index >= 0)
			workers[index] = (unsigned)given;
	}
}

static void apply_workers(struct definition *definition, const unsigned *workers)
{
	for (unsigned i = 0; i < definition->stage_count; i++) {
		if (workers[i] == 0)
			continue;
		definition->stages[i].workers = workers[i];
		definition->stages[i].scaled = true;
	}
}

int definition_patch(struct definition *definition, const json_t *patch,
	struct mistakes *mistakes, struct error *err)
{
	const json_t *stages = json_object_get(patch, "stages"),
		     *limits = json_object_get(patch, "limits"),
		     *given = json_object_get(patch, "labels");
	unsigned before = mistakes->count, failures = mem_failures();
	struct job_limits new_limits = definition->limits;
	_auto_free_ unsigned *workers = mem_zalloc(definition->stage_count * sizeof(*workers));
	json_t *labels = json_copy(definition->labels);
	struct fields fields;

	if (workers == NULL || labels == NULL ||
		(given != NULL && labels_merge(labels, given, true, "/labels", mistakes) < 0)) {
		json_decref(labels);
		return error_no_memory(err);
	}
	fields_open(&fields, patch, "", patch_fields, mistakes);
	if (stages != NULL)
		patch_stages(definition, stages, mistakes, workers);
	if (limits != NULL)
		limits_parse(limits, "/limits", mistakes, &new_limits);
	if (mem_failures() != failures) { /* a value without memory looks like a wrong one */
		mistakes_done(mistakes);
		json_decref(labels);
		return error_no_memory(err);
	}
	if (mistakes->count > before) {
		json_decref(labels);
		return error_set(
			err, ERR_DEFINITION, "the change is wrong; nothing was changed");
	}
	apply_workers(definition, workers);
	definition->limits = new_limits;
	json_decref(definition->labels);
	definition->labels = labels;
	return 0;
}

/* ---- workers.NAME=8, queue.NAME=2048 ---- */

static int bad_value(
	const char *key, const char *value, unsigned long long max, struct mistakes *mistakes)
{
	mistakes_add(mistakes, key, "must be a whole number from 1 to %llu, not '%.40s'", max,
		value);
	return -1;
}

int definition_scale(struct definition *definition, const struct definition_rules *rules,
	const char *key, const char *value, struct mistakes *mistakes)
{
	bool workers = strncmp(key, "workers.", 8) == 0;
	unsigned long long max = workers ? DEFINITION_WORKERS_MAX : rules->queue_items_max;
	unsigned long long given;
	int index;

	if (!workers && strncmp(key, "queue.", 6) != 0)
		return 0;
	index = find_or_say(definition, strchr(key, '.') + 1, key, mistakes);
	if (!text_to_uint(value, max, &given) || given == 0)
		return bad_value(key, value, max, mistakes);
	if (index < 0)
		return -1;
	if (workers) {
		definition->stages[index].workers = (unsigned)given;
		definition->stages[index].scaled = true;
	} else {
		definition->stages[index].queue_items = given;
	}
	return 1;
}
