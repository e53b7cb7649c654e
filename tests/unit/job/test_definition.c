/* A definition: its defaults, its mistakes, and back to JSON. */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "base/mem.h"
#include "catalog.h"

Test(definition, defaults_are_filled_in)
{
	struct definition *definition = must_parse("{\"stages\":[{\"use\":\"map\"}]}");
	_auto_free_ char *text = definition_text(definition);

	cr_expect_str_eq(text,
		"{\"name\":\"\",\"labels\":{},\"stages\":[{\"use\":\"map\",\"name\":\"map\","
		"\"params\":{\"n\":7},\"workers\":1,\"scaled\":false,"
		"\"queue\":{\"items\":1024,\"bytes\":16777216},\"timeout_ms\":null,"
		"\"retry\":{\"attempts\":3,\"backoff_ms\":200,\"max_backoff_ms\":30000},"
		"\"on_error\":\"dead_letter\",\"rate\":null}],\"order\":\"none\","
		"\"backlog\":{\"bytes\":268435456},\"limits\":{\"max_failures\":null,"
		"\"max_failure_ratio\":null,\"deadline_ms\":null},\"retention_ms\":604800000}");
	cr_expect(!definition->has_source && !definition->has_sink && !definition->ordered);
	cr_expect(definition->limits.max_failures == -1);
	cr_expect(definition->limits.max_failure_ratio < 0);
	definition_free(definition);
}

Test(definition, everything_given_is_taken)
{
	struct definition *definition = must_parse(
		"{\"name\":\"orders é\",\"labels\":{\"a\":\"1\",\"b\":\"\"},\"order\":\"input\","
		"\"stages\":[{\"use\":\"source\"},{\"use\":\"map\",\"name\":\"A_b-9\",\"workers\":8,"
		"\"params\":{\"n\":3},\"queue\":{\"items\":1,\"bytes\":2},\"timeout_ms\":5,"
		"\"retry\":{\"attempts\":1,\"backoff_ms\":0,\"max_backoff_ms\":0},"
		"\"on_error\":\"fail\",\"rate\":{\"per_second\":0.5}},{\"use\":\"sink\"}],"
		"\"backlog\":{\"bytes\":1},\"retention_ms\":0,"
		"\"limits\":{\"max_failures\":0,\"max_failure_ratio\":0.25,\"deadline_ms\":9}}");
	const struct stage_def *stage = &definition->stages[1];

	cr_expect(definition->has_source && definition->has_sink && definition->ordered);
	cr_expect(definition->stage_count == 3);
	cr_expect_str_eq(stage->name, "A_b-9");
	cr_expect(stage->workers == 8 && stage->scaled);
	cr_expect(!definition->stages[0].scaled);
	cr_expect(stage->queue_items == 1 && stage->queue_bytes == 2 && stage->timeout_ms == 5);
	cr_expect(stage->attempts == 1 && stage->backoff_ms == 0 && stage->max_backoff_ms == 0);
	cr_expect(stage->on_error == ON_ERROR_FAIL);
	cr_expect(stage->rate_per_s == 0.5); /* NOLINT: exact in binary */
	cr_expect(definition->limits.max_failures == 0 && definition->limits.deadline_ms == 9);
	cr_expect(definition->backlog_bytes == 1 && definition->retention_ms == 0);
	cr_expect(definition_find_stage(definition, "sink") == 2);
	cr_expect(definition_find_stage(definition, "map") == -1);
	definition_free(definition);
}

static const char *const round_trips[] = {
	"{\"stages\":[{\"use\":\"map\"},{\"use\":\"map\",\"workers\":1},{\"use\":\"map\"}]}",
	"{\"stages\":[{\"use\":\"source\",\"workers\":10000},{\"use\":\"sink\"}]}",
	"{\"stages\":[{\"use\":\"map\",\"rate\":{\"per_second\":0.1},\"timeout_ms\":60000}],"
	"\"limits\":{\"max_failure_ratio\":0.1,\"max_failures\":12}}",
	"{\"stages\":[{\"use\":\"map\",\"retry\":{\"backoff_ms\":60000}},"
	"{\"use\":\"map\",\"retry\":{\"max_backoff_ms\":100}}]}",
	"{\"name\":\"n\",\"labels\":{\"k\":\"v\"},\"order\":\"input\",\"stages\":[{\"use\":\"map\","
	"\"on_error\":\"drop\",\"rate\":null,\"timeout_ms\":null}],\"limits\":{\"deadline_ms\":null}}",
};

/* What the ledger stores is read by the same parser, and nothing is lost or made up. */
Test(definition, to_json_reads_back_the_same)
{
	for (size_t i = 0; i < ARRAY_SIZE(round_trips); i++) {
		struct definition *once = must_parse(round_trips[i]), *again;
		_auto_free_ char *text = definition_text(once), *second = NULL;

		again = must_parse(text);
		second = definition_text(again);
		cr_expect_str_eq(second, text);
		for (unsigned stage = 0; stage < once->stage_count; stage++)
			cr_expect(once->stages[stage].scaled == again->stages[stage].scaled);
		definition_free(once);
		definition_free(again);
	}
}

Test(definition, scaled_is_what_somebody_asked_workers_for)
{
	struct definition *definition = must_parse(round_trips[0]);

	cr_expect(!definition->stages[0].scaled);
	cr_expect(definition->stages[1].scaled && definition->stages[1].workers == 1);
	definition_free(definition);
}

Test(definition, names_are_made_where_none_are_given)
{
	struct definition *definition = must_parse(
		"{\"stages\":[{\"use\":\"map\"},{\"use\":\"map\"},{\"use\":\"pick\",\"name\":\"map-2\"},"
		"{\"use\":\"map\"},{\"use\":\"pick\"},{\"use\":\"queue\"}]}");
	static const char *const names[] = { "map", "map-3", "map-2", "map-4", "pick",
		"queue-2" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		cr_expect_str_eq(definition->stages[i].name, names[i]);
	definition_free(definition);
}

Test(definition, half_given_retry_fits_the_other_half_to_it)
{
	struct definition *definition = must_parse(round_trips[3]);

	cr_expect(definition->stages[0].backoff_ms == 60000);
	cr_expect(definition->stages[0].max_backoff_ms == 60000);
	cr_expect(definition->stages[1].backoff_ms == 100);
	cr_expect(definition->stages[1].max_backoff_ms == 100);
	cr_expect(definition->stages[0].attempts == 3);
	definition_free(definition);
}

#define STAGES(stage)      "{\"stages\":[" stage "]}"
#define STAGE_WITH(member) STAGES("{\"use\":\"map\"," member "}")
#define JOB_WITH(member)   "{\"stages\":[{\"use\":\"map\"}]," member "}"
#define LONG_64            "0123456789012345678901234567890123456789012345678901234567890123"
#define LONG_256           LONG_64 LONG_64 LONG_64 LONG_64

static const struct bad {
	const char *text, *mistakes;
} bad[] = {
	{ "[]", ": must be an object, not an array" },
	{ "null", ": must be an object, not null" },
	{ "{}", "/stages: is missing: the pipeline, as in [{\"use\":\"pass\"}]" },
	{ "{\"stages\":{}}", "/stages: must be an array, not an object" },
	{ "{\"stages\":[]}", "/stages: is empty: give at least one stage" },
	{ "{\"stages\":[\"map\"]}", "/stages/0: must be an object, not \"map\"" },
	{ STAGES("{}"),
		"/stages/0/use: is missing: the name of a stage, as GET /v1/stages lists them" },
	{ STAGES("{\"use\":7}"), "/stages/0/use: must be the name of a stage" },
	{ STAGES("{\"use\":\"sha265\"}"),
		"/stages/0/use: there is no stage 'sha265'; did you mean 'sha256'?" },
	{ STAGES("{\"use\":\"nothing\"}"),
		"/stages/0/use: there is no stage 'nothing', GET /v1/stages lists those there are" },
	{ STAGES("{\"use\":\"map\\u0000\"}"),
		"/stages/0/use: there is no stage 'map', GET /v1/stages lists those there are" },
	{ STAGES("{\"use\":\"map\"},{\"use\":\"source\"}"),
		"/stages/1/use: 'source' is a source: it can only stand first" },
	{ STAGES("{\"use\":\"sink\"},{\"use\":\"map\"}"),
		"/stages/0/use: 'sink' is a sink: it can only stand last" },
	{ STAGE_WITH("\"worker\":8"),
		"/stages/0/worker: there is no such field; did you mean 'workers'?" },
	{ STAGE_WITH("\"a/b~c\":8"), "/stages/0/a~1b~0c: there is no such field" },
	{ STAGE_WITH("\"workers\":0"),
		"/stages/0/workers: must be a whole number from 1 to 10000, not 0" },
	{ STAGE_WITH("\"workers\":10001"),
		"/stages/0/workers: must be a whole number from 1 to 10000, not 10001" },
	{ STAGE_WITH("\"workers\":-1"),
		"/stages/0/workers: must be a whole number from 1 to 10000, not -1" },
	{ STAGE_WITH("\"workers\":8.0"),
		"/stages/0/workers: must be a whole number: write 8, not 8.0" },
	{ STAGE_WITH("\"workers\":8.5"), "/stages/0/workers: must be a whole number, not 8.5" },
	{ STAGE_WITH("\"workers\":\"8\""),
		"/stages/0/workers: must be a whole number from 1 to 10000, not \"8\"" },
	{ STAGE_WITH("\"workers\":null"),
		"/stages/0/workers: must be a whole number from 1 to 10000, not null" },
	{ STAGE_WITH("\"workers\":[1]"),
		"/stages/0/workers: must be a whole number from 1 to 10000, not an array" },
	{ STAGE_WITH("\"workers\":2,\"scaled\":false"),
		"/stages/0/scaled: a stage of 2 workers is scaled" },
	{ STAGE_WITH("\"scaled\":1"), "/stages/0/scaled: must be true or false, not 1" },
	{ STAGE_WITH("\"params\":[]"), "/stages/0/params: must be an object, not an array" },
	{ STAGE_WITH("\"params\":{\"n\":\"x\"}"), "/stages/0/params: n must be whole" },
	{ STAGE_WITH("\"queue\":8"), "/stages/0/queue: must be an object, not 8" },
	{ STAGE_WITH("\"queue\":{\"item\":8}"),
		"/stages/0/queue/item: there is no such field; did you mean 'items'?" },
	{ STAGE_WITH("\"queue\":{\"items\":0,\"bytes\":1073741825}"),
		"/stages/0/queue/items: must be a whole number from 1 to 1000000, not 0\n"
		"/stages/0/queue/bytes: must be a whole number from 1 to 1073741824, not 1073741825" },
	{ STAGE_WITH("\"timeout_ms\":0"),
		"/stages/0/timeout_ms: must be a whole number from 1 to 604800000, not 0" },
	{ STAGE_WITH("\"retry\":{\"attempts\":0}"),
		"/stages/0/retry/attempts: must be a whole number from 1 to 1000, not 0" },
	{ STAGE_WITH("\"retry\":{\"backoff_ms\":2,\"max_backoff_ms\":1}"),
		"/stages/0/retry/max_backoff_ms: must not be less than backoff_ms" },
	{ STAGE_WITH("\"retry\":null"), "/stages/0/retry: must be an object, not null" },
	{ STAGE_WITH("\"on_error\":\"ignore\""),
		"/stages/0/on_error: must be \"dead_letter\", \"drop\" or \"fail\", not \"ignore\"" },
	{ STAGE_WITH("\"on_error\":null"),
		"/stages/0/on_error: must be \"dead_letter\", \"drop\" or \"fail\", not null" },
	{ STAGE_WITH("\"rate\":{}"), "/stages/0/rate/per_second: is missing" },
	{ STAGE_WITH("\"rate\":{\"per_second\":0}"),
		"/stages/0/rate/per_second: must be a number from 0.001 to 1000000000, not 0" },
	{ STAGE_WITH("\"rate\":100"), "/stages/0/rate: must be an object, not 100" },
	{ STAGE_WITH("\"name\":\"\""),
		"/stages/0/name: must be 1 to 64 letters, digits, '_' or '-', not \"\"" },
	{ STAGE_WITH("\"name\":\"a.b\""),
		"/stages/0/name: must be 1 to 64 letters, digits, '_' or '-', not \"a.b\"" },
	{ STAGE_WITH("\"name\":\"workers\""),
		"/stages/0/name: 'workers' is taken by the query parameters workers.NAME" },
	{ STAGE_WITH("\"name\":\"" LONG_64 "x\""),
		"/stages/0/name: must be 1 to 64 letters, digits, '_' or '-', not "
		"\"01234567890123456789012345678901234567890123456789012345678…" },
	{ STAGES("{\"use\":\"map\",\"name\":\"a\"},{\"use\":\"map\",\"name\":\"a\"}"),
		"/stages/1/name: 'a' is the name of stage 0 already" },
	{ JOB_WITH("\"name\":7"), "/name: must be a string, not 7" },
	{ JOB_WITH("\"name\":\"a\\nb\""), "/name: holds control characters" },
	{ JOB_WITH("\"name\":\"\\u0085\""), "/name: holds control characters" },
	{ JOB_WITH("\"name\":\"" LONG_256 "x\""), "/name: has 257 bytes; at most 256 may be" },
	{ JOB_WITH("\"labels\":[]"), "/labels: must be an object of strings, not an array" },
	{ JOB_WITH("\"labels\":{\"a\":1,\"b\":null}"),
		"/labels/a: must be a string, not 1\n/labels/b: must be a string, not null" },
	{ JOB_WITH("\"labels\":{\"\":\"x\"}"),
		"/labels/: a label's key has 1 to 256 printable bytes" },
	{ JOB_WITH("\"labels\":{\"a\":\"" LONG_256 "x\"}"),
		"/labels/a: has 257 bytes; at most 256 may be" },
	{ JOB_WITH("\"order\":\"inputs\""),
		"/order: must be \"none\" or \"input\", not \"inputs\"" },
	{ JOB_WITH("\"backlog\":{\"bytes\":0}"),
		"/backlog/bytes: must be a whole number from 1 to 1099511627776, not 0" },
	{ JOB_WITH("\"backlog\":5"), "/backlog: must be an object, not 5" },
	{ JOB_WITH("\"limits\":{\"max_failures\":-1}"),
		"/limits/max_failures: must be a whole number from 0 to 9223372036854775807, not -1" },
	{ JOB_WITH("\"limits\":{\"max_failure_ratio\":1.5}"),
		"/limits/max_failure_ratio: must be a number from 0 to 1, not 1.5" },
	{ JOB_WITH("\"limits\":{\"deadline\":1}"),
		"/limits/deadline: there is no such field; did you mean 'deadline_ms'?" },
	{ JOB_WITH("\"retention_ms\":-5"),
		"/retention_ms: must be a whole number from 0 to 315360000000, not -5" },
	{ JOB_WITH("\"stage\":[]"), "/stage: there is no such field; did you mean 'stages'?" },
	{ "{\"sages\":[],\"order\":1,\"stages\":[{\"use\":\"x\",\"workers\":0},{\"use\":\"map\",\"q\":1}]}",
		"/sages: there is no such field; did you mean 'stages'?\n"
		"/stages/0/use: there is no stage 'x', GET /v1/stages lists those there are\n"
		"/stages/0/workers: must be a whole number from 1 to 10000, not 0\n"
		"/stages/1/q: there is no such field\n"
		"/order: must be \"none\" or \"input\", not 1" },
};

Test(definition, every_mistake_is_told_with_its_pointer)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_auto_free_ char *found = mistakes_of(bad[i].text, &definition_rules_default);

		cr_expect_str_eq(found, bad[i].mistakes);
	}
}

Test(definition, bounds_are_the_operators)
{
	const struct definition_rules rules = { .stages_max = 2,
		.queue_items_max = 10,
		.queue_bytes_max = 1000,
		.backlog_default = 5000,
		.backlog_max = 2000,
		.retention_default_ms = 60000 };
	_auto_free_ char *found = mistakes_of(
		"{\"backlog\":{\"bytes\":2001},\"stages\":[{\"use\":\"map\",\"queue\":{\"items\":11}},"
		"{\"use\":\"map\"},{\"use\":\"map\"}]}",
		&rules);
	json_t *root = json_loads("{\"stages\":[{\"use\":\"map\"}]}", 0, NULL);
	struct definition *definition;
	struct mistakes mistakes;
	struct error err;

	cr_expect_str_eq(found,
		"/stages: has 3 stages; at most 2 may be\n"
		"/stages/0/queue/items: must be a whole number from 1 to 10, not 11\n"
		"/backlog/bytes: must be a whole number from 1 to 2000, not 2001");
	mistakes_init(&mistakes);
	cr_assert(definition_parse(root, &test_catalog, &rules, &mistakes, &definition, &err) ==
		  0);
	cr_expect(definition->stages[0].queue_items == 10);
	cr_expect(definition->stages[0].queue_bytes == 1000);
	cr_expect(definition->backlog_bytes == 2000 && definition->retention_ms == 60000);
	definition_free(definition);
	json_decref(root);
}

Test(definition, labels_are_bounded_in_number)
{
	json_t *root = json_loads("{\"stages\":[{\"use\":\"map\"}],\"labels\":{}}", 0, NULL);
	_auto_free_ char *text = NULL, *found = NULL;
	char key[16];

	for (int i = 0; i < 65; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		json_object_set_new(json_object_get(root, "labels"), key, json_string("v"));
	}
	text = json_dumps(root, 0);
	found = mistakes_of(text, &definition_rules_default);
	cr_expect_str_eq(found, "/labels: there are 65 labels; at most 64 may be");
	json_decref(root);
}

Test(mistakes, are_kept_up_to_a_number_and_fit_for_json)
{
	struct mistakes mistakes;
	char longer[1000];
	json_t *list;

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	memcpy(longer + 394, "ééé", sizeof("ééé") - 1);
	mistakes_init(&mistakes);
	mistakes_add(&mistakes, "/a\xff\n", "not \xc3( text\x01");
	mistakes_add(&mistakes, "", "%s", longer);
	for (int i = 0; i < 200; i++)
		mistakes_add(&mistakes, "/x", "%d", i);
	cr_expect(mistakes.count == MISTAKES_MAX);
	cr_expect_str_eq(mistakes.items[0].pointer, "/a??");
	cr_expect_str_eq(mistakes.items[0].detail, "not ?( text?");
	list = mistakes_to_json(&mistakes);
	cr_assert(list != NULL && json_array_size(list) == MISTAKES_MAX);
	cr_expect(json_string_length(json_object_get(json_array_get(list, 1), "detail")) < 400);
	json_decref(list);
	mistakes_done(&mistakes);
}
