#include "engine/batch.h"

#include "base/mem.h"

void batch_done(struct batch *batch)
{
	mem_free(batch->ctxs);
	mem_free(batch->owners);
	mem_free(batch->sorted.at);
	*batch = (struct batch){ 0 };
}

static int reserve(struct batch *batch, unsigned count)
{
	struct stage_ctx *ctxs;

	if (batch->capacity >= count)
		return 0;
	ctxs = mem_realloc(batch->ctxs, count * sizeof(*ctxs));
	if (ctxs == NULL)
		return -1;
	memset(ctxs + batch->capacity, 0, (count - batch->capacity) * sizeof(*ctxs));
	batch->ctxs = ctxs;
	batch->capacity = count;
	return 0;
}

int batch_begin(
	struct batch *batch, struct stage_ctx *whole, const struct item *items, unsigned count)
{
	if (reserve(batch, count) < 0)
		return -1;
	for (unsigned at = 0; at < count; at++) {
		struct stage_ctx *ctx = &batch->ctxs[at];

		ctx->run = whole->run;
		ctx->worker = whole->worker;
		ctx->call = whole->call;
		ctx->deadline_ns = whole->deadline_ns;
		ctx->emitter = whole->emitter;
		ctx->of = batch;
		ctx_begin(ctx, &items[at]);
	}
	batch->whole = whole;
	batch->count = count;
	batch->owner_count = 0;
	whole->batch = batch;
	whole->item = NULL;
	whole->text = "";
	whole->len = 0;
	whole->failed = false;
	whole->mark = whole->emitter->out.count;
	whole->id[0] = '\0';
	return 0;
}

void batch_fail(struct batch *batch, const struct verdict *verdict)
{
	for (unsigned at = 0; at < batch->count; at++) {
		if (batch->ctxs[at].failed)
			continue;
		batch->ctxs[at].failed = true;
		batch->ctxs[at].verdict = *verdict;
	}
}

/* ---- the outputs ---- */

int batch_own(struct batch *batch, const struct stage_ctx *ctx)
{
	if (batch->owner_count == batch->owner_capacity) {
		uint32_t capacity = batch->owner_capacity * 2 + 64;
		uint32_t *owners = mem_realloc(batch->owners, capacity * sizeof(*owners));

		if (owners == NULL)
			return -1;
		batch->owners = owners;
		batch->owner_capacity = capacity;
	}
	batch->owners[batch->owner_count++] = (uint32_t)(ctx - batch->ctxs);
	return 0;
}

static bool in_order(const struct batch *batch)
{
	for (uint32_t at = 1; at < batch->owner_count; at++)
		if (batch->owners[at] < batch->owners[at - 1])
			return false;
	return true;
}

static int reserve_sorted(struct batch *batch)
{
	struct item *at;

	if (batch->sorted.capacity >= batch->owner_count)
		return 0;
	at = mem_realloc(batch->sorted.at, batch->owner_count * sizeof(*at));
	if (at == NULL)
		return -1;
	batch->sorted.at = at;
	batch->sorted.capacity = batch->owner_count;
	return 0;
}

/* How many outputs each item has, in its ctx's `mark`. */
static void count_outputs(struct batch *batch)
{
	for (unsigned at = 0; at < batch->count; at++)
		batch->ctxs[at].mark = 0;
	for (uint32_t n = 0; n < batch->owner_count; n++)
		batch->ctxs[batch->owners[n]].mark++;
}

/* A counting sort by owner: stable, and linear. */
static int sort(struct batch *batch, struct item *out)
{
	uint32_t place = 0;

	if (reserve_sorted(batch) < 0)
		return -1;
	count_outputs(batch);
	for (unsigned at = 0; at < batch->count; at++) {
		uint32_t own = batch->ctxs[at].mark;

		batch->ctxs[at].mark = place;
		place += own;
	}
	for (uint32_t n = 0; n < batch->owner_count; n++)
		batch->sorted.at[batch->ctxs[batch->owners[n]].mark++] = out[n];
	memcpy(out, batch->sorted.at, batch->owner_count * sizeof(*out));
	return 0;
}

static void say_verdict(struct stage_ctx *whole, enum stage_result result)
{
	if (result == STAGE_FAILED && !whole->failed)
		ctx_fail(whole, FAILURE_PERMANENT, "the stage failed without a reason");
	else if (result != STAGE_OK && result != STAGE_FAILED)
		ctx_fail(whole, FAILURE_PERMANENT,
			"the stage returned %d, which is not allowed for its thread model",
			(int)result);
}

/* Close the gaps that failed items leave, and number what stays. */
static void settle(struct batch *batch, struct items *out, uint32_t mark, int32_t *ret_outcomes)
{
	uint32_t from = mark, to = mark;

	count_outputs(batch);
	for (unsigned at = 0; at < batch->count; at++) {
		struct stage_ctx *ctx = &batch->ctxs[at];
		uint32_t count = ctx->mark;

		ret_outcomes[at] = (int32_t)ctx_number(ctx, &out->at[from], count);
		if (ret_outcomes[at] >= 0 && count > 0) { /* a sink's have nothing, nowhere */
			memmove(&out->at[to], &out->at[from], count * sizeof(*out->at));
			to += count;
		}
		from += count;
	}
	out->count = to;
}

void batch_end(struct batch *batch, struct stage_ctx *whole, enum stage_result result,
	int32_t *ret_outcomes)
{
	struct items *out = &whole->emitter->out;

	say_verdict(whole, result);
	if (!in_order(batch) && sort(batch, out->at + whole->mark) < 0)
		ctx_fail(whole, FAILURE_TRANSIENT, "out of memory");
	if (whole->failed)
		batch_fail(batch, &whole->verdict);
	settle(batch, out, whole->mark, ret_outcomes);
	whole->batch = NULL;
}

/* ---- accessors: stages/stage.h says what they promise ---- */

size_t stage_batch_count(struct stage_ctx *ctx)
{
	return ctx->batch == NULL ? 0 : ctx->batch->count;
}

struct stage_ctx *stage_batch_item(struct stage_ctx *ctx, size_t index)
{
	return &ctx->batch->ctxs[index];
}
