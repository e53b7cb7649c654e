#include "engine/configure.h"

#include "engine/ctx.h"

static int call_configure(const struct stage *stage, void *config, struct error *err)
{
	struct emitter emitter = { 0 };
	struct stage_ctx ctx = { .emitter = &emitter };
	int result = 0;

	if (stage->configure != NULL && stage->configure(config, &ctx) != STAGE_OK)
		result = error_set(err, ERR_INTERNAL, "%s",
			ctx.failed ? ctx.verdict.text : "the stage refused it");
	emitter_done(&emitter);
	ctx_done(&ctx);
	return result;
}

static void call_unconfigure(const struct stage *stage, void *config)
{
	struct emitter emitter = { 0 };
	struct stage_ctx ctx = { .emitter = &emitter };

	if (stage->unconfigure != NULL)
		stage->unconfigure(config, &ctx);
	emitter_done(&emitter);
	ctx_done(&ctx);
}

void configure_loop_end(const struct registry *registry)
{
	for (size_t at = 0; at < registry_count(registry); at++) {
		const struct stage *stage = registry_at(registry, at);
		struct emitter emitter = { 0 };
		struct stage_ctx ctx = { .emitter = &emitter };

		/* The stage's own memory, which only others may not change. */
		if (stage->loop_end != NULL)
			stage->loop_end((void *)registry_config(registry, stage), &ctx);
		emitter_done(&emitter);
		ctx_done(&ctx);
	}
}

const struct config_hooks configure_hooks = { call_configure, call_unconfigure };
