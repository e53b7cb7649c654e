/*
 * jq: a program in the language of jq over every item.
 *
 * The program runs in helper processes (child.h, helper.c), which can be killed; this side
 * only carries items there and back. `open` has one compile the program, so that a mistake in
 * it is one of the job's definition; that takes about 20 ms and is limited.
 */
#include <string.h>

#include "exchange.h"
#include "stage.h"

#define PROGRAM_MAX 65536

struct jq {
	const char *program, *args;
	int64_t time_ms, memory_mb;
	struct jq_pool pool;
};

static const struct stage_param jq_params[] = {
	{ "program", STAGE_STRING, .required = 1,
		.doc = "what jq makes of an item: none, one or many values",
		.offset = offsetof(struct jq, program) },
	{ "args", STAGE_JSON, .def = "{}", .doc = "object of variables, {\"x\":1} is $x",
		.offset = offsetof(struct jq, args), .schema = "{\"type\":\"object\"}" },
	{ "time_ms", STAGE_INT, .def = "1000", .doc = "CPU time that an item may take",
		.offset = offsetof(struct jq, time_ms), .min = 1, .max = 3600000 },
	{ "memory_mb", STAGE_INT, .def = "128", .doc = "memory that an item may take, in MiB",
		.offset = offsetof(struct jq, memory_mb), .min = 8, .max = 65536 },
	{ 0 },
};

static enum stage_result jq_open(void *instance, struct stage_ctx *ctx)
{
	struct jq *jq = instance;
	char why[JQ_WHY_SIZE];
	struct jq_child *child;

	if (strlen(jq->program) > PROGRAM_MAX)
		return stage_fail(
			ctx, STAGE_PERMANENT, "/program: longer than %d bytes", PROGRAM_MAX);
	if (jq->args[strspn(jq->args, " \t\r\n")] != '{')
		return stage_fail(ctx, STAGE_PERMANENT, "/args: must be an object");
	jq->pool.program = jq->program;
	jq->pool.args = jq->args;
	jq->pool.time_ms = jq->time_ms;
	jq->pool.memory_bytes = jq->memory_mb << 20;
	jq_pool_init(&jq->pool);
	switch (jq_pool_take(&jq->pool, true, &child, why)) {
	case JQ_STARTED:
		jq_child_end(child); /* a job may wait for its first item for ever */
		return STAGE_OK;
	case JQ_NO_PROGRAM:
		jq_pool_done(&jq->pool);
		return stage_fail(ctx, STAGE_PERMANENT, "/program: %s", why);
	default:
		jq_pool_done(&jq->pool);
		return stage_fail(ctx, STAGE_TRANSIENT, "%s", why);
	}
}

static void jq_close(void *instance, struct stage_ctx *ctx)
{
	struct jq *jq = instance;

	(void)ctx;
	jq_pool_done(&jq->pool);
}

static struct stage_ctx *only(struct stage_ctx *ctx, size_t index)
{
	(void)index;
	return ctx;
}

static enum stage_result jq_run(void *instance, struct stage_ctx *ctx)
{
	struct jq *jq = instance;
	struct jq_exchange exchange = {
		.pool = &jq->pool, .ctx = ctx, .item = only, .count = 1
	};

	jq_exchange(&exchange);
	return exchange.failed ? STAGE_FAILED : STAGE_OK;
}

/* Many at once: the two processes change places less often. */
static enum stage_result jq_run_batch(void *instance, struct stage_ctx *ctx)
{
	struct jq *jq = instance;
	struct jq_exchange exchange = { .pool = &jq->pool,
		.ctx = ctx,
		.item = stage_batch_item,
		.count = stage_batch_count(ctx) };

	jq_exchange(&exchange);
	return STAGE_OK;
}

STAGE(.name = "jq", .version = "1.0.0", .summary = "Run a jq program over every item",
	.threads = STAGE_BLOCKING, .instance_size = sizeof(struct jq), .params = jq_params,
	.open = jq_open, .close = jq_close, .run = jq_run, .run_batch = jq_run_batch,
	.batch_items = 128);
