/*
 * outlet-batch: a blocking sink that takes items in batches and writes each as one line of ids
 * to a file. An item {"bad":"permanent"} fails alone, {"bad":"transient"} at its first attempt;
 * while the file `shut` is there, or at the first `refuse` calls, the batch fails as a whole.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "stage.h"

struct outlet {
	const char *log, *shut, *kind;
	int64_t refuse, calls;
};

static const struct stage_param outlet_params[] = {
	{ "log", STAGE_STRING, .required = 1, .doc = "file for the ids",
		.offset = offsetof(struct outlet, log) },
	{ "shut", STAGE_STRING, .doc = "batches fail while this file exists",
		.offset = offsetof(struct outlet, shut) },
	{ "refuse", STAGE_INT, .max = 1000000, .doc = "so many calls fail first",
		.offset = offsetof(struct outlet, refuse) },
	{ "kind", STAGE_STRING, .def = "transient", .choices = "permanent|transient",
		.doc = "how they fail", .offset = offsetof(struct outlet, kind) },
	{ 0 },
};

static enum stage_result outlet_run(void *instance, struct stage_ctx *ctx)
{
	return stage_fail(ctx, STAGE_PERMANENT, "it takes batches only");
}

static int take(struct stage_ctx *ctx, int file)
{
	const char *item = stage_input(ctx, NULL);
	char text[128];
	int len = snprintf(text, sizeof(text), "%s ", stage_item_id(ctx));

	if (strstr(item, "\"permanent\"") != NULL)
		return stage_fail(ctx, STAGE_PERMANENT, "a bad one") == STAGE_OK;
	if (strstr(item, "\"transient\"") != NULL && stage_attempt(ctx) == 1)
		return stage_fail(ctx, STAGE_TRANSIENT, "not yet") == STAGE_OK;
	return write(file, text, (size_t)len) == len;
}

static enum stage_result outlet_run_batch(void *instance, struct stage_ctx *ctx)
{
	struct outlet *outlet = instance;
	enum stage_failure kind = outlet->kind[0] == 'p' ? STAGE_PERMANENT : STAGE_TRANSIENT;
	int file;

	if (outlet->calls++ < outlet->refuse ||
		(outlet->shut != NULL && access(outlet->shut, F_OK) == 0))
		return stage_fail(ctx, kind, "it is shut");
	file = open(outlet->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (file < 0)
		return stage_fail(ctx, STAGE_PERMANENT, "cannot open the log");
	for (size_t at = 0; at < stage_batch_count(ctx); at++)
		take(stage_batch_item(ctx, at), file);
	if (write(file, "\n", 1) != 1)
		stage_log(ctx, "cannot write");
	close(file);
	return STAGE_OK;
}

STAGE(.name = "outlet-batch", .version = "1.0.0", .summary = "Write ids to a file in batches",
	.kind = STAGE_SINK, .threads = STAGE_BLOCKING, .instance_size = sizeof(struct outlet),
	.params = outlet_params, .run = outlet_run, .run_batch = outlet_run_batch);
