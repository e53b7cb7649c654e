#include "engine/stages_life.h"

#include "base/role.h"
#include "engine/ctx.h"
#include "engine/internal.h"

bool stages_life_has_open(const struct pipeline *pipeline)
{
	for (unsigned at = 0; at < pipeline->count; at++)
		if (pipeline->stages[at].stage->open != NULL)
			return true;
	return false;
}

/* The stage says "/name: what" where it means a parameter. */
static int open_failed(
	const struct stage_run *run, const struct verdict *verdict, struct error *err)
{
	const char *text =
		verdict->text[0] == '\0' ? "the stage refused to open" : verdict->text;

	if (verdict->kind == FAILURE_TRANSIENT)
		return error_set(err, ERR_BUSY, "/stages/%u: %s", run->index, text);
	if (text[0] == '/')
		return error_set(err, ERR_DEFINITION, "/stages/%u/params%s", run->index, text);
	return error_set(err, ERR_DEFINITION, "/stages/%u: %s", run->index, text);
}

static int open_stage(
	struct stage_run *run, const void *state, size_t state_len, struct error *err)
{
	struct emitter emitter = { 0 };
	struct stage_ctx ctx = { .run = run, .emitter = &emitter };
	int done = 0;

	run->instance = mem_zalloc(run->stage->instance_size + 1);
	if (run->instance == NULL)
		return error_no_memory(err);
	if (params_fill(run->stage, run->def->params, run->instance, &run->params, err) < 0)
		return -1;
	if (run->pipeline->engine != NULL)
		run->config = registry_config(run->pipeline->engine->registry, run->def->stage);
	run->opened = true;
	if (run->stage->kind != STAGE_MAP) {
		ctx.state = state;
		ctx.state_len = state_len;
	}
	if (run->stage->open != NULL && run->stage->open(run->instance, &ctx) != STAGE_OK) {
		run->opened = false;
		done = open_failed(run, &ctx.verdict, err);
	}
	emitter.out.count = 0;
	emitter_done(&emitter);
	ctx_done(&ctx);
	return done;
}

int stages_life_open(
	struct pipeline *pipeline, const void *state, size_t state_len, struct error *err)
{
	size_t len;
	const char *part;

	for (unsigned at = 0; at < pipeline->count; at++) {
		struct stage_run *run = &pipeline->stages[at];

		part = states_view(state, state_len,
			run == pipeline->source ? STATE_SOURCE : STATE_SINK, &len);
		if (open_stage(run, part, len, err) < 0)
			return -1;
	}
	part = states_view(state, state_len, STATE_SOURCE, &len);
	if (len > 0 && buf_append(&pipeline->source_state, part, len) < 0)
		return error_no_memory(err);
	return 0;
}

static void close_stage(struct stage_run *run)
{
	struct emitter emitter = { 0 };
	struct stage_ctx ctx = { .run = run, .emitter = &emitter };

	worker_close_idle(run, &ctx, 0);
	if (run->opened && run->stage->close != NULL)
		run->stage->close(run->instance, &ctx);
	params_store_free(run->params);
	mem_free(run->params_text);
	mem_free(run->instance);
	emitter.out.count = 0;
	emitter_done(&emitter);
	ctx_done(&ctx);
}

static bool has_close(const struct pipeline *pipeline)
{
	for (unsigned at = 0; at < pipeline->count; at++)
		if (pipeline->stages[at].stage->close != NULL ||
			pipeline->stages[at].stage->worker_close != NULL)
			return true;
	return false;
}

static void end(struct pipeline *pipeline)
{
	for (unsigned at = 0; at < pipeline->count; at++)
		close_stage(&pipeline->stages[at]);
	pipeline_free(pipeline);
}

static void end_task(struct task *task)
{
	end(CONTAINER_OF(task, struct pipeline, end_task));
}

void stages_life_end(struct pipeline *pipeline)
{
	/* On a thread that may sleep it may take its time, and holds up nobody. */
	if (!has_close(pipeline) || role_current == ROLE_BLOCKING) {
		end(pipeline);
		return;
	}
	pipeline->end_task.run = end_task;
	list_init(&pipeline->end_task.link);
	scheduler_task(pipeline->engine->scheduler, &pipeline->end_task);
}
