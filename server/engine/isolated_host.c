/* The processes of an isolated stage: starting them, not too often, and ending them. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/internal.h"
#include "engine/isolated_parts.h"
#include "engine/isolated_setup.h"
#include "engine/meter.h"

#define OPEN_NS        (20 * NS_PER_S) /* a stage's `open` may take so long */
#define QUIT_NS        (1 * NS_PER_S)  /* and its `close` */
#define PROGRAM        "/proc/self/exe"
#define DEATHS_FREE    3 /* so many in a row are followed by the next start at once */
#define STARTS_MAX     3 /* before the items fail for want of a process */
#define DELAY_MAX_MS   100
#define REFUSED_MAX_MS 1000

bool isolated_stopped(const struct isolated *isolated)
{
	return __atomic_load_n(&isolated->run->pipeline->stopped, __ATOMIC_RELAXED);
}

uint64_t isolated_timeout_ns(const struct stage_run *run)
{
	uint64_t ms = run->def->timeout_ms != 0
			      ? run->def->timeout_ms
			      : engine_config(run->pipeline->engine)->isolated_timeout_ms;

	return ms * NS_PER_MS;
}

/* ---- who can be stirred ---- */

static void list_worker(struct isolated_worker *worker)
{
	pthread_mutex_lock(&worker->isolated->lock);
	list_append(&worker->isolated->workers, &worker->link);
	pthread_mutex_unlock(&worker->isolated->lock);
}

/* Nobody stirs its host any more. */
static void unlist_worker(struct isolated_worker *worker)
{
	pthread_mutex_lock(&worker->isolated->lock);
	list_remove(&worker->link);
	list_init(&worker->link);
	pthread_mutex_unlock(&worker->isolated->lock);
}

/* ---- starting ---- */

static int write_setup(struct isolated *isolated, struct host *host, struct error *err)
{
	const struct stage_run *run = isolated->run;
	const struct engine_config *config = engine_config(run->pipeline->engine);
	const char *file = registry_file(run->pipeline->engine->registry, run->def->stage);
	struct isolated_setup setup = { .parent = getpid(),
		.use = (char *)(uintptr_t)run->def->stage->name,
		.file = (char *)(uintptr_t)file,
		.job = run->pipeline->id_text,
		.name = run->def->name,
		.params = run->def->params,
		.output_max = config->output_max,
		.memory_bytes = config->isolated_memory,
		.timeout_name = run->def->timeout_ms != 0 ? "timeout_ms" : "isolated-timeout",
		.first = !atomic_load(&isolated->started) };
	_auto_free_ char *text = isolated_setup_write(&setup);
	size_t len;

	if (text == NULL)
		return error_no_memory(err);
	len = strlen(text);
	if (len > host->share.order_size)
		return error_set(err, ERR_DEFINITION,
			"its parameters are too large for a process of its own");
	memcpy(host->share.order_texts, text, len);
	host->share.order->setup_len = (uint32_t)len;
	return 0;
}

/* The process went, or is killed, before the stage was open. */
static int open_ended(struct host *host, const char *why, struct error *err)
{
	char how[80];

	host_describe_end(host_kill(host), how, sizeof(how));
	return error_set(err, ERR_INTERNAL,
		"the stage's process %s before the stage was open%s", how, why);
}

static int await_open(struct host *host, struct stage_ctx *ctx, struct error *err)
{
	uint64_t until_ns = clock_mono_ns() + OPEN_NS;

	for (;;) {
		switch (host_wait(host, until_ns)) {
		case HOST_OPENED:
			return 0;
		case HOST_REFUSED:
			return error_set(err, ERR_DEFINITION, "%s", host->text);
		case HOST_LOG:
			stage_log(ctx, "%s", host->text);
			break;
		case HOST_COUNT:
			meter_hear(stage_meter(ctx), host->text);
			break;
		case HOST_LATE:
			return open_ended(host, ": it took too long", err);
		case HOST_STIRRED:
			if (isolated_stopped(ctx->run->isolated))
				return open_ended(host, ": the job has ended", err);
			break;
		default:
			return open_ended(host, "", err);
		}
	}
}

int isolated_host_open(struct isolated *isolated, struct isolated_worker *worker,
	struct stage_ctx *ctx, struct error *err)
{
	struct engine *engine = isolated->run->pipeline->engine;
	const struct engine_config *config = engine_config(engine);
	struct host *host = &worker->host;

	if (host_start(host, &engine->spawner,
		    config->isolated_program != NULL ? config->isolated_program : PROGRAM,
		    isolated->run->def->stage->name, config->item_max, config->output_max,
		    err) < 0)
		return -1;
	list_worker(worker);
	atomic_store(&isolated->started, true);
	if (write_setup(isolated, host, err) == 0) {
		host_tell(host, HOST_SETUP);
		if (await_open(host, ctx, err) == 0)
			return 0;
	}
	unlist_worker(worker);
	host_end(host);
	return -1;
}

/* ---- not too often ---- */

static uint64_t delay_ms(struct isolated *isolated)
{
	uint64_t ms = 0;

	pthread_mutex_lock(&isolated->lock);
	if (isolated->deaths > DEATHS_FREE)
		ms = MIN(1ull << MIN(isolated->deaths - DEATHS_FREE, 10u),
			(uint64_t)DELAY_MAX_MS);
	if (isolated->refusals > 0)
		ms = MAX(ms,
			MIN(5ull << MIN(isolated->refusals, 10u), (uint64_t)REFUSED_MAX_MS));
	pthread_mutex_unlock(&isolated->lock);
	return ms;
}

/* So long, or until the job stops. */
static void rest(struct isolated *isolated, uint64_t ms)
{
	struct timespec until = clock_until(clock_mono_ns() + ms * NS_PER_MS);

	pthread_mutex_lock(&isolated->lock);
	while (ms > 0 && !isolated_stopped(isolated) &&
		pthread_cond_timedwait(&isolated->rest, &isolated->lock, &until) == 0)
		;
	pthread_mutex_unlock(&isolated->lock);
}

void isolated_worked(struct isolated *isolated)
{
	pthread_mutex_lock(&isolated->lock);
	isolated->deaths = 0;
	pthread_mutex_unlock(&isolated->lock);
}

static void note_start(struct isolated *isolated, bool refused)
{
	pthread_mutex_lock(&isolated->lock);
	isolated->refusals = refused ? isolated->refusals + 1 : 0;
	pthread_mutex_unlock(&isolated->lock);
}

/* ---- workers ---- */

/* The process that `open` has started. */
static bool take_first(struct isolated *isolated, struct isolated_worker *worker)
{
	struct isolated_worker *first = &isolated->first;
	bool taken;

	pthread_mutex_lock(&isolated->lock);
	taken = host_is_running(&first->host);
	if (taken) {
		list_remove(&first->link);
		worker->host = first->host;
		host_init(&first->host);
		list_append(&isolated->workers, &worker->link);
	}
	pthread_mutex_unlock(&isolated->lock);
	return taken;
}

/* Nobody else is told: the items wait. */
static void log_shortage(const struct isolated *isolated, const struct error *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct log_limit limit;
	unsigned skipped = 0;
	bool allowed;

	pthread_mutex_lock(&lock);
	allowed = log_allowed(&limit, 1, &skipped);
	pthread_mutex_unlock(&lock);
	if (allowed)
		log_warn("stage_process_waits", "job=%s stage=%s skipped=%u err=\"%s\"",
			isolated->run->pipeline->id_text, isolated->run->def->name, skipped,
			err->text);
}

int isolated_worker_open(
	struct isolated_worker *worker, struct stage_ctx *ctx, struct error *err)
{
	struct isolated *isolated = worker->isolated;
	int result = -1;

	if (host_is_running(&worker->host) || take_first(isolated, worker))
		return 0;
	/* Not what the stage says is tried again, but what may have come from elsewhere; and
	 * as long as it takes where the system is short of descriptors or processes: that is
	 * no item's fault. */
	error_set(err, ERR_INTERNAL, "the job has ended");
	for (unsigned n = 0; result < 0 && n < STARTS_MAX && err->code != ERR_DEFINITION;
		n += err->code != ERR_BUSY) {
		rest(isolated, delay_ms(isolated));
		if (isolated_stopped(isolated))
			break;
		result = isolated_host_open(isolated, worker, ctx, err);
		note_start(isolated, result < 0);
		if (result < 0 && err->code == ERR_BUSY)
			log_shortage(isolated, err);
	}
	return result;
}

void isolated_worker_kill(struct isolated_worker *worker)
{
	unlist_worker(worker);
	pthread_mutex_lock(&worker->isolated->lock);
	worker->isolated->deaths++;
	pthread_mutex_unlock(&worker->isolated->lock);
	host_end(&worker->host);
}

/* The job is over: all are told at once, so that their patience is one. */
static void tell_all_to_quit(struct isolated *isolated)
{
	pthread_mutex_lock(&isolated->lock);
	if (isolated->quit_until_ns == 0) {
		isolated->quit_until_ns = clock_mono_ns() + QUIT_NS;
		LIST_EACH(&isolated->workers, link)
		host_tell(&LIST_ENTRY(link, struct isolated_worker, link)->host, HOST_QUIT);
	}
	pthread_mutex_unlock(&isolated->lock);
}

void isolated_worker_quit(struct isolated_worker *worker)
{
	struct isolated *isolated = worker->isolated;
	uint64_t until_ns = clock_mono_ns() + QUIT_NS;
	enum host_word word = HOST_LOG;

	if (!host_is_running(&worker->host))
		return;
	if (isolated_stopped(isolated)) {
		tell_all_to_quit(isolated);
		until_ns = isolated->quit_until_ns;
	}
	if (host_tell(&worker->host, HOST_QUIT) == 0)
		while (word != HOST_DIED && word != HOST_LATE)
			word = host_wait(&worker->host, until_ns);
	unlist_worker(worker);
	host_end(&worker->host);
}
