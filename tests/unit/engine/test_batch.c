/* batch: items of one call, each with its own fate; and when a call may begin. */
#include "engine/batch.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/clock.h"
#include "fixture.h"

#define COUNT 5

struct bench {
	struct fixture fixture;
	struct emitter emitter;
	struct stage_ctx whole;
	struct batch batch;
	struct input *input;
	struct item items[COUNT];
	int32_t outcomes[COUNT];
};

static const char *const texts[COUNT] = { "\"a\"", "\"b\"", "\"c\"", "\"d\"", "\"e\"" };

static void begin(struct bench *bench)
{
	ctx_begin(&bench->whole, &bench->items[0]);
	cr_assert_eq(batch_begin(&bench->batch, &bench->whole, bench->items, COUNT), 0);
}

static void bench_init(struct bench *bench)
{
	*bench = (struct bench){ 0 };
	fixture_init(&bench->fixture, false);
	snprintf(bench->fixture.pipeline.id_text, ID_TEXT_SIZE, "j_x");
	bench->whole.run = &bench->fixture.runs[0];
	bench->whole.emitter = &bench->emitter;
	bench->input = block_of(texts, COUNT);
	for (uint32_t at = 0; at < COUNT; at++)
		bench->items[at] = (struct item){ .slab = bench->input->slab,
			.input = bench->input,
			.off = bench->input->offsets[at],
			.len = 3,
			.index = at,
			.span_bits = ITEM_SPAN_BITS };
	begin(bench);
}

static void bench_done(struct bench *bench)
{
	bench->emitter.out.count = 0;
	emitter_done(&bench->emitter);
	ctx_done(&bench->whole);
	batch_done(&bench->batch);
	input_unref_n(bench->input, 1);
	fixture_done(&bench->fixture);
}

static struct stage_ctx *item(struct bench *bench, size_t at)
{
	return stage_batch_item(&bench->whole, at);
}

/* Each letter an output of one byte of that item: "cba". */
static void emit(struct bench *bench, const char *letters)
{
	for (; *letters != '\0'; letters++)
		cr_assert_eq(stage_emit(item(bench, (size_t)(*letters - 'a')), letters, 1),
			STAGE_OK);
}

/* The outputs one after the other. */
static const char *put_out(const struct bench *bench)
{
	static char text[100];
	const struct items *out = &bench->emitter.out;

	for (uint32_t at = 0; at < out->count; at++)
		text[at] = item_text(&out->at[at])[0];
	text[out->count] = '\0';
	return text;
}

static void end(struct bench *bench, enum stage_result result)
{
	batch_end(&bench->batch, &bench->whole, result, bench->outcomes);
}

static void expect_outcomes(
	const struct bench *bench, int32_t a, int32_t b, int32_t c, int32_t d, int32_t e)
{
	const int32_t expected[COUNT] = { a, b, c, d, e };

	for (unsigned at = 0; at < COUNT; at++)
		cr_expect_eq(bench->outcomes[at], expected[at], "%c: %d", 'a' + (int)at,
			bench->outcomes[at]);
}

Test(batch, each_item_has_its_own_input_number_and_id)
{
	struct bench bench;
	size_t len;

	bench_init(&bench);
	bench.items[3].attempt = 2;
	cr_expect_eq(stage_batch_count(&bench.whole), COUNT);
	for (size_t at = 0; at < COUNT; at++) {
		char id[20];

		snprintf(id, sizeof(id), "j_x/%zu", at);
		cr_expect_str_eq(stage_item_id(item(&bench, at)), id);
		cr_expect_str_eq(stage_input(item(&bench, at), &len), texts[at]);
		cr_expect_eq(len, 3);
		cr_expect_eq(stage_attempt(item(&bench, at)), at == 3 ? 3 : 1);
	}
	cr_expect_str_eq(stage_item_id(&bench.whole), "j_x", "the whole has none");
	end(&bench, STAGE_OK);
	cr_expect_eq(stage_batch_count(&bench.whole), 0, "it is over");
	bench_done(&bench);
}

Test(batch, what_is_emitted_in_order_stays_as_it_is)
{
	struct bench bench;

	bench_init(&bench);
	emit(&bench, "abbbe");
	end(&bench, STAGE_OK);
	cr_expect_str_eq(put_out(&bench), "abbbe");
	expect_outcomes(&bench, 1, 3, 0, 0, 1);
	cr_expect_eq(bench.batch.sorted.capacity, 0, "nothing had to be sorted");
	bench_done(&bench);
}

Test(batch, what_is_emitted_in_any_order_is_brought_into_that_of_the_items)
{
	struct bench bench;
	const struct item *out;

	bench_init(&bench);
	emit(&bench, "edacadbaec");
	end(&bench, STAGE_OK);
	cr_expect_str_eq(put_out(&bench), "aaabccddee");
	expect_outcomes(&bench, 3, 1, 2, 2, 2);
	out = bench.emitter.out.at;
	for (unsigned at = 1; at < bench.emitter.out.count; at++)
		cr_expect(out[at].index > out[at - 1].index ||
				  (out[at].index == out[at - 1].index &&
					  out[at].part > out[at - 1].part),
			"%u: numbered as they were emitted", at);
	bench_done(&bench);
}

Test(batch, an_item_that_fails_takes_back_only_its_own)
{
	struct bench bench;

	bench_init(&bench);
	emit(&bench, "dabcd");
	stage_fail(item(&bench, 3), STAGE_TRANSIENT, "no %s", "luck");
	emit(&bench, "ecd"); /* also what comes after that */
	end(&bench, STAGE_OK);
	cr_expect_str_eq(put_out(&bench), "abcce");
	expect_outcomes(&bench, 1, 1, 2, -1, 1);
	cr_expect_str_eq(bench.batch.ctxs[3].verdict.text, "no luck");
	cr_expect_eq(bench.batch.ctxs[3].verdict.kind, FAILURE_TRANSIENT);
	bench_done(&bench);
}

Test(batch, the_fate_of_the_whole_is_that_of_all_that_have_none)
{
	struct bench bench;

	bench_init(&bench);
	emit(&bench, "abcde");
	stage_fail(item(&bench, 1), STAGE_PERMANENT, "of its own");
	end(&bench, stage_fail(&bench.whole, STAGE_TRANSIENT, "of all"));
	cr_expect_eq(bench.emitter.out.count, 0);
	expect_outcomes(&bench, -1, -1, -1, -1, -1);
	for (unsigned at = 0; at < COUNT; at++) {
		const struct verdict *verdict = &bench.batch.ctxs[at].verdict;

		cr_expect_str_eq(verdict->text, at == 1 ? "of its own" : "of all");
		cr_expect_eq(verdict->kind, at == 1 ? FAILURE_PERMANENT : FAILURE_TRANSIENT);
	}
	bench_done(&bench);
}

Test(batch, what_was_there_before_it_is_left_alone)
{
	struct bench bench;

	bench_init(&bench);
	emit(&bench, "ba");
	end(&bench, STAGE_OK);
	begin(&bench);
	emit(&bench, "edc");
	stage_fail(item(&bench, 3), STAGE_PERMANENT, "it has failed");
	end(&bench, STAGE_OK);
	cr_expect_str_eq(put_out(&bench), "abce");
	expect_outcomes(&bench, 0, 0, 1, -1, 1);
	begin(&bench);
	end(&bench, STAGE_OK);
	expect_outcomes(&bench, 0, 0, 0, 0, 0); /* failures are not carried over */
	bench_done(&bench);
}

Test(batch, what_the_stage_may_not_do_fails_all_of_them)
{
	static const struct {
		enum stage_result result;
		const char *text;
	} rows[] = {
		{ STAGE_FAILED, "without a reason" },
		{ STAGE_PENDING, "not allowed" },
		{ STAGE_END, "not allowed" },
		{ (enum stage_result)77, "not allowed" },
	};

	for (unsigned at = 0; at < ARRAY_SIZE(rows); at++) {
		struct bench bench;

		bench_init(&bench);
		emit(&bench, "abc");
		end(&bench, rows[at].result);
		expect_outcomes(&bench, -1, -1, -1, -1, -1);
		cr_expect_not_null(
			strstr(bench.batch.ctxs[4].verdict.text, rows[at].text), "%u", at);
		bench_done(&bench);
	}
}

Test(batch, nothing_can_be_emitted_for_the_whole)
{
	struct bench bench;

	bench_init(&bench);
	emit(&bench, "a");
	cr_expect_eq(stage_emit(&bench.whole, "1", 1), STAGE_FAILED);
	cr_expect_eq(stage_emit_input(&bench.whole), STAGE_FAILED);
	end(&bench, STAGE_OK);
	expect_outcomes(&bench, -1, -1, -1, -1, -1);
	cr_expect_eq(bench.emitter.out.count, 0);
	bench_done(&bench);
}

Test(batch, an_item_that_becomes_too_many_fails_alone)
{
	struct bench bench;

	bench_init(&bench);
	bench.items[2].span_bits = 1;
	emit(&bench, "eccca");
	end(&bench, STAGE_OK);
	cr_expect_str_eq(put_out(&bench), "ae");
	expect_outcomes(&bench, 1, 0, -1, 0, 1);
	bench_done(&bench);
}

Test(batch, scratch_memory_lasts_until_the_whole_is_over)
{
	struct bench bench;
	char *first, *second;

	bench_init(&bench);
	first = stage_scratch(item(&bench, 0), 100);
	second = stage_scratch(item(&bench, 4), 100);
	memset(first, 'x', 100);
	memset(second, 'y', 100);
	cr_expect(first + 100 <= second || second + 100 <= first);
	end(&bench, STAGE_OK);
	begin(&bench);
	cr_expect_eq(bench.whole.scratch.used, 0);
	end(&bench, STAGE_OK);
	bench_done(&bench);
}

/* ---- when a call may begin ---- */

struct queued {
	struct fixture fixture;
	struct pipeline *pipeline;
	struct stage_run *run;
	struct input *input;
};

#define MS NS_PER_MS

/* Batches of 4 that wait for 10 ms; nothing waits yet. */
static void queued_init(struct queued *queued)
{
	*queued = (struct queued){ 0 };
	fixture_init(&queued->fixture, false);
	queued->fixture.def.batch_wait_ms = 10;
	queued->pipeline = &queued->fixture.pipeline;
	queued->run = &queued->fixture.runs[0];
	queued->run->batch_max = 4;
	queued->input = block_of(texts, COUNT);
}

static void queued_done(struct queued *queued)
{
	input_unref_n(queued->input, 1);
	fixture_done(&queued->fixture);
}

static void put(struct queued *queued, uint32_t count)
{
	for (uint32_t at = 0; at < count; at++) {
		struct item one = { .slab = queued->input->slab,
			.input = queued->input,
			.off = queued->input->offsets[at],
			.len = 3,
			.index = at,
			.span_bits = ITEM_SPAN_BITS };

		cr_assert_eq(queue_push(&queued->run->queue, &one, 1), 0);
		slab_ref_n(one.slab, 1);
	}
}

/* Take what may begin at that time; how many there were. */
static unsigned take(struct queued *queued, uint64_t now_ns)
{
	struct item items[COUNT];
	uint64_t count;

	pipeline_feed(queued->pipeline);
	count = pipeline_startable(queued->pipeline, queued->run, now_ns);
	if (count == 0)
		return 0;
	count = queue_pop(&queued->run->queue, items, MIN((uint32_t)count, 4u));
	queued->run->batch_since_ns = 0; /* as those do who take them */
	for (unsigned at = 0; at < count; at++) {
		if (items[at].input != queued->input) /* it was fed: it must come to its end */
			pipeline_count_parts(queued->pipeline, &items[at], 0);
		slab_unref(items[at].slab);
	}
	return (unsigned)count;
}

Test(batch_start, waits_for_a_whole_one_and_as_long_as_it_was_told)
{
	struct queued queued;

	queued_init(&queued);
	put(&queued, 3);
	cr_expect_eq(take(&queued, 100 * MS), 0);
	cr_expect_eq(queued.pipeline->timer_due_ns, 110 * MS, "somebody looks again then");
	cr_expect_eq(take(&queued, 109 * MS), 0);
	cr_expect_eq(take(&queued, 110 * MS), 3);
	put(&queued, 2);
	cr_expect_eq(take(&queued, 200 * MS), 0, "the next ones wait as well");
	put(&queued, 2);
	cr_expect_eq(take(&queued, 201 * MS), 4, "all are there");
	queued_done(&queued);
}

Test(batch_start, the_time_that_workers_were_busy_counts)
{
	struct queued queued;

	queued_init(&queued);
	put(&queued, 1);
	queued.run->active = 1;
	cr_expect_eq(take(&queued, 100 * MS), 0);
	queued.run->active = 0;
	cr_expect_eq(take(&queued, 150 * MS), 1);
	queued_done(&queued);
}

Test(batch_start, nothing_waits_for_what_cannot_come)
{
	struct queued queued;

	queued_init(&queued);
	put(&queued, 1);
	cr_expect_eq(take(&queued, 100 * MS), 0);
	queued.pipeline->input_over = true;
	queued.pipeline->cold = true;
	cr_expect_eq(take(&queued, 101 * MS), 0, "a block is still on disk");
	queued.pipeline->cold = false;
	cr_expect_eq(take(&queued, 101 * MS), 1);
	queued.pipeline->input_over = false;
	put(&queued, 1);
	cr_expect_eq(take(&queued, 102 * MS), 0);
	queued.pipeline->no_feed = true;
	cr_expect_eq(take(&queued, 103 * MS), 1, "the server drains");
	queued_done(&queued);
}

Test(batch_start, nothing_waits_for_what_the_bytes_of_the_queue_keep_out)
{
	struct queued queued;

	queued_init(&queued);
	queue_done(&queued.run->queue);
	queue_init(&queued.run->queue, 1000, item_weight(&(struct item){ .len = 3 }) * 2 + 1);
	pipeline_add_input(queued.pipeline, block_of(texts, COUNT));
	cr_expect_eq(
		take(&queued, 100 * MS), 2, "the third has no room, so it is not waited for");
	cr_expect_eq(take(&queued, 100 * MS), 2);
	cr_expect_eq(take(&queued, 100 * MS), 0, "the last one may get company");
	queued.pipeline->input_over = true;
	cr_expect_eq(take(&queued, 100 * MS), 1);
	queued_done(&queued);
}

Test(batch_start, neither_pause_nor_want_of_items_begins_one)
{
	struct queued queued;

	queued_init(&queued);
	cr_expect_eq(take(&queued, 100 * MS), 0);
	put(&queued, 4);
	queued.pipeline->paused = true;
	cr_expect_eq(take(&queued, 100 * MS), 0);
	queued.pipeline->paused = false;
	cr_expect_eq(take(&queued, 100 * MS), 4);
	queued_done(&queued);
}
