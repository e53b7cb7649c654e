#include "engine/ctx.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "engine/batch.h"
#include "engine/calls.h"
#include "engine/hosted.h"

#define SCRATCH_SIZE     (32u << 10)
#define SOURCE_RUN_BYTES (1u << 20)
#define PARTS_MAX        (1u << 20) /* items that one item may become in one stage */

/* ---- scratch ---- */

struct scratch_extra {
	struct scratch_extra *next;
	char data[] __attribute__((aligned(16)));
};

static void *scratch_extra(struct scratch *scratch, size_t size)
{
	struct scratch_extra *extra = mem_alloc(sizeof(*extra) + size);

	if (extra == NULL)
		return NULL;
	extra->next = scratch->extra;
	scratch->extra = extra;
	return extra->data;
}

void *scratch_alloc(struct scratch *scratch, size_t size)
{
	void *at;

	size = (size + 15) & ~(size_t)15;
	if (scratch->base == NULL && size <= SCRATCH_SIZE) {
		scratch->base = mem_alloc(SCRATCH_SIZE);
		if (scratch->base == NULL)
			return NULL;
		scratch->size = SCRATCH_SIZE;
	}
	if (scratch->size - scratch->used < size)
		return scratch_extra(scratch, size);
	at = scratch->base + scratch->used;
	scratch->used += size;
	return at;
}

void scratch_clear(struct scratch *scratch)
{
	while (scratch->extra != NULL) {
		struct scratch_extra *next = scratch->extra->next;

		mem_free(scratch->extra);
		scratch->extra = next;
	}
	scratch->used = 0;
}

void scratch_done(struct scratch *scratch)
{
	scratch_clear(scratch);
	mem_free(scratch->base);
	*scratch = (struct scratch){ 0 };
}

/* ---- emitter ---- */

void emitter_publish(struct emitter *emitter)
{
	struct item *items = emitter->out.at;

	for (uint32_t at = 0; at < emitter->out.count;) {
		struct slab *slab = items[at].slab;
		uint32_t run = 0;

		for (; at < emitter->out.count && items[at].slab == slab; at++)
			run++;
		slab_ref_n(slab, run);
	}
	for (unsigned at = 0; at < emitter->full_count; at++)
		slab_unref(emitter->full[at]);
	emitter->full_count = 0;
	emitter->full_bytes = 0;
}

void emitter_rewind(struct emitter *emitter, uint32_t count)
{
	/* The bytes too, when the first of the forgotten lies in the slab being filled. */
	if (count < emitter->out.count && emitter->out.at[count].slab == emitter->slab)
		emitter->used = emitter->out.at[count].off;
	emitter->out.count = MIN(emitter->out.count, count);
}

void emitter_done(struct emitter *emitter)
{
	for (unsigned at = 0; at < emitter->full_count; at++)
		slab_unref(emitter->full[at]);
	if (emitter->slab != NULL)
		slab_unref(emitter->slab);
	mem_free(emitter->full);
	mem_free(emitter->out.at);
	*emitter = (struct emitter){ 0 };
}

/* The slab is full: keep it until the batch is published, begin another. */
static int emitter_next_slab(struct emitter *emitter, size_t size)
{
	struct slab *slab;

	if (emitter->full_count == emitter->full_capacity) {
		unsigned capacity = emitter->full_capacity * 2 + 4;
		struct slab **full = mem_realloc(emitter->full, capacity * sizeof(*full));

		if (full == NULL)
			return -1;
		emitter->full = full;
		emitter->full_capacity = capacity;
	}
	slab = slab_new(emitter->exact ? size : MAX(size, (size_t)BLOCK_SIZE_MAX));
	if (slab == NULL)
		return -1;
	if (emitter->slab != NULL) {
		emitter->full[emitter->full_count++] = emitter->slab;
		emitter->full_bytes += emitter->slab->size;
	}
	emitter->slab = slab;
	emitter->used = 0;
	return 0;
}

/* ---- ctx ---- */

void ctx_begin(struct stage_ctx *ctx, const struct item *item)
{
	ctx->item = item;
	ctx->text = item_text(item);
	ctx->len = item->len;
	ctx->failed = false;
	ctx->verdict.retry_after_ms = 0;
	ctx->mark = ctx->emitter->out.count;
	ctx->item_bytes = 0;
	ctx->id[0] = '\0';
	if (ctx->scratch.used > 0 || ctx->scratch.extra != NULL)
		scratch_clear(&ctx->scratch);
}

void ctx_fail(struct stage_ctx *ctx, enum failure_kind kind, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(ctx->verdict.text, sizeof(ctx->verdict.text), format, args);
	va_end(args);
	ctx->verdict.kind = kind;
	ctx->failed = true;
}

static unsigned ceil_log2(uint32_t n)
{
	return n <= 1 ? 0 : 32u - (unsigned)__builtin_clz(n - 1);
}

/* Divide the span of the item's part among the n items that it became. */
static int number_parts(struct stage_ctx *ctx, struct item *out, uint32_t n)
{
	unsigned bits = ceil_log2(n), child_bits;

	if (n > PARTS_MAX || bits > ctx->item->span_bits) {
		ctx_fail(ctx, FAILURE_PERMANENT,
			"the item became %u items here; too many for one item (at most %u, and 2^64 over "
			"all stages)",
			n, PARTS_MAX);
		return -1;
	}
	child_bits = ctx->item->span_bits - bits;
	for (uint32_t k = 0; k < n; k++) {
		out[k].part =
			ctx->item->part + (child_bits < 64 ? (uint64_t)k << child_bits : 0);
		out[k].span_bits = (uint8_t)child_bits;
	}
	return 0;
}

int64_t ctx_number(struct stage_ctx *ctx, struct item *out, uint32_t n)
{
	if (!ctx->failed && n > 1 && number_parts(ctx, out, n) < 0)
		ctx->failed = true;
	return ctx->failed ? -1 : (int64_t)n;
}

int64_t ctx_end(struct stage_ctx *ctx, enum stage_result result)
{
	struct items *out = &ctx->emitter->out;
	uint32_t n = out->count - ctx->mark;

	if (result == STAGE_FAILED && !ctx->failed)
		ctx_fail(ctx, FAILURE_PERMANENT, "the stage failed without a reason");
	else if (result != STAGE_OK && result != STAGE_FAILED && result != STAGE_END)
		ctx_fail(ctx, FAILURE_PERMANENT,
			"the stage returned %d, which is not allowed for its thread model",
			(int)result);
	if (ctx_number(ctx, out->at + ctx->mark, n) >= 0)
		return n;
	emitter_rewind(ctx->emitter, ctx->mark);
	return -1;
}

void ctx_done(struct stage_ctx *ctx)
{
	scratch_done(&ctx->scratch);
}

/* ---- accessors: stages/stage.h says what they promise ---- */

const char *stage_input(struct stage_ctx *ctx, size_t *ret_len)
{
	if (ret_len != NULL)
		*ret_len = ctx->len;
	return ctx->text;
}

uint64_t stage_item_number(struct stage_ctx *ctx)
{
	return ctx->item == NULL ? 0 : input_item_number(ctx->item->input, ctx->item->index);
}

const char *stage_item_id(struct stage_ctx *ctx)
{
	int len;

	if (ctx->item == NULL)
		return ctx->run->pipeline->id_text;
	if (ctx->id[0] == '\0') {
		len = snprintf(ctx->id, sizeof(ctx->id), "%s/%llu", ctx->run->pipeline->id_text,
			(unsigned long long)stage_item_number(ctx));
		if (ctx->item->part != 0)
			snprintf(ctx->id + len, sizeof(ctx->id) - (size_t)len, ".%llx",
				(unsigned long long)ctx->item->part);
	}
	return ctx->id;
}

unsigned stage_attempt(struct stage_ctx *ctx)
{
	return ctx->item == NULL ? 1 : ctx->item->attempt + 1u;
}

int stage_cancelled(struct stage_ctx *ctx)
{
	if (__atomic_load_n(&ctx->run->pipeline->stopped, __ATOMIC_RELAXED))
		return 1;
	if (ctx->run->hosted != NULL && atomic_load(ctx->run->hosted->cancelled) != 0)
		return 1;
	if (ctx->call != NULL && call_is_abandoned(ctx->call))
		return 1;
	if (ctx->run == ctx->run->pipeline->source &&
		__atomic_load_n(&ctx->run->pipeline->source_unwanted, __ATOMIC_RELAXED))
		return 1;
	return ctx->deadline_ns != 0 && clock_mono_ns() > ctx->deadline_ns;
}

/* Append an item that lies in `slab`. */
static enum stage_result emit_item(
	struct stage_ctx *ctx, struct slab *slab, uint32_t off, size_t len)
{
	struct item item = { .slab = slab, .off = off, .len = (uint32_t)len };

	if (ctx->item != NULL) {
		item.input = ctx->item->input;
		item.index = ctx->item->index;
		item.part = ctx->item->part;
		item.span_bits = ctx->item->span_bits;
	}
	if (ctx->batch != NULL) {
		ctx_fail(ctx, FAILURE_PERMANENT,
			"the stage emitted for a batch as a whole, not for one of its items");
		return STAGE_FAILED;
	}
	if (items_push(&ctx->emitter->out, &item) < 0) {
		ctx_fail(ctx, FAILURE_TRANSIENT, "out of memory");
		return STAGE_FAILED;
	}
	if (ctx->of != NULL && batch_own(ctx->of, ctx) < 0) {
		ctx->emitter->out.count--;
		ctx_fail(ctx, FAILURE_TRANSIENT, "out of memory");
		return STAGE_FAILED;
	}
	return STAGE_OK;
}

static uint64_t output_max(const struct stage_run *run)
{
	if (run->hosted != NULL)
		return run->hosted->output_max;
	if (run->pipeline->engine == NULL)
		return UINT32_MAX / 2;
	return engine_config(run->pipeline->engine)->output_max;
}

/* A source's run makes many items of none: each of them has the bound, and the run another. */
static bool may_emit(const struct stage_ctx *ctx, size_t len, uint64_t max)
{
	if (ctx->run->stage->kind != STAGE_SOURCE)
		return ctx->item_bytes + len <= max;
	return len <= max && ctx->item_bytes <= MAX(max, (uint64_t)SOURCE_RUN_BYTES);
}

char *stage_reserve(struct stage_ctx *ctx, size_t len)
{
	struct emitter *emitter = ctx->emitter;
	uint64_t max = output_max(ctx->run);

	if (!may_emit(ctx, len, max)) {
		ctx_fail(ctx, FAILURE_PERMANENT,
			"the item became more than %llu bytes (output-max)",
			(unsigned long long)max);
		return NULL;
	}
	if ((emitter->slab == NULL || emitter->slab->size - emitter->used < len + 1) &&
		emitter_next_slab(emitter, len + 1) < 0) {
		ctx_fail(ctx, FAILURE_TRANSIENT, "out of memory");
		return NULL;
	}
	emitter->reserved = (uint32_t)len;
	return emitter->slab->data + emitter->used;
}

/* Items are lines: a raw line end can only be white space in JSON, so a space says the same. */
static void flatten(char *text, size_t len)
{
	char *at = text, *end = text + len;

	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL)
		*at++ = ' ';
}

enum stage_result stage_emit_reserved(struct stage_ctx *ctx, size_t len)
{
	struct emitter *emitter = ctx->emitter;
	uint32_t off = emitter->used;

	if (len == 0 || len > emitter->reserved) {
		ctx_fail(ctx, FAILURE_PERMANENT,
			"the stage emitted %zu bytes where %u were reserved", len,
			emitter->reserved);
		return STAGE_FAILED;
	}
	flatten(emitter->slab->data + off, len);
	emitter->slab->data[off + len] = '\0';
	emitter->used += (uint32_t)len + 1;
	ctx->item_bytes += len;
	return emit_item(ctx, emitter->slab, off, len);
}

enum stage_result stage_emit(struct stage_ctx *ctx, const char *json, size_t len)
{
	char *to = stage_reserve(ctx, len);

	if (to == NULL)
		return STAGE_FAILED;
	memcpy(to, json, len);
	return stage_emit_reserved(ctx, len);
}

enum stage_result stage_emit_input(struct stage_ctx *ctx)
{
	if (ctx->item == NULL)
		return stage_fail(ctx, STAGE_PERMANENT, "there is no input to emit here");
	ctx->item_bytes += ctx->len;
	return emit_item(ctx, ctx->item->slab, ctx->item->off, ctx->len);
}

#undef stage_fail /* what the analyzer was told of it */

enum stage_result stage_fail(
	struct stage_ctx *ctx, enum stage_failure kind, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(ctx->verdict.text, sizeof(ctx->verdict.text), format, args);
	va_end(args);
	ctx->verdict.kind = kind == STAGE_TRANSIENT ? FAILURE_TRANSIENT : FAILURE_PERMANENT;
	ctx->failed = true;
	return STAGE_FAILED;
}

void stage_retry_after(struct stage_ctx *ctx, uint64_t ms)
{
	ctx->verdict.retry_after_ms = MIN(ms, (uint64_t)STAGE_RETRY_AFTER_MAX_MS);
}

void *stage_scratch(struct stage_ctx *ctx, size_t size)
{
	return scratch_alloc(ctx->of != NULL ? &ctx->of->whole->scratch : &ctx->scratch, size);
}

void *stage_worker(struct stage_ctx *ctx)
{
	return ctx->worker == NULL ? NULL : ctx->worker->memory;
}

const char *stage_traceparent(struct stage_ctx *ctx)
{
	return pipeline_traceparent(ctx->run->pipeline);
}

const void *stage_config(struct stage_ctx *ctx)
{
	return ctx->run->config;
}

const char *stage_use(struct stage_ctx *ctx)
{
	return ctx->run->def->stage->name;
}

const char *stage_params(struct stage_ctx *ctx, size_t *ret_len)
{
	struct stage_run *run = ctx->run;

	if (run->params_text == NULL)
		run->params_text = json_text(
			run->def->params, JSON_COMPACT | json_text_reals(run->def->params));
	if (ret_len != NULL)
		*ret_len = run->params_text == NULL ? 0 : strlen(run->params_text);
	return run->params_text;
}

const char *stage_state(struct stage_ctx *ctx, size_t *ret_len)
{
	if (ret_len != NULL)
		*ret_len = ctx->state_len;
	return ctx->state_len == 0 ? NULL : ctx->state;
}

enum stage_result stage_state_set(struct stage_ctx *ctx, const void *bytes, size_t len)
{
	if (ctx->state_out == NULL)
		return stage_fail(ctx, STAGE_PERMANENT, "this callback cannot save a state");
	buf_clear(ctx->state_out);
	if (buf_append(ctx->state_out, bytes, len) < 0)
		return stage_fail(ctx, STAGE_TRANSIENT, "out of memory");
	return STAGE_OK;
}

size_t stage_room(struct stage_ctx *ctx)
{
	return ctx->room;
}

/* ---- workers ---- */

bool worker_needed(const struct stage *stage)
{
	return stage->worker_size > 0 || stage->worker_open != NULL;
}

int worker_acquire(struct stage_run *run, struct stage_ctx *ctx)
{
	struct worker *worker;

	ctx->worker = NULL;
	if (!worker_needed(run->stage))
		return 0;
	pipeline_lock(run->pipeline);
	worker = run->idle_workers;
	if (worker != NULL)
		run->idle_workers = worker->next;
	pthread_mutex_unlock(&run->pipeline->lock);
	if (worker == NULL) {
		worker = mem_zalloc(sizeof(*worker) + 16 + run->stage->worker_size);
		if (worker == NULL) {
			ctx_fail(ctx, FAILURE_TRANSIENT, "out of memory");
			return -1;
		}
		worker->memory = (void *)(((uintptr_t)(worker + 1) + 15) & ~(uintptr_t)15);
	}
	ctx->worker = worker;
	if (worker->opened || run->stage->worker_open == NULL)
		return 0;
	if (run->stage->worker_open(run->instance, ctx) == STAGE_OK) {
		worker->opened = true;
		return 0;
	}
	if (!ctx->failed)
		ctx_fail(ctx, FAILURE_PERMANENT, "the worker could not be opened");
	ctx->worker = NULL;
	mem_free(worker);
	return -1;
}

void worker_release(struct stage_run *run, struct stage_ctx *ctx)
{
	struct worker *worker = ctx->worker;

	if (worker == NULL)
		return;
	pipeline_lock(run->pipeline);
	worker->next = run->idle_workers;
	run->idle_workers = worker;
	pthread_mutex_unlock(&run->pipeline->lock);
	ctx->worker = NULL;
}

void worker_close_idle(struct stage_run *run, struct stage_ctx *ctx, unsigned keep)
{
	struct worker *worker = NULL, **end = &run->idle_workers;

	pipeline_lock(run->pipeline);
	for (; *end != NULL && keep > 0; keep--)
		end = &(*end)->next;
	worker = TAKE(*end);
	pthread_mutex_unlock(&run->pipeline->lock);
	while (worker != NULL) {
		struct worker *next = worker->next;

		ctx->worker = worker;
		if (worker->opened && run->stage->worker_close != NULL)
			run->stage->worker_close(run->instance, ctx);
		mem_free(worker);
		worker = next;
	}
	ctx->worker = NULL;
}
