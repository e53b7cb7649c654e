/*
 * outlet: a blocking sink that writes down the id of every item it is given, one a line, in a
 * file outside of the server, and counts them in its state. It is slow, deaf or cut off from
 * what it writes to, as a test wants it.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stage.h"

struct outlet {
	int64_t ms;
	bool deaf;
	const char *log, *shut, *state_shut;
	long long taken;
};

static const struct stage_param outlet_params[] = {
	{ "ms", STAGE_INT, .max = 600000, .doc = "how long an item takes",
		.offset = offsetof(struct outlet, ms) },
	{ "deaf", STAGE_BOOL, .doc = "it does not hear that nobody waits any more",
		.offset = offsetof(struct outlet, deaf) },
	{ "log", STAGE_STRING, .doc = "file for the ids",
		.offset = offsetof(struct outlet, log) },
	{ "shut", STAGE_STRING, .doc = "items fail for the moment while this file exists",
		.offset = offsetof(struct outlet, shut) },
	{ "state_shut", STAGE_STRING, .doc = "the state fails for the moment while it exists",
		.offset = offsetof(struct outlet, state_shut) },
	{ 0 },
};

static enum stage_result outlet_open(void *instance, struct stage_ctx *ctx)
{
	struct outlet *outlet = instance;
	size_t len;
	const char *state = stage_state(ctx, &len);

	if (state != NULL && len == sizeof(outlet->taken))
		memcpy(&outlet->taken, state, len);
	return STAGE_OK;
}

static void take_time(const struct outlet *outlet, struct stage_ctx *ctx)
{
	const struct timespec step = { .tv_nsec = 1000000 };

	for (int64_t passed = 0; passed < outlet->ms; passed++) {
		if (!outlet->deaf && stage_cancelled(ctx))
			return;
		nanosleep(&step, NULL);
	}
}

static enum stage_result write_down(struct outlet *outlet, struct stage_ctx *ctx)
{
	char line[128];
	int file, len = snprintf(line, sizeof(line), "%s\n", stage_item_id(ctx));
	ssize_t written;

	if (outlet->log == NULL)
		return STAGE_OK;
	file = open(outlet->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (file < 0)
		return stage_fail(ctx, STAGE_PERMANENT, "cannot open the log");
	written = write(file, line, (size_t)len);
	close(file);
	return written == len ? STAGE_OK : stage_fail(ctx, STAGE_PERMANENT, "cannot write");
}

static enum stage_result outlet_run(void *instance, struct stage_ctx *ctx)
{
	struct outlet *outlet = instance;

	take_time(outlet, ctx);
	if (!outlet->deaf && stage_cancelled(ctx))
		return stage_fail(ctx, STAGE_TRANSIENT, "nobody waits");
	if (outlet->shut != NULL && access(outlet->shut, F_OK) == 0)
		return stage_fail(ctx, STAGE_TRANSIENT, "it is shut");
	if (write_down(outlet, ctx) != STAGE_OK)
		return STAGE_FAILED;
	outlet->taken++;
	return STAGE_OK;
}

static enum stage_result outlet_checkpoint(void *instance, struct stage_ctx *ctx)
{
	const struct outlet *outlet = instance;

	if (outlet->state_shut != NULL && access(outlet->state_shut, F_OK) == 0)
		return stage_fail(ctx, STAGE_TRANSIENT, "the state is shut");
	return stage_state_set(ctx, &outlet->taken, sizeof(outlet->taken));
}

static enum stage_result outlet_report(void *instance, struct stage_ctx *ctx)
{
	const struct outlet *outlet = instance;
	char text[64];
	int len = snprintf(text, sizeof(text), "{\"taken\":%lld}", outlet->taken);

	return stage_emit(ctx, text, (size_t)len);
}

STAGE(.name = "outlet", .version = "1.0.0", .summary = "Write the items' ids to a file",
	.kind = STAGE_SINK, .threads = STAGE_BLOCKING, .instance_size = sizeof(struct outlet),
	.params = outlet_params, .open = outlet_open, .run = outlet_run,
	.checkpoint = outlet_checkpoint, .report = outlet_report);
