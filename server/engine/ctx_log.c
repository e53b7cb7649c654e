/* What stages and their processes say to the log. See stages/stage.h. */
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/ctx.h"
#include "engine/hosted.h"

#define LINES_PER_S 100 /* of all stages together, of each kind */
#define TEXT_MAX    600

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool may_log(struct log_limit *limit, unsigned *ret_skipped)
{
	bool allowed;

	pthread_mutex_lock(&lock);
	allowed = log_allowed(limit, LINES_PER_S, ret_skipped);
	pthread_mutex_unlock(&lock);
	return allowed;
}

/* "" where the job is part of no trace. */
static const char *trace_of(struct stage_ctx *ctx)
{
	const char *traceparent = stage_traceparent(ctx);

	return traceparent == NULL ? "" : traceparent + 3;
}

void stage_log(struct stage_ctx *ctx, const char *format, ...)
{
	static struct log_limit limit;
	char text[TEXT_MAX];
	unsigned skipped = 0;
	va_list args;

	if (!may_log(&limit, &skipped))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (ctx == NULL || ctx->run == NULL) /* of no job */
		log_info("stage_log", "skipped=%u text=\"%s\"", skipped, text);
	else if (ctx->run->hosted != NULL)
		hosted_log(ctx->run->hosted, skipped, text);
	else
		log_info("stage_log", "job=%s trace=%.*s stage=%s skipped=%u text=\"%s\"",
			ctx->run->pipeline->id_text, TRACE_ID_SIZE - 1, trace_of(ctx),
			ctx->run->def->name, skipped, text);
}

int stage_stderr(struct stage_ctx *ctx, const char *use, int pid, uint64_t skipped,
	const char *text, size_t len)
{
	static struct log_limit limit;
	const int shown = (int)MIN(len, (size_t)TEXT_MAX);
	unsigned ignored = 0; /* who calls counts himself */

	if (!may_log(&limit, &ignored))
		return 0;
	if (ctx == NULL || ctx->run == NULL)
		log_info("stage_stderr", "stage=%s pid=%d skipped=%llu text=\"%.*s\"", use, pid,
			(unsigned long long)skipped, shown, text);
	else if (ctx->run->hosted != NULL)
		stage_log(ctx, "pid %d: %.*s", pid, shown, text);
	else
		log_info("stage_stderr",
			"job=%s trace=%.*s stage=%s use=%s pid=%d skipped=%llu text=\"%.*s\"",
			ctx->run->pipeline->id_text, TRACE_ID_SIZE - 1, trace_of(ctx),
			ctx->run->def->name, use, pid, (unsigned long long)skipped, shown,
			text);
	return 1;
}
