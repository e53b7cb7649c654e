#include "engine/isolated.h"

#include "engine/internal.h"
#include "engine/isolated_parts.h"

static struct isolated_worker *worker_of(struct stage_ctx *ctx)
{
	return stage_worker(ctx);
}

static void init(struct isolated *isolated, struct stage_run *run)
{
	pthread_condattr_t attr;

	isolated->run = run;
	pthread_mutex_init(&isolated->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&isolated->rest, &attr);
	pthread_condattr_destroy(&attr);
	list_init(&isolated->workers);
	list_init(&isolated->first.link);
	host_init(&isolated->first.host);
	isolated->first.isolated = isolated;
}

/* From now on isolated_stop() finds it, or does not any more. */
static void show(struct stage_run *run, struct isolated *isolated)
{
	pipeline_lock(run->pipeline);
	run->isolated = isolated;
	pthread_mutex_unlock(&run->pipeline->lock);
}

static void done(struct isolated *isolated)
{
	show(isolated->run, NULL);
	pthread_cond_destroy(&isolated->rest);
	pthread_mutex_destroy(&isolated->lock);
}

/*
 * What the stage has to say of its parameters it says in a process, too; which is then the
 * first worker's. Without an `open` of its own the first item starts one.
 */
static enum stage_result isolated_open(void *instance, struct stage_ctx *ctx)
{
	struct isolated *isolated = instance;
	struct error err;

	init(isolated, ctx->run);
	show(ctx->run, isolated);
	if (ctx->run->def->stage->open == NULL ||
		isolated_host_open(isolated, &isolated->first, ctx, &err) == 0)
		return STAGE_OK;
	done(isolated);
	return stage_fail(
		ctx, err.code == ERR_BUSY ? STAGE_TRANSIENT : STAGE_PERMANENT, "%s", err.text);
}

static void isolated_close(void *instance, struct stage_ctx *ctx)
{
	struct isolated *isolated = instance;

	isolated_worker_quit(&isolated->first);
	done(isolated);
}

static enum stage_result isolated_worker_begin(void *instance, struct stage_ctx *ctx)
{
	struct isolated_worker *worker = worker_of(ctx);
	struct error err;

	worker->isolated = instance;
	list_init(&worker->link);
	host_init(&worker->host);
	if (json_check_new(&worker->check, &err) < 0)
		return stage_fail(ctx, STAGE_TRANSIENT, "%s", err.text);
	return STAGE_OK;
}

static void isolated_worker_end(void *instance, struct stage_ctx *ctx)
{
	struct isolated_worker *worker = worker_of(ctx);

	isolated_worker_quit(worker);
	json_check_free(worker->check);
}

/* Not called: activations of it go to isolated_work_on(). A descriptor has one. */
static enum stage_result isolated_run(void *instance, struct stage_ctx *ctx)
{
	return stage_fail(ctx, STAGE_PERMANENT, "an isolated stage takes batches");
}

const struct stage isolated_stage = {
	.abi = STAGE_ABI,
	.size = sizeof(struct stage),
	.param_size = sizeof(struct stage_param),
	.name = "isolated",
	.version = "0",
	.summary = "A stage in a process of its own",
	.threads = STAGE_BLOCKING,
	.instance_size = sizeof(struct isolated),
	.worker_size = sizeof(struct isolated_worker),
	.open = isolated_open,
	.close = isolated_close,
	.worker_open = isolated_worker_begin,
	.worker_close = isolated_worker_end,
	.run = isolated_run,
};

/* Besides those that have items: what the threads still there may want, and a serial stage's:
 * its state is in it. */
static unsigned processes_to_keep(struct stage_run *run)
{
	unsigned wanted, active;

	pipeline_lock(run->pipeline);
	wanted = MIN(run->threads, run->workers);
	active = run->active;
	pthread_mutex_unlock(&run->pipeline->lock);
	wanted = MAX(wanted, run->def->stage->threads == STAGE_SERIAL ? 1u : 0u);
	return wanted > active ? wanted - active : 0;
}

void isolated_trim(struct stage_run *run)
{
	struct emitter emitter = { 0 };
	struct stage_ctx ctx = { .run = run, .emitter = &emitter };

	worker_close_idle(run, &ctx, processes_to_keep(run));
	ctx_done(&ctx);
}

void isolated_stop(struct pipeline *pipeline)
{
	for (unsigned at = pipeline->first; at < pipeline->end; at++) {
		struct isolated *isolated = pipeline->stages[at].isolated;

		if (isolated == NULL)
			continue;
		pthread_mutex_lock(&isolated->lock);
		pthread_cond_broadcast(&isolated->rest);
		LIST_EACH(&isolated->workers, link)
		host_stir(&LIST_ENTRY(link, struct isolated_worker, link)->host);
		pthread_mutex_unlock(&isolated->lock);
	}
}
