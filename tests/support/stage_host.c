#include "stage_host.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plugin/config.h"

#define OUTPUTS_MAX 4096

struct stage_ctx {
	struct stage_host *host;
	void *worker;

	/* The item. */
	char *input;
	size_t input_len;
	uint64_t number;
	unsigned attempt;
	char id[40];

	/* What came of it. */
	struct buf bytes;
	size_t ends[OUTPUTS_MAX], count;
	size_t reserved;
	enum stage_failure kind;
	char failure[301];
	bool failed, deferred, completed, cancelled, cancel_next;
	enum stage_result result;
	void (*timer)(void *instance, struct stage_ctx *ctx);
	uint64_t waited_ms;

	/* Memory of the item: in blocks of their own, so that a sanitizer sees every byte. */
	void *scratch[OUTPUTS_MAX];
	size_t scratch_count;

	struct buf state;
	bool has_state;
	size_t room;

	struct config *config; /* of nothing but defaults */
	char *params;
};

/* ---- what stages call ---- */

const char *stage_input(struct stage_ctx *ctx, size_t *ret_len)
{
	*ret_len = ctx->input_len;
	return ctx->input;
}

const char *stage_item_id(struct stage_ctx *ctx)
{
	snprintf(ctx->id, sizeof(ctx->id), "j_test/%llu", (unsigned long long)ctx->number);
	return ctx->id;
}

const char *stage_traceparent(struct stage_ctx *ctx)
{
	return "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
}

uint64_t stage_item_number(struct stage_ctx *ctx)
{
	return ctx->number;
}

const void *stage_config(struct stage_ctx *ctx)
{
	return config_memory(ctx->config);
}

/* Here items come one by one. */
size_t stage_batch_count(struct stage_ctx *ctx)
{
	return 0;
}

struct stage_ctx *stage_batch_item(struct stage_ctx *ctx, size_t index)
{
	return NULL;
}

unsigned stage_workers(struct stage_ctx *ctx)
{
	return 1;
}

void stage_in_flight(struct stage_ctx *ctx, unsigned per_worker)
{
}

const char *stage_use(struct stage_ctx *ctx)
{
	return ctx->host->stage->name;
}

const char *stage_params(struct stage_ctx *ctx, size_t *ret_len)
{
	if (ret_len != NULL)
		*ret_len = strlen(ctx->params);
	return ctx->params;
}

unsigned stage_attempt(struct stage_ctx *ctx)
{
	return ctx->attempt;
}

int stage_cancelled(struct stage_ctx *ctx)
{
	return ctx->cancelled;
}

enum stage_result stage_emit(struct stage_ctx *ctx, const char *json, size_t len)
{
	assert(!ctx->failed && !ctx->completed && ctx->count < OUTPUTS_MAX);
	assert(memchr(json, '\n', len) == NULL && len > 0);
	assert(buf_append(&ctx->bytes, json, len) == 0);
	ctx->ends[ctx->count++] = ctx->bytes.len;
	return STAGE_OK;
}

enum stage_result stage_emit_input(struct stage_ctx *ctx)
{
	return stage_emit(ctx, ctx->input, ctx->input_len);
}

/* Exactly as much as was asked for, so that a sanitizer sees the byte behind it. */
char *stage_reserve(struct stage_ctx *ctx, size_t len)
{
	ctx->reserved = len;
	return stage_scratch(ctx, len);
}

enum stage_result stage_emit_reserved(struct stage_ctx *ctx, size_t len)
{
	assert(ctx->reserved > 0 && len <= ctx->reserved);
	ctx->reserved = 0;
	return stage_emit(ctx, ctx->scratch[ctx->scratch_count - 1], len);
}

enum stage_result stage_fail(
	struct stage_ctx *ctx, enum stage_failure kind, const char *format, ...)
{
	va_list args;

	assert(!ctx->completed);
	va_start(args, format);
	vsnprintf(ctx->failure, sizeof(ctx->failure), format, args);
	va_end(args);
	ctx->kind = kind;
	ctx->failed = true;
	ctx->count = 0;
	return STAGE_FAILED;
}

void stage_retry_after(struct stage_ctx *ctx, uint64_t ms)
{
}

void *stage_scratch(struct stage_ctx *ctx, size_t size)
{
	assert(ctx->scratch_count < OUTPUTS_MAX);
	return ctx->scratch[ctx->scratch_count++] = malloc(size + (size == 0));
}

void *stage_worker(struct stage_ctx *ctx)
{
	return ctx->worker;
}

void stage_log(struct stage_ctx *ctx, const char *format, ...)
{
}

int stage_stderr(struct stage_ctx *ctx, const char *use, int pid, uint64_t skipped,
	const char *text, size_t len)
{
	return 1;
}

struct stage_meter *stage_meter(struct stage_ctx *ctx)
{
	return NULL;
}

void stage_count(struct stage_meter *meter, const char *event, uint64_t n)
{
}

void stage_level(struct stage_meter *meter, const char *what, int64_t by)
{
}

void stage_defer(struct stage_ctx *ctx)
{
	assert(ctx->host->stage->threads == STAGE_ASYNC && !ctx->deferred);
	ctx->deferred = true;
}

void stage_complete(struct stage_ctx *ctx, enum stage_result result)
{
	assert(ctx->deferred && !ctx->completed);
	assert(result == STAGE_OK || result == STAGE_FAILED);
	ctx->completed = true;
	ctx->result = result;
	ctx->timer = NULL;
}

enum stage_result stage_timer(
	struct stage_ctx *ctx, uint64_t ms, void (*fn)(void *instance, struct stage_ctx *ctx))
{
	assert(ctx->deferred && ctx->timer == NULL);
	ctx->waited_ms = ms;
	ctx->timer = fn;
	return STAGE_OK;
}

void *stage_uv_loop(struct stage_ctx *ctx)
{
	return NULL;
}

const char *stage_state(struct stage_ctx *ctx, size_t *ret_len)
{
	*ret_len = ctx->state.len;
	if (!ctx->has_state)
		return NULL;
	return ctx->state.len > 0 ? ctx->state.data : "";
}

enum stage_result stage_state_set(struct stage_ctx *ctx, const void *bytes, size_t len)
{
	buf_clear(&ctx->state);
	assert(buf_append(&ctx->state, bytes, len) == 0);
	ctx->has_state = true;
	return STAGE_OK;
}

size_t stage_room(struct stage_ctx *ctx)
{
	return ctx->room;
}

/* ---- what the test calls ---- */

static void forget_item(struct stage_ctx *ctx)
{
	for (size_t i = 0; i < ctx->scratch_count; i++)
		free(ctx->scratch[i]);
	ctx->scratch_count = 0;
	free(ctx->input);
	ctx->input = NULL;
	ctx->input_len = ctx->count = ctx->reserved = 0;
	buf_clear(&ctx->bytes);
	ctx->failed = ctx->deferred = ctx->completed = ctx->cancelled = false;
	ctx->timer = NULL;
	ctx->waited_ms = 0;
}

static enum stage_result call(
	struct stage_host *host, enum stage_result (*fn)(void *instance, struct stage_ctx *ctx))
{
	forget_item(host->ctx);
	return fn != NULL ? fn(host->instance, host->ctx) : STAGE_OK;
}

static int opened(struct stage_host *host, enum stage_result result, struct error *err)
{
	if (result == STAGE_OK)
		return 0;
	return error_set(err, ERR_DEFINITION, "%s", host->ctx->failure);
}

static int fill(struct stage_host *host, const json_t *params, struct error *err)
{
	struct mistakes mistakes;
	json_t *checked;
	int result;

	mistakes_init(&mistakes);
	checked = params_check(host->stage, params, "/params", &mistakes);
	result = checked == NULL
			 ? error_set(err, ERR_DEFINITION, "%s: %s", mistakes.items[0].pointer,
				   mistakes.items[0].detail)
			 : params_fill(host->stage, checked, host->instance, &host->store, err);
	host->ctx->params = json_dumps(checked, JSON_COMPACT);
	mistakes_done(&mistakes);
	json_decref(checked);
	return result;
}

/* One that shares another's configuration has none here. */
static int configure(struct stage_host *host, struct error *err)
{
	return config_wanted(host->stage)
		       ? config_new(host->stage, NULL, NULL, &host->ctx->config, err)
		       : 0;
}

int stage_host_open(struct stage_host *host, const struct stage *stage, const json_t *params,
	const struct buf *state, struct error *err)
{
	*host = (struct stage_host){ .stage = stage };
	host->instance = calloc(1, stage->instance_size + 1);
	host->ctx = calloc(1, sizeof(*host->ctx));
	assert(host->instance != NULL && host->ctx != NULL);
	host->ctx->host = host;
	host->ctx->worker = stage->worker_size > 0 ? calloc(1, stage->worker_size) : NULL;
	if (state != NULL)
		stage_state_set(host->ctx, state->data, state->len);
	if (fill(host, params, err) < 0 || configure(host, err) < 0)
		goto fail;
	if (opened(host, call(host, stage->open), err) < 0)
		goto fail;
	if (opened(host, call(host, stage->worker_open), err) == 0)
		return 0;
	if (stage->close != NULL)
		stage->close(host->instance, host->ctx);
fail:
	host->stage = NULL; /* its close must not be called */
	stage_host_close(host);
	return -1;
}

void stage_host_close(struct stage_host *host)
{
	const struct stage *stage = host->stage;

	if (host->ctx == NULL)
		return;
	if (stage != NULL && stage->worker_close != NULL)
		stage->worker_close(host->instance, host->ctx);
	if (stage != NULL && stage->close != NULL)
		stage->close(host->instance, host->ctx);
	forget_item(host->ctx);
	buf_done(&host->ctx->bytes);
	buf_done(&host->ctx->state);
	params_store_free(host->store);
	config_free(host->ctx->config);
	free(host->ctx->params);
	free(host->ctx->worker);
	free(host->ctx);
	free(host->instance);
	*host = (struct stage_host){ 0 };
}

/* Let the deferred item come to its end. */
static enum stage_result wait_for(struct stage_host *host)
{
	struct stage_ctx *ctx = host->ctx;

	assert(ctx->deferred);
	if (!ctx->completed && ctx->cancel_next) {
		ctx->cancelled = true;
		host->stage->cancel(host->instance, ctx);
	} else if (!ctx->completed) {
		assert(ctx->timer != NULL);
		ctx->timer(host->instance, ctx);
	}
	assert(ctx->completed);
	return ctx->result;
}

enum stage_result stage_host_run(struct stage_host *host, const char *item, size_t len,
	uint64_t number, unsigned attempt)
{
	struct stage_ctx *ctx = host->ctx;
	enum stage_result result;

	forget_item(ctx);
	ctx->input = mem_strndup(item, len);
	assert(ctx->input != NULL);
	ctx->input_len = len;
	ctx->number = number;
	ctx->attempt = attempt;
	result = host->stage->run(host->instance, ctx);
	if (result == STAGE_PENDING)
		result = wait_for(host);
	assert((result == STAGE_FAILED) == ctx->failed);
	return result;
}

enum stage_result stage_host_generate(struct stage_host *host, size_t room)
{
	host->ctx->room = room;
	return call(host, host->stage->run);
}

enum stage_result stage_host_checkpoint(struct stage_host *host)
{
	return call(host, host->stage->checkpoint);
}

enum stage_result stage_host_report(struct stage_host *host)
{
	return call(host, host->stage->report);
}

void stage_host_cancel_next(struct stage_host *host)
{
	host->ctx->cancel_next = true;
}

size_t stage_host_emitted(const struct stage_host *host)
{
	return host->ctx->count;
}

const char *stage_host_output(const struct stage_host *host, size_t index, size_t *ret_len)
{
	const struct stage_ctx *ctx = host->ctx;
	size_t begin = index > 0 ? ctx->ends[index - 1] : 0;

	assert(index < ctx->count);
	*ret_len = ctx->ends[index] - begin;
	return ctx->bytes.data + begin;
}

const char *stage_host_failure(const struct stage_host *host, enum stage_failure *ret_kind)
{
	*ret_kind = host->ctx->kind;
	return host->ctx->failure;
}

uint64_t stage_host_waited_ms(const struct stage_host *host)
{
	return host->ctx->waited_ms;
}

const struct buf *stage_host_state(const struct stage_host *host)
{
	return host->ctx->has_state ? &host->ctx->state : NULL;
}
