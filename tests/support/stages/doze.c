/*
 * doze: a blocking stage that sleeps in its thread and tells what the engine promised it:
 * each worker has memory of its own that was opened, and never two items in hand.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "stage.h"

struct doze {
	int64_t ms;
	atomic_int workers;
};

struct worker {
	int number;
	atomic_int inside;
};

static const struct stage_param doze_params[] = {
	{ "ms", STAGE_INT, .required = 1, .max = 600000, .doc = "how long an item takes",
		.offset = offsetof(struct doze, ms) },
	{ 0 },
};

static enum stage_result doze_worker_open(void *instance, struct stage_ctx *ctx)
{
	struct doze *doze = instance;
	struct worker *worker = stage_worker(ctx);

	worker->number = atomic_fetch_add(&doze->workers, 1) + 1;
	return STAGE_OK;
}

static void doze_worker_close(void *instance, struct stage_ctx *ctx)
{
	struct worker *worker = stage_worker(ctx);

	worker->number = 0;
}

static void doze_ms(struct stage_ctx *ctx, int64_t ms)
{
	const struct timespec step = { .tv_nsec = 1000000 };

	for (int64_t passed = 0; passed < ms && !stage_cancelled(ctx); passed++)
		nanosleep(&step, NULL);
}

static enum stage_result doze_run(void *instance, struct stage_ctx *ctx)
{
	const struct doze *doze = instance;
	struct worker *worker = stage_worker(ctx);
	char text[64];
	int len;

	if (worker == NULL || worker->number == 0)
		return stage_fail(ctx, STAGE_PERMANENT, "the worker was not opened");
	if (atomic_fetch_add(&worker->inside, 1) != 0)
		return stage_fail(ctx, STAGE_PERMANENT, "the worker has two items in hand");
	doze_ms(ctx, doze->ms);
	atomic_fetch_sub(&worker->inside, 1);
	len = snprintf(text, sizeof(text), "{\"worker\":%d}", worker->number);
	return stage_emit(ctx, text, (size_t)len);
}

STAGE(.name = "doze", .version = "1.0.0", .summary = "Sleep in a thread",
	.threads = STAGE_BLOCKING, .instance_size = sizeof(struct doze),
	.worker_size = sizeof(struct worker), .params = doze_params,
	.worker_open = doze_worker_open, .worker_close = doze_worker_close, .run = doze_run);
