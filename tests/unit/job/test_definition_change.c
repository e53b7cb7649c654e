/* What may change after a job's birth. */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "base/mem.h"
#include "catalog.h"

#define JOB                                                                      \
	"{\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"limits\":{\"max_failures\":5}," \
	"\"stages\":[{\"use\":\"map\"},{\"use\":\"sha256\"}]}"

static int patch(struct definition *definition, const char *text, char **ret_mistakes)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
	struct mistakes mistakes;
	struct error err;
	int result;

	mistakes_init(&mistakes);
	result = definition_patch(definition, json, &mistakes, &err);
	*ret_mistakes = mistakes_text(&mistakes);
	mistakes_done(&mistakes);
	json_decref(json);
	return result;
}

Test(definition_patch, changes_workers_limits_and_labels)
{
	struct definition *definition = must_parse(JOB);
	_auto_free_ char *mistakes = NULL, *text = NULL;

	cr_assert(
		patch(definition,
			"{\"stages\":{\"sha256\":{\"workers\":32}},\"labels\":{\"a\":null,\"c\":\"3\"},"
			"\"limits\":{\"max_failures\":null,\"deadline_ms\":7}}",
			&mistakes) == 0,
		"%s", mistakes);
	cr_expect(definition->stages[1].workers == 32 && definition->stages[1].scaled);
	cr_expect(definition->stages[0].workers == 1 && !definition->stages[0].scaled);
	cr_expect(definition->limits.max_failures == -1 && definition->limits.deadline_ms == 7);
	text = json_dumps(definition->labels, JSON_COMPACT | JSON_SORT_KEYS);
	cr_expect_str_eq(text, "{\"b\":\"2\",\"c\":\"3\"}");
	definition_free(definition);
}

Test(definition_patch, nothing_changes_when_anything_is_wrong)
{
	static const struct {
		const char *patch, *mistakes;
	} rows[] = {
		{ "[]", ": must be an object, not an array" },
		{ "{\"name\":\"x\"}", "/name: there is no such field" },
		{ "{\"stages\":[]}",
			"/stages: must be an object of stages by name, not an array" },
		{ "{\"stages\":{\"sha265\":{\"workers\":2}}}",
			"/stages/sha265: this job has no stage named 'sha265'; did you mean 'sha256'?" },
		{ "{\"stages\":{\"zebra\":{}}}",
			"/stages/zebra: this job has no stage named 'zebra'" },
		{ "{\"stages\":{\"map\":{\"queue\":{}}}}",
			"/stages/map/queue: there is no such field" },
		{ "{\"stages\":{\"map\":8}}", "/stages/map: must be an object, not 8" },
		{ "{\"labels\":{\"new\":\"x\"},\"limits\":{\"max_failures\":1},"
		  "\"stages\":{\"map\":{\"workers\":9},\"sha256\":{\"workers\":0}}}",
			"/stages/sha256/workers: must be a whole number from 1 to 10000, not 0" },
		{ "{\"labels\":{\"a\":7},\"stages\":{\"map\":{\"workers\":9}}}",
			"/labels/a: must be a string, not 7" },
	};
	struct definition *definition = must_parse(JOB);
	_auto_free_ char *before = definition_text(definition);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_free_ char *mistakes = NULL, *after = NULL;

		cr_expect(
			patch(definition, rows[i].patch, &mistakes) == -1, "%s", rows[i].patch);
		cr_expect_str_eq(mistakes, rows[i].mistakes);
		after = definition_text(definition);
		cr_expect_str_eq(after, before);
	}
	definition_free(definition);
}

Test(definition_patch, an_empty_one_is_fine)
{
	struct definition *definition = must_parse(JOB);
	_auto_free_ char *mistakes = NULL;

	cr_expect(patch(definition, "{}", &mistakes) == 0);
	definition_free(definition);
}

static int scale(
	struct definition *definition, const char *key, const char *value, char **ret_mistakes)
{
	struct mistakes mistakes;
	int result;

	mistakes_init(&mistakes);
	result = definition_scale(definition, &definition_rules_default, key, value, &mistakes);
	*ret_mistakes = mistakes_text(&mistakes);
	mistakes_done(&mistakes);
	return result;
}

Test(definition_scale, takes_workers_and_queue)
{
	struct definition *definition = must_parse(JOB);
	_auto_free_ char *mistakes = NULL, *more = NULL, *none = NULL;

	cr_expect(scale(definition, "workers.map", "10000", &mistakes) == 1);
	cr_expect(definition->stages[0].workers == 10000 && definition->stages[0].scaled);
	cr_expect(scale(definition, "queue.sha256", "2048", &more) == 1);
	cr_expect(definition->stages[1].queue_items == 2048 && !definition->stages[1].scaled);
	cr_expect(scale(definition, "limit", "5", &none) == 0);
	definition_free(definition);
}

Test(definition_scale, says_what_is_wrong_under_the_key)
{
	static const struct {
		const char *key, *value, *mistakes;
	} rows[] = {
		{ "workers.map", "0",
			"workers.map: must be a whole number from 1 to 10000, not '0'" },
		{ "workers.map", "10001",
			"workers.map: must be a whole number from 1 to 10000, not '10001'" },
		{ "workers.map", "99999999999999999999999",
			"workers.map: must be a whole number from 1 to 10000, not '99999999999999999999999'" },
		{ "workers.map", "8x",
			"workers.map: must be a whole number from 1 to 10000, not '8x'" },
		{ "workers.map", "-8",
			"workers.map: must be a whole number from 1 to 10000, not '-8'" },
		{ "workers.map", "",
			"workers.map: must be a whole number from 1 to 10000, not ''" },
		{ "workers.", "8", "workers.: this job has no stage named ''" },
		{ "workers.mpa", "8",
			"workers.mpa: this job has no stage named 'mpa'; did you mean 'map'?" },
		{ "queue.sha265", "0",
			"queue.sha265: this job has no stage named 'sha265'; did you mean 'sha256'?\n"
			"queue.sha265: must be a whole number from 1 to 1000000, not '0'" },
		{ "queue.map", "\xff",
			"queue.map: must be a whole number from 1 to 1000000, not '?'" },
	};
	struct definition *definition = must_parse(JOB);
	_auto_free_ char *before = definition_text(definition), *after = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_free_ char *mistakes = NULL;

		cr_expect(scale(definition, rows[i].key, rows[i].value, &mistakes) == -1);
		cr_expect_str_eq(mistakes, rows[i].mistakes);
	}
	after = definition_text(definition);
	cr_expect_str_eq(after, before);
	definition_free(definition);
}
