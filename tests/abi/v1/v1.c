/*
 * v1: a module as it was built against the first stage.h, which stands beside this file and
 * is never changed. Every later leat must load it and run its cases.
 *
 * It uses one parameter of each type, a worker's memory, scratch, both ways to emit and both
 * kinds of failure.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "stage.h"

struct v1 {
	const char *text;
	int64_t times;
	double factor;
	bool twice;
	const char *pointer, *json;
};

static const struct stage_param v1_params[] = {
	{ "text", STAGE_STRING, .def = "t", .doc = "a text", .choices = "t|u",
		.offset = offsetof(struct v1, text) },
	{ "times", STAGE_INT, .def = "3", .doc = "a whole number", .min = 1, .max = 9,
		.offset = offsetof(struct v1, times) },
	{ "factor", STAGE_NUMBER, .def = "1.5", .doc = "a number",
		.offset = offsetof(struct v1, factor) },
	{ "twice", STAGE_BOOL, .def = "false", .doc = "emit it twice",
		.offset = offsetof(struct v1, twice) },
	{ "pointer", STAGE_POINTER, .def = "a", .doc = "a JSON pointer",
		.offset = offsetof(struct v1, pointer) },
	{ "json", STAGE_JSON, .doc = "any JSON", .offset = offsetof(struct v1, json) },
	{ 0 },
};

struct worker {
	bool opened;
};

static enum stage_result v1_open(void *instance, struct stage_ctx *ctx)
{
	const struct v1 *self = instance;

	if (self->factor < 0)
		return stage_fail(ctx, STAGE_PERMANENT, "/factor: below zero");
	return STAGE_OK;
}

static enum stage_result v1_worker_open(void *instance, struct stage_ctx *ctx)
{
	((struct worker *)stage_worker(ctx))->opened = true;
	return STAGE_OK;
}

static enum stage_result v1_run(void *instance, struct stage_ctx *ctx)
{
	const struct v1 *self = instance;
	const struct worker *worker = stage_worker(ctx);
	char *to = stage_reserve(ctx, 400), *copy;
	size_t len;
	const char *item = stage_input(ctx, &len);

	if (!worker->opened || to == NULL || len > 100)
		return stage_fail(ctx, STAGE_PERMANENT, "not for this one");
	if (*item == 'n' && stage_attempt(ctx) == 1)
		return stage_fail(ctx, STAGE_TRANSIENT, "null at the first attempt");
	len = (size_t)snprintf(to, 400,
		"{\"in\":%s,\"number\":%llu,\"with\":[\"%s\",%lld,%g,\"%s\",%s]}", item,
		(unsigned long long)stage_item_number(ctx), self->text, (long long)self->times,
		self->factor, self->pointer, self->json != NULL ? self->json : "null");
	copy = stage_scratch(ctx, len);
	if (copy == NULL)
		return STAGE_FAILED;
	memcpy(copy, to, len);
	if (stage_emit_reserved(ctx, len) != STAGE_OK)
		return STAGE_FAILED;
	return self->twice ? stage_emit(ctx, copy, len) : STAGE_OK;
}

STAGE(.name = "v1", .version = "1.0.0", .summary = "A module of the first ABI",
	.threads = STAGE_PARALLEL, .instance_size = sizeof(struct v1),
	.worker_size = sizeof(struct worker), .params = v1_params, .open = v1_open,
	.worker_open = v1_worker_open, .run = v1_run);
