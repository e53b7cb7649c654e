/* What cases cannot say: time, cancelling, size, damage, memory. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "plugin/registry.h"
#include "support/stage_host.h"

static struct registry *registry;

static void set_up(void)
{
	struct error err;

	cr_assert(registry_new(&registry, &err) == 0);
}

static void tear_down(void)
{
	registry_free(registry);
}

TestSuite(stages, .init = set_up, .fini = tear_down);

static void open_stage(struct stage_host *host, const char *name, const char *params)
{
	json_t *json = json_loads(params, 0, NULL);
	struct error err = { 0 };

	cr_assert(json != NULL);
	cr_assert(stage_host_open(host, registry_find(registry, name), json, NULL, &err) == 0,
		"%s", err.text);
	json_decref(json);
}

static enum stage_result run(struct stage_host *host, const char *item, uint64_t number)
{
	return stage_host_run(host, item, strlen(item), number, 1);
}

Test(stages, sleep_asks_for_its_time_and_spreads_its_jitter)
{
	struct stage_host host;
	uint64_t least = UINT64_MAX, most = 0, first;

	open_stage(&host, "sleep", "{\"ms\":100,\"jitter_ms\":50}");
	for (uint64_t number = 0; number < 1000; number++) {
		cr_assert(run(&host, "1", number) == STAGE_OK);
		least = MIN(least, stage_host_waited_ms(&host));
		most = MAX(most, stage_host_waited_ms(&host));
	}
	cr_expect(least == 100 && most == 150, "%llu to %llu", (unsigned long long)least,
		(unsigned long long)most);
	run(&host, "1", 7);
	first = stage_host_waited_ms(&host);
	run(&host, "1", 7);
	cr_expect(stage_host_waited_ms(&host) == first,
		"the same item waits the same time again");
	stage_host_close(&host);
}

Test(stages, sleep_wakes_up_when_cancelled)
{
	struct stage_host host;
	enum stage_failure kind;

	open_stage(&host, "sleep", "{\"ms\":100}");
	stage_host_cancel_next(&host);
	cr_expect(run(&host, "1", 0) == STAGE_FAILED);
	cr_expect_str_eq(stage_host_failure(&host, &kind), "woken before its time");
	cr_expect(kind == STAGE_TRANSIENT);
	cr_expect(stage_host_emitted(&host) == 0);
	stage_host_close(&host);
}

/* {"text":"xxx…","n":1} of about `size` bytes. */
static char *large_item(size_t size)
{
	char *item = mem_alloc(size + 32);

	cr_assert(item != NULL);
	strcpy(item, "{\"text\":\"");
	memset(item + 9, 'x', size);
	strcpy(item + 9 + size, "\",\"n\":1}");
	return item;
}

Test(stages, large_items_go_through_every_map_stage)
{
	static const struct {
		const char *name, *params;
		size_t more; /* how much longer the item becomes */
	} rows[] = { { "pass", "{}", 0 }, { "sleep", "{\"ms\":1}", 0 },
		{ "sha256", "{\"field\":\"text\"}", 76 },
		{ "pick", "{\"fields\":[\"text\",\"n\"]}", 0 },
		{ "filter", "{\"pointer\":\"n\",\"op\":\"eq\",\"value\":1}", 0 } };
	size_t sizes[] = { 100, 16000, 16400, 1 << 20 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(sizes); j++) {
			_auto_free_ char *item = large_item(sizes[j]);
			struct stage_host host;
			size_t len;

			open_stage(&host, rows[i].name, rows[i].params);
			cr_assert(run(&host, item, 0) == STAGE_OK &&
				  stage_host_emitted(&host) == 1);
			stage_host_output(&host, 0, &len);
			cr_expect(len == strlen(item) + rows[i].more, "%s", rows[i].name);
			stage_host_close(&host);
		}
	}
}

Test(stages, deep_items_do_not_use_the_stack)
{
	size_t depth = 400000;
	_auto_free_ char *item = mem_alloc(2 * depth + 64);
	struct stage_host host;

	cr_assert(item != NULL);
	memcpy(item, "{\"deep\":", 8);
	memset(item + 8, '[', depth);
	memset(item + 8 + depth, ']', depth);
	strcpy(item + 8 + 2 * depth, ",\"text\":\"abc\"}");
	open_stage(&host, "sha256", "{\"field\":\"text\"}");
	cr_expect(run(&host, item, 0) == STAGE_OK);
	stage_host_close(&host);
	open_stage(&host, "filter", "{\"pointer\":\"deep\",\"op\":\"eq\",\"value\":[[[1]]]}");
	cr_expect(run(&host, item, 0) == STAGE_OK && stage_host_emitted(&host) == 0);
	stage_host_close(&host);
	open_stage(&host, "explode", "{\"field\":\"deep\"}");
	cr_expect(run(&host, item, 0) == STAGE_OK && stage_host_emitted(&host) == 1);
	stage_host_close(&host);
}

Test(stages, filter_refuses_to_match_what_is_too_long)
{
	_auto_free_ char *item = large_item(65537);
	struct stage_host host;
	enum stage_failure kind;

	open_stage(
		&host, "filter", "{\"pointer\":\"text\",\"op\":\"matches\",\"value\":\"x*\"}");
	cr_expect(run(&host, item, 0) == STAGE_FAILED);
	stage_host_failure(&host, &kind);
	cr_expect(kind == STAGE_PERMANENT);
	stage_host_close(&host);
}

Test(stages, filter_matches_strings_that_hold_a_nul)
{
	struct stage_host host;

	open_stage(&host, "filter", "{\"pointer\":\"s\",\"op\":\"matches\",\"value\":\"b$\"}");
	cr_expect(run(&host, "{\"s\":\"a\\u0000b\"}", 0) == STAGE_OK);
	cr_expect(stage_host_emitted(&host) == 1);
	stage_host_close(&host);
}

Test(stages, a_source_stops_early_rather_than_emit_much_at_once)
{
	struct stage_host host;
	char params[3000];
	size_t emitted;

	snprintf(params, sizeof(params), "{\"to\":100000,\"template\":\"%02000d $i\"}", 0);
	open_stage(&host, "range", params);
	cr_assert(stage_host_generate(&host, 4000) == STAGE_OK);
	emitted = stage_host_emitted(&host);
	cr_expect(emitted > 100 && emitted < 200, "%zu", emitted);
	stage_host_close(&host);
}

static int open_with_state(
	const char *name, const char *params, const void *bytes, size_t len, struct error *err)
{
	struct buf state = { (char *)(uintptr_t)bytes, len, len };
	json_t *json = json_loads(params, 0, NULL);
	struct stage_host host;
	int result = stage_host_open(&host, registry_find(registry, name), json, &state, err);

	if (result == 0 && host.stage->kind == STAGE_SOURCE)
		result = stage_host_generate(&host, 1) == STAGE_FAILED ? -1 : 0;
	stage_host_close(&host);
	json_decref(json);
	return result;
}

Test(stages, a_damaged_cursor_is_refused)
{
	static const char *const states[] = { "", "x", "5x", "4", "11", "-1",
		"99999999999999999999", "999999999999999999999999" };
	struct error err;

	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		cr_expect(open_with_state("range", "{\"from\":5,\"to\":10}", states[i],
				  strlen(states[i]), &err) < 0,
			"'%s'", states[i]);
	cr_expect(open_with_state("range", "{\"from\":5,\"to\":10}", "10", 2, &err) == 0);
}

/* Every shorter state, and every one with a byte more. */
Test(stages, a_damaged_checkpoint_is_refused)
{
	static const char params[] = "{\"field\":\"n\",\"by\":\"s\"}";
	struct stage_host host;
	struct buf state = BUF_INIT;
	struct error err;

	open_stage(&host, "aggregate", params);
	run(&host, "{\"n\":1,\"s\":\"Graz\"}", 0);
	run(&host, "{\"n\":2.5,\"s\":\"Bergen\"}", 1);
	cr_assert(stage_host_checkpoint(&host) == STAGE_OK);
	buf_append(&state, stage_host_state(&host)->data, stage_host_state(&host)->len);
	stage_host_close(&host);
	cr_expect(open_with_state("aggregate", params, state.data, state.len, &err) == 0);
	for (size_t len = 0; len < state.len; len++)
		cr_expect(open_with_state("aggregate", params, state.data, len, &err) < 0,
			"%zu", len);
	cr_expect_str_eq(err.text, "the saved sums are damaged");
	buf_append(&state, "", 1);
	cr_expect(open_with_state("aggregate", params, state.data, state.len, &err) < 0);
	buf_done(&state);
}

Test(stages, aggregate_holds_many_groups_and_gives_each_its_own)
{
	struct stage_host host;
	char item[64];
	const char *report;
	json_t *root;
	size_t len;

	open_stage(&host, "aggregate", "{\"field\":\"n\",\"by\":\"k\"}");
	for (int i = 0; i < 30000; i++) {
		snprintf(item, sizeof(item), "{\"n\":%d,\"k\":\"key-%d\"}", i, i % 10000);
		cr_assert(run(&host, item, (uint64_t)i) == STAGE_OK);
	}
	cr_assert(stage_host_report(&host) == STAGE_OK);
	report = stage_host_output(&host, 0, &len);
	root = json_loadb(report, len, 0, NULL);
	cr_assert(root != NULL);
	cr_expect(json_object_size(json_object_get(root, "groups")) == 10000);
	for (int i = 0; i < 10000; i += 777) {
		json_int_t count, sum;

		snprintf(item, sizeof(item), "key-%d", i);
		cr_assert(json_unpack(json_object_get(json_object_get(root, "groups"), item),
				  "{s:I, s:I}", "count", &count, "sum", &sum) == 0);
		cr_expect(count == 3 && sum == 3 * i + 30000);
	}
	json_decref(root);
	stage_host_close(&host);
}
