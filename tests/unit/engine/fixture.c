#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

void fixture_init(struct fixture *fixture, bool ordered)
{
	struct pipeline *pipeline = &fixture->pipeline;

	*fixture = (struct fixture){ 0 };
	fixture->def = (struct stage_def){ .name = (char *)"stage",
		.stage = &fixture->stage,
		.workers = 1,
		.attempts = 3,
		.backoff_ms = 100,
		.max_backoff_ms = 1000 };
	fixture->definition = (struct definition){
		.stages = &fixture->def, .stage_count = 1, .ordered = ordered
	};
	pipeline->def = &fixture->definition;
	pipeline->stages = fixture->runs;
	pipeline->count = pipeline->end = 1;
	pipeline->window = 1000;
	pipeline->tail_bytes = 4u << 20;
	pthread_mutex_init(&pipeline->lock, NULL);
	list_init(&pipeline->inbox);
	list_init(&pipeline->inputs);
	fixture->runs[0] = (struct stage_run){ .pipeline = pipeline,
		.def = &fixture->def,
		.stage = &fixture->stage,
		.workers = 1 };
	pthread_cond_init(&fixture->runs[0].work, NULL);
	queue_init(&fixture->runs[0].queue, 1000, 1 << 20);
}

void fixture_done(struct fixture *fixture)
{
	struct pipeline *pipeline = &fixture->pipeline;

	queue_done(&fixture->runs[0].queue);
	for (unsigned at = 0; at < pipeline->delayed_count; at++)
		slab_unref(pipeline->delayed[at].item.slab);
	mem_free(pipeline->delayed);
	if (pipeline->flush != NULL)
		flush_free(pipeline->flush);
	cr_expect(list_empty(&pipeline->inputs), "a block has items that are not over");
	slab_pool_trim();
	cr_expect_eq(slab_bytes(), 0);
}

struct input *block_of(const char *const *texts, uint32_t count)
{
	struct builder *builder = mem_zalloc(sizeof(*builder));
	struct input *input;

	for (uint32_t at = 0; at < count; at++)
		cr_assert_eq(builder_add(builder, texts[at], strlen(texts[at]), 100), 0);
	input = builder_finish(builder, BLOCK_LINES);
	mem_free(builder);
	cr_assert_not_null(input);
	return input;
}

struct input *feed(
	struct fixture *fixture, const char *const *texts, uint32_t count, struct item *items)
{
	struct input *input = block_of(texts, count);

	pipeline_add_input(&fixture->pipeline, input);
	pipeline_feed(&fixture->pipeline);
	cr_assert_eq(queue_pop(&fixture->runs[0].queue, items, count), count);
	return input;
}

const char *gathered(const struct fixture *fixture)
{
	static char text[500];
	const struct flush *flush = fixture->pipeline.flush;
	const char *line;
	size_t len = 0;

	text[0] = '\0';
	if (flush == NULL || flush->chunks == NULL)
		return text;
	line = (const char *)(flush->chunks->items + flush->chunks->items_size);
	for (uint32_t at = 0; at < flush->chunks->count; at++) {
		int size = (int)(strchr(line, '\n') - line);

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%d:%.*s",
			at == 0 ? "" : " ", (int)flush->chunks->items[at], size, line);
		line += size + 1;
	}
	return text;
}
