/* ctx: what one item becomes is numbered, the same at every attempt, in the order of emission.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/ctx.h"
#include "fixture.h"

struct bench {
	struct fixture fixture;
	struct emitter emitter;
	struct stage_ctx ctx;
	struct input *input;
};

static void bench_init(struct bench *bench)
{
	static const char *const texts[] = { "\"a\"" };

	*bench = (struct bench){ 0 };
	fixture_init(&bench->fixture, false);
	bench->ctx.run = &bench->fixture.runs[0];
	bench->ctx.emitter = &bench->emitter;
	bench->input = block_of(texts, 1);
	snprintf(bench->fixture.pipeline.id_text, ID_TEXT_SIZE, "j_x");
}

static void bench_done(struct bench *bench)
{
	bench->emitter.out.count = 0;
	emitter_done(&bench->emitter);
	ctx_done(&bench->ctx);
	input_unref_n(bench->input, 1);
	fixture_done(&bench->fixture);
}

static struct item whole(const struct bench *bench)
{
	return (struct item){ .slab = bench->input->slab,
		.input = bench->input,
		.off = bench->input->offsets[0],
		.len = 3,
		.span_bits = ITEM_SPAN_BITS };
}

/* The item becomes n; the k-th of them is returned. */
static struct item become(struct bench *bench, struct item item, uint32_t n, uint32_t k)
{
	uint32_t first = bench->emitter.out.count;

	ctx_begin(&bench->ctx, &item);
	for (uint32_t at = 0; at < n; at++)
		cr_assert_eq(stage_emit_input(&bench->ctx), STAGE_OK);
	cr_assert_eq(ctx_end(&bench->ctx, STAGE_OK), n);
	return bench->emitter.out.at[first + k];
}

Test(parts, one_for_one_keeps_number_and_span)
{
	struct bench bench;
	struct item item;

	bench_init(&bench);
	item = become(&bench, whole(&bench), 1, 0);
	cr_expect_eq(item.part, 0);
	cr_expect_eq(item.span_bits, ITEM_SPAN_BITS);
	bench_done(&bench);
}

Test(parts, nested_explosions_sort_in_the_order_of_emission)
{
	struct bench bench;
	uint64_t last = 0;
	bool first = true;

	bench_init(&bench);
	for (uint32_t a = 0; a < 5; a++) {
		for (uint32_t b = 0; b < 3; b++) {
			for (uint32_t c = 0; c < 7; c++) {
				struct item item = whole(&bench);

				item = become(&bench, item, 5, a);
				item = become(&bench, item, 1, 0);
				item = become(&bench, item, 3, b);
				item = become(&bench, item, 7, c);
				cr_assert(first || item.part > last, "%u %u %u", a, b, c);
				last = item.part;
				first = false;
			}
		}
	}
	bench_done(&bench);
}

Test(parts, ids_are_those_of_the_attempt_before)
{
	struct bench bench;
	struct item item;
	char id[100];

	bench_init(&bench);
	item = become(&bench, whole(&bench), 4, 2);
	ctx_begin(&bench.ctx, &item);
	snprintf(id, sizeof(id), "%s", stage_item_id(&bench.ctx));
	cr_expect_str_eq(id, "j_x/0.8000000000000000");
	item.attempt = 5;
	ctx_begin(&bench.ctx, &item);
	cr_expect_str_eq(stage_item_id(&bench.ctx), id);
	cr_expect_eq(stage_attempt(&bench.ctx), 6);
	bench_done(&bench);
}

Test(parts, a_span_that_is_used_up_fails_the_item_and_takes_back_what_it_emitted)
{
	struct bench bench;
	struct item item;

	bench_init(&bench);
	item = whole(&bench);
	item.span_bits = 1;
	ctx_begin(&bench.ctx, &item);
	for (int at = 0; at < 3; at++)
		cr_assert_eq(stage_emit(&bench.ctx, "1", 1), STAGE_OK);
	cr_expect_eq(ctx_end(&bench.ctx, STAGE_OK), -1);
	cr_expect_eq(bench.ctx.verdict.kind, FAILURE_PERMANENT);
	cr_expect_eq(bench.emitter.out.count, 0);
	bench_done(&bench);
}

Test(parts, a_failed_item_leaves_those_before_it_alone)
{
	struct bench bench;
	struct item item, *out;

	bench_init(&bench);
	item = whole(&bench);
	ctx_begin(&bench.ctx, &item);
	cr_assert_eq(stage_emit(&bench.ctx, "\"first\"", 7), STAGE_OK);
	cr_assert_eq(ctx_end(&bench.ctx, STAGE_OK), 1);
	ctx_begin(&bench.ctx, &item);
	cr_assert_eq(stage_emit(&bench.ctx, "\"bad\"", 5), STAGE_OK);
	cr_expect_eq(ctx_end(&bench.ctx, stage_fail(&bench.ctx, STAGE_TRANSIENT, "no")), -1);
	ctx_begin(&bench.ctx, &item);
	cr_assert_eq(stage_emit(&bench.ctx, "\"third\"", 7), STAGE_OK);
	cr_assert_eq(ctx_end(&bench.ctx, STAGE_OK), 1);
	out = bench.emitter.out.at;
	cr_assert_eq(bench.emitter.out.count, 2);
	cr_expect_str_eq(item_text(&out[0]), "\"first\"");
	cr_expect_str_eq(item_text(&out[1]), "\"third\"");
	bench_done(&bench);
}

Test(parts, a_line_end_in_an_output_becomes_a_blank)
{
	struct bench bench;
	struct item item;

	bench_init(&bench);
	item = whole(&bench);
	ctx_begin(&bench.ctx, &item);
	cr_assert_eq(stage_emit(&bench.ctx, "[1,\n2]", 6), STAGE_OK);
	cr_assert_eq(ctx_end(&bench.ctx, STAGE_OK), 1);
	cr_expect_str_eq(item_text(&bench.emitter.out.at[0]), "[1, 2]");
	bench_done(&bench);
}
