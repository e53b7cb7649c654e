#include "probes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "stages/stage.h"
#include "stages/stage_jansson.h"

atomic_bool probe_healed[PROBE_SLOTS];
atomic_long probe_instances, probe_workers, probe_trespasses;

struct probe {
	int64_t salt, mod, k, slot;
	atomic_int inside;
	uint64_t count, sum; /* of the sink */
	uint64_t calls;
};

static const struct stage_param probe_params[] = {
	{ "salt", STAGE_INT, .def = "0", .offset = offsetof(struct probe, salt) },
	{ "mod", STAGE_INT, .def = "10", .min = 1, .max = 1e9,
		.offset = offsetof(struct probe, mod) },
	{ "k", STAGE_INT, .def = "2", .min = 0, .max = 1e6,
		.offset = offsetof(struct probe, k) },
	{ "slot", STAGE_INT, .def = "0", .min = 0, .max = PROBE_SLOTS - 1,
		.offset = offsetof(struct probe, slot) },
	{ 0 },
};

uint64_t probe_hash(const char *text, size_t len, uint64_t salt)
{
	uint64_t hash = 0xcbf29ce484222325u ^ salt;

	for (size_t at = 0; at < len; at++)
		hash = (hash ^ (unsigned char)text[at]) * 0x100000001b3u;
	hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93u;
	return hash ^ hash >> 32;
}

enum probe_mood probe_mood(uint64_t hash, uint64_t mod)
{
	uint64_t at = hash % (mod * 4);

	return at < MOOD_GOOD ? (enum probe_mood)at : MOOD_GOOD;
}

static bool healed(const struct probe *probe)
{
	return atomic_load(&probe_healed[probe->slot]);
}

static uint64_t hash_of(const struct probe *probe, struct stage_ctx *ctx)
{
	size_t len;
	const char *text = stage_input(ctx, &len);

	if (strlen(text) != len)
		atomic_fetch_add(&probe_trespasses, 1);
	return probe_hash(text, len, (uint64_t)probe->salt);
}

static enum stage_result probe_open(void *instance, struct stage_ctx *ctx)
{
	atomic_fetch_add(&probe_instances, 1);
	return STAGE_OK;
}

static void probe_close(void *instance, struct stage_ctx *ctx)
{
	atomic_fetch_sub(&probe_instances, 1);
}

/* ---- many ---- */

static enum stage_result emit_numbered(
	const struct probe *probe, struct stage_ctx *ctx, json_t *item, int64_t n)
{
	char name[32];

	snprintf(name, sizeof(name), "k%" PRId64, probe->salt);
	json_object_set_new(item, name, json_integer(n));
	return stage_emit_json(ctx, item);
}

static enum stage_result many_run(void *instance, struct stage_ctx *ctx)
{
	const struct probe *probe = instance;
	json_t *item = stage_input_json(ctx);
	enum stage_result result = item == NULL ? STAGE_FAILED : STAGE_OK;

	for (int64_t n = 0; n < probe->k && result == STAGE_OK; n++)
		result = emit_numbered(probe, ctx, item, n);
	json_decref(item);
	return result;
}

/* ---- id ---- */

static enum stage_result id_run(void *instance, struct stage_ctx *ctx)
{
	json_t *item = stage_input_json(ctx);
	enum stage_result result;

	if (item == NULL)
		return STAGE_FAILED;
	/* Behind the job's own id. */
	json_object_set_new(item, "id", json_string(strchr(stage_item_id(ctx), '/') + 1));
	result = stage_emit_json(ctx, item);
	json_decref(item);
	return result;
}

/* ---- flaky ---- */

static enum stage_result moody(const struct probe *probe, struct stage_ctx *ctx, bool emits)
{
	enum probe_mood mood = probe_mood(hash_of(probe, ctx), (uint64_t)probe->mod);
	unsigned attempt = stage_attempt(ctx);

	if (healed(probe))
		return STAGE_OK;
	if (mood == MOOD_PERMANENT)
		return stage_fail(ctx, STAGE_PERMANENT, "for good");
	if (mood == MOOD_TRANSIENT || (mood == MOOD_ONCE && attempt < 2))
		return stage_fail(ctx, STAGE_TRANSIENT, "not yet");
	if (mood == MOOD_TWICE && attempt < 3) {
		if (emits)
			stage_emit(ctx, "\"to be taken back\"", 18);
		return stage_fail(ctx, STAGE_TRANSIENT, "not quite");
	}
	return STAGE_OK;
}

static enum stage_result flaky_run(void *instance, struct stage_ctx *ctx)
{
	if (moody(instance, ctx, true) != STAGE_OK)
		return STAGE_FAILED;
	return stage_emit_input(ctx);
}

/* ---- serial ---- */

static enum stage_result serial_run(void *instance, struct stage_ctx *ctx)
{
	struct probe *probe = instance;
	size_t len;
	const char *text = stage_input(ctx, &len);
	enum stage_result result;

	if (atomic_fetch_add(&probe->inside, 1) != 0)
		atomic_fetch_add(&probe_trespasses, 1);
	result = stage_emit(ctx, text, len);
	atomic_fetch_sub(&probe->inside, 1);
	return result;
}

/* ---- worker ---- */

struct probe_worker {
	const void *instance;
	atomic_int inside;
	char copy[64];
};

static enum stage_result worker_opened(void *instance, struct stage_ctx *ctx)
{
	struct probe_worker *worker = stage_worker(ctx);

	if (worker->instance != NULL)
		atomic_fetch_add(&probe_trespasses, 1);
	worker->instance = instance;
	atomic_fetch_add(&probe_workers, 1);
	return STAGE_OK;
}

static void worker_closed(void *instance, struct stage_ctx *ctx)
{
	struct probe_worker *worker = stage_worker(ctx);

	if (worker->instance != instance)
		atomic_fetch_add(&probe_trespasses, 1);
	atomic_fetch_sub(&probe_workers, 1);
}

static enum stage_result worker_run(void *instance, struct stage_ctx *ctx)
{
	struct probe_worker *worker = stage_worker(ctx);
	size_t len;
	const char *text = stage_input(ctx, &len);
	size_t some = len < sizeof(worker->copy) ? len : sizeof(worker->copy);
	char *copy;

	if (worker->instance != instance || atomic_fetch_add(&worker->inside, 1) != 0)
		atomic_fetch_add(&probe_trespasses, 1);
	memcpy(worker->copy, text, some);
	copy = stage_scratch(ctx, len + 1);
	if (copy != NULL)
		memcpy(mempcpy(copy, worker->copy, some), text + some, len - some);
	atomic_fetch_sub(&worker->inside, 1);
	if (copy == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	return stage_emit(ctx, copy, len);
}

/* ---- block ---- */

static enum stage_result block_run(void *instance, struct stage_ctx *ctx)
{
	if (hash_of(instance, ctx) % 8 == 0)
		usleep(300);
	return stage_emit_input(ctx);
}

/* ---- pool ---- */

struct pool_work {
	uv_work_t work;
	struct stage_ctx *ctx;
};

static void pool_work(uv_work_t *work)
{
	struct pool_work *pool = work->data;

	stage_complete(pool->ctx, stage_emit_input(pool->ctx));
}

static void pool_worked(uv_work_t *work, int status)
{
	free(work->data);
}

static enum stage_result pool_run(void *instance, struct stage_ctx *ctx)
{
	struct pool_work *pool = malloc(sizeof(*pool));

	if (pool == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	pool->work.data = pool;
	pool->ctx = ctx;
	stage_defer(ctx);
	uv_queue_work(stage_uv_loop(ctx), &pool->work, pool_work, pool_worked);
	return STAGE_PENDING;
}

/* ---- batch ---- */

static enum stage_result batch_item(const struct probe *probe, struct stage_ctx *ctx)
{
	unsigned n = probe_makes(hash_of(probe, ctx));
	size_t len;
	const char *text = stage_input(ctx, &len);

	if (moody(probe, ctx, true) != STAGE_OK)
		return STAGE_FAILED;
	for (unsigned at = 0; at < n; at++)
		if ((at == 0 ? stage_emit_input(ctx) : stage_emit(ctx, text, len)) != STAGE_OK)
			return STAGE_FAILED;
	return STAGE_OK;
}

static enum stage_result batch_run(void *instance, struct stage_ctx *ctx)
{
	if (stage_batch_count(ctx) != 0)
		atomic_fetch_add(&probe_trespasses, 1);
	return batch_item(instance, ctx);
}

/* The odd ones first, so that what they make has to be sorted. */
static enum stage_result batch_run_all(void *instance, struct stage_ctx *ctx)
{
	size_t count = stage_batch_count(ctx);

	if (count == 0)
		atomic_fetch_add(&probe_trespasses, 1);
	for (size_t at = 1; at < count; at += 2)
		batch_item(instance, stage_batch_item(ctx, at));
	for (size_t at = 0; at < count; at += 2)
		batch_item(instance, stage_batch_item(ctx, at));
	return STAGE_OK;
}

static void batch_timer(void *instance, struct stage_ctx *ctx)
{
	stage_complete(ctx, batch_run_all(instance, ctx));
}

static enum stage_result batch_run_later(void *instance, struct stage_ctx *ctx)
{
	if (stage_batch_count(ctx) % 2 == 0)
		return batch_run_all(instance, ctx);
	stage_defer(ctx);
	if (stage_timer(ctx, 0, batch_timer) != STAGE_OK)
		return STAGE_FAILED;
	return STAGE_PENDING;
}

/* ---- hang ---- */

static bool hangs(const struct probe *probe, struct stage_ctx *ctx)
{
	return probe_hangs(hash_of(probe, ctx), (uint64_t)probe->mod) && !healed(probe);
}

static enum stage_result hang_run(void *instance, struct stage_ctx *ctx)
{
	if (!hangs(instance, ctx))
		return stage_emit_input(ctx);
	while (!stage_cancelled(ctx))
		usleep(500);
	return stage_fail(ctx, STAGE_PERMANENT, "cancelled");
}

static void never(void *instance, struct stage_ctx *ctx)
{
	atomic_fetch_add(&probe_trespasses, 1);
	stage_complete(ctx, STAGE_FAILED);
}

static enum stage_result hang_async_run(void *instance, struct stage_ctx *ctx)
{
	if (!hangs(instance, ctx))
		return stage_emit_input(ctx);
	stage_defer(ctx);
	if (stage_timer(ctx, 600000, never) != STAGE_OK)
		return STAGE_FAILED;
	return STAGE_PENDING;
}

static void hang_cancel(void *instance, struct stage_ctx *ctx)
{
	if (!stage_cancelled(ctx))
		atomic_fetch_add(&probe_trespasses, 1);
	stage_complete(ctx, stage_fail(ctx, STAGE_PERMANENT, "cancelled"));
}

/* ---- sink ---- */

static enum stage_result sink_open(void *instance, struct stage_ctx *ctx)
{
	struct probe *probe = instance;
	size_t len;
	const char *state = stage_state(ctx, &len);

	if (state != NULL && len != 2 * sizeof(uint64_t))
		return stage_fail(ctx, STAGE_PERMANENT, "the state has %zu bytes", len);
	if (state != NULL) {
		memcpy(&probe->count, state, sizeof(uint64_t));
		memcpy(&probe->sum, state + sizeof(uint64_t), sizeof(uint64_t));
	}
	return probe_open(instance, ctx);
}

static enum stage_result sink_run(void *instance, struct stage_ctx *ctx)
{
	struct probe *probe = instance;

	if (atomic_fetch_add(&probe->inside, 1) != 0)
		atomic_fetch_add(&probe_trespasses, 1);
	atomic_fetch_sub(&probe->inside, 1);
	if (moody(probe, ctx, false) != STAGE_OK)
		return STAGE_FAILED;
	probe->count++;
	probe->sum += hash_of(probe, ctx) & 0xffffffff;
	return STAGE_OK;
}

static enum stage_result block_sink_run(void *instance, struct stage_ctx *ctx)
{
	if (hash_of(instance, ctx) % 8 == 0)
		usleep(300);
	return sink_run(instance, ctx);
}

static enum stage_result sink_checkpoint(void *instance, struct stage_ctx *ctx)
{
	struct probe *probe = instance;
	uint64_t state[2] = { probe->count, probe->sum };

	return stage_state_set(ctx, state, sizeof(state));
}

static enum stage_result sink_report(void *instance, struct stage_ctx *ctx)
{
	struct probe *probe = instance;
	char text[96];
	int len = snprintf(text, sizeof(text), "{\"count\":%" PRIu64 ",\"sum\":%" PRIu64 "}",
		probe->count, probe->sum);

	return stage_emit(ctx, text, (size_t)len);
}

/* Backwards, to show that it does not matter. */
static enum stage_result batch_sink_run(void *instance, struct stage_ctx *ctx)
{
	if (stage_batch_count(ctx) == 0)
		atomic_fetch_add(&probe_trespasses, 1);
	for (size_t at = stage_batch_count(ctx); at-- > 0;)
		sink_run(instance, stage_batch_item(ctx, at));
	return STAGE_OK;
}

static enum stage_result block_sink_checkpoint(void *instance, struct stage_ctx *ctx)
{
	struct probe *probe = instance;

	/* Then this is tried again, and not the whole job. */
	if (++probe->calls % 7 == 1)
		return stage_fail(ctx, STAGE_TRANSIENT, "not now");
	return sink_checkpoint(instance, ctx);
}

/* ---- range ---- */

static enum stage_result range_emit(struct stage_ctx *ctx, uint64_t n)
{
	char text[96];
	int len = snprintf(text, sizeof(text),
		"{\"n\":%" PRIu64 ",\"s\":\"no %" PRIu64 "\",\"a\":[{\"n\":%" PRIu64 "}]}", n,
		n, n);

	return stage_emit(ctx, text, (size_t)len);
}

static enum stage_result range_run(void *instance, struct stage_ctx *ctx)
{
	struct probe *probe = instance;
	size_t len, room = stage_room(ctx);
	const char *state = stage_state(ctx, &len);
	uint64_t n = 0, first;

	if (atomic_fetch_add(&probe->inside, 1) != 0)
		atomic_fetch_add(&probe_trespasses, 1);
	if (state != NULL)
		memcpy(&n, state, sizeof(n));
	if (++probe->calls % 5 == 0)
		usleep(300);
	for (first = n; n < (uint64_t)probe->k && n - first < room && n - first < 40; n++)
		if (range_emit(ctx, n) != STAGE_OK)
			break;
	atomic_fetch_sub(&probe->inside, 1);
	if (stage_state_set(ctx, &n, sizeof(n)) != STAGE_OK)
		return STAGE_FAILED;
	return n == (uint64_t)probe->k ? STAGE_END : STAGE_OK;
}

/* ---- the table ---- */

#define PROBE(id, ...)                                                                      \
	static const struct stage id = { STAGE_HEAD_, .name = #id, .version = "1.0.0",      \
		.summary = "For the engine's tests", .instance_size = sizeof(struct probe), \
		.params = probe_params, .open = probe_open, .close = probe_close,           \
		__VA_ARGS__ };                                                              \
	static const struct stage *const id##_pointer                                       \
		__attribute__((used, section("leat_stages"))) = &id

#pragma GCC diagnostic ignored "-Woverride-init"
PROBE(probe_many, .threads = STAGE_PARALLEL, .run = many_run);
PROBE(probe_id, .threads = STAGE_PARALLEL, .run = id_run);
PROBE(probe_flaky, .threads = STAGE_PARALLEL, .run = flaky_run);
PROBE(probe_serial, .threads = STAGE_SERIAL, .run = serial_run);
PROBE(probe_worker, .threads = STAGE_PARALLEL, .run = worker_run,
	.worker_size = sizeof(struct probe_worker), .worker_open = worker_opened,
	.worker_close = worker_closed);
PROBE(probe_block, .threads = STAGE_BLOCKING, .run = block_run,
	.worker_size = sizeof(struct probe_worker), .worker_open = worker_opened,
	.worker_close = worker_closed);
PROBE(probe_pool, .threads = STAGE_ASYNC, .run = pool_run);
PROBE(probe_batch_cpu, .threads = STAGE_PARALLEL, .run = batch_run, .run_batch = batch_run_all,
	.batch_items = 7);
PROBE(probe_batch_block, .threads = STAGE_BLOCKING, .run = batch_run,
	.run_batch = batch_run_all);
PROBE(probe_batch_async, .threads = STAGE_ASYNC, .run = batch_run,
	.run_batch = batch_run_later);
PROBE(probe_hang_cpu, .threads = STAGE_PARALLEL, .run = hang_run);
PROBE(probe_hang_block, .threads = STAGE_BLOCKING, .run = hang_run);
PROBE(probe_hang_async, .threads = STAGE_ASYNC, .run = hang_async_run, .cancel = hang_cancel);
PROBE(probe_sink, .kind = STAGE_SINK, .threads = STAGE_SERIAL, .run = sink_run,
	.open = sink_open, .checkpoint = sink_checkpoint, .report = sink_report);
PROBE(probe_block_sink, .kind = STAGE_SINK, .threads = STAGE_BLOCKING, .run = block_sink_run,
	.open = sink_open, .checkpoint = block_sink_checkpoint, .report = sink_report,
	.worker_size = sizeof(struct probe_worker), .worker_open = worker_opened,
	.worker_close = worker_closed);
PROBE(probe_range, .kind = STAGE_SOURCE, .threads = STAGE_BLOCKING, .run = range_run);
PROBE(probe_batch_sink, .kind = STAGE_SINK, .threads = STAGE_BLOCKING, .run = block_sink_run,
	.run_batch = batch_sink_run, .open = sink_open, .checkpoint = block_sink_checkpoint,
	.report = sink_report, .worker_size = sizeof(struct probe_worker),
	.worker_open = worker_opened, .worker_close = worker_closed);
PROBE(probe_quick_sink, .kind = STAGE_SINK, .threads = STAGE_SERIAL, .run = sink_run,
	.run_batch = batch_sink_run, .batch_items = 7, .open = sink_open,
	.checkpoint = sink_checkpoint, .report = sink_report);
