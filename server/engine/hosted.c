#include "engine/hosted.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_parse.h"
#include "base/log.h"
#include "engine/ctx.h"
#include "engine/isolated_setup.h"
#include "engine/meter.h"
#include "isolate/confine.h"
#include "isolate/host.h"

#define LOOK_NS (1 * NS_PER_MS) /* how often its memory is looked at */

static_assert(offsetof(struct slab, data) <= SHARE_HEAD, "texts leave room for a slab's head");
static_assert(sizeof(((struct verdict *)NULL)->text) == SHARE_WHY_MAX, "reasons fit");

struct hosting {
	struct share share;
	struct slab *order_slab, *report_slab; /* the shared texts, as items see them */
	struct isolated_setup setup;
	struct registry *registry;
	struct hosted hosted;
	struct stage_meter meter;

	/* what ctx.c sees of an engine */
	struct pipeline pipeline;
	struct stage_def def;
	struct stage_run run;
	struct worker *worker;
	struct input input;
	struct emitter emitter;
	struct stage_ctx ctx;

	uint32_t pieces;    /* written in this batch */
	uint64_t life;      /* items since the start */
	int statm;          /* /proc/self/statm */
	uint64_t memory_at; /* so much memory is nearly all; 0: no bound */
	uint64_t looked_ns;
	bool opened;
};

/* ---- talking ---- */

static void say(enum host_word word, const char *text)
{
	char message[HOST_TEXT_MAX];
	int len = snprintf(message, sizeof(message), "%c%s", (char)word, text);

	if (len >= (int)sizeof(message))
		len = sizeof(message) - 1;
	while (send(HOST_FD_SOCKET, message, (size_t)len, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

void hosted_log(const struct hosted *hosted, unsigned skipped, const char *text)
{
	char message[HOST_TEXT_MAX];
	int len = skipped == 0 ? snprintf(message, sizeof(message), "%c%s", HOST_LOG, text)
			       : snprintf(message, sizeof(message), "%c%s (%u lines left out)",
					 HOST_LOG, text, skipped);

	/* A server that is too busy to read it goes without: nobody waits for a log. */
	send(hosted->socket, message, MIN((size_t)MAX(len, 0), sizeof(message) - 1),
		MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void say_count(const char *event, uint64_t n)
{
	char text[METER_NAME_SIZE + 24];

	snprintf(text, sizeof(text), "%s %llu", event, (unsigned long long)n);
	say(HOST_COUNT, text);
}

static void say_done(uint64_t round)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)round);
	say(HOST_DONE, text);
}

/* The next word; 0 when the server is gone. */
static char listen_for_word(void)
{
	char word;
	ssize_t len;

	do
		len = recv(HOST_FD_SOCKET, &word, 1, 0);
	while (len < 0 && errno == EINTR);
	return len == 1 ? word : 0;
}

/* ---- opening ---- */

/* Not even a sanitizer's handler shall make an ordinary end of a signal that kills. */
static void reset_signals(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

	for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
		signal(signals[i], SIG_DFL);
}

/* A stage has called exit(): its own handlers have run, those of the program shall not. */
static void end_at_once(int status, void *arg)
{
	_exit(status);
}

static void confine(struct hosting *hosting)
{
	struct error why;

	confine_memory(hosting->setup.memory_bytes);
	if (!confine_calls(&why) && hosting->setup.first)
		hosted_log(&hosting->hosted, 0, why.text);
}

static int find_stage(struct hosting *hosting, struct error *err)
{
	const struct isolated_setup *setup = &hosting->setup;

	if (registry_new(&hosting->registry, err) < 0)
		return -1;
	if (setup->file != NULL)
		return registry_load_file(
			hosting->registry, setup->file, &hosting->def.stage, err);
	hosting->def.stage = registry_find(hosting->registry, setup->use);
	if (hosting->def.stage == NULL)
		return error_set(err, ERR_INTERNAL, "there is no stage '%s' here", setup->use);
	return 0;
}

static int make_instance(struct hosting *hosting, struct error *err)
{
	const struct stage *stage = hosting->def.stage;

	hosting->run.stage = stage;
	hosting->run.instance = mem_zalloc(stage->instance_size + 1);
	hosting->worker = mem_zalloc(sizeof(*hosting->worker) + 16 + stage->worker_size);
	if (hosting->run.instance == NULL || hosting->worker == NULL)
		return error_no_memory(err);
	hosting->worker->memory =
		(void *)(((uintptr_t)(hosting->worker + 1) + 15) & ~(uintptr_t)15);
	return params_fill(
		stage, hosting->def.params, hosting->run.instance, &hosting->run.params, err);
}

static int verdict_error(const struct stage_ctx *ctx, const char *otherwise, struct error *err)
{
	return error_set(err, ERR_INTERNAL, "%s",
		ctx->verdict.text[0] != '\0' ? ctx->verdict.text : otherwise);
}

static int open_stage(struct hosting *hosting, struct error *err)
{
	const struct stage *stage = hosting->def.stage;
	struct stage_ctx *ctx = &hosting->ctx;

	if (stage->open != NULL && stage->open(hosting->run.instance, ctx) != STAGE_OK)
		return verdict_error(ctx, "the stage refused to open", err);
	if (stage->worker_size > 0 || stage->worker_open != NULL)
		ctx->worker = hosting->worker;
	if (stage->worker_open != NULL &&
		stage->worker_open(hosting->run.instance, ctx) != STAGE_OK)
		return verdict_error(ctx, "the worker could not be opened", err);
	hosting->opened = true;
	return 0;
}

/* Slabs in the shared memory: this many references nobody ever drops. */
static void make_slabs(struct hosting *hosting)
{
	struct share *share = &hosting->share;
	struct slab *report =
		(struct slab *)(share->report_texts - offsetof(struct slab, data));

	report->size = share->report_size;
	atomic_store(&report->refs, 1u << 30);
	hosting->report_slab = report;
	hosting->order_slab = (struct slab *)(share->order_texts - offsetof(struct slab, data));
	hosting->emitter.slab = report;
}

static void make_rig(struct hosting *hosting)
{
	struct isolated_setup *setup = &hosting->setup;

	hosting->hosted = (struct hosted){ setup->output_max, &hosting->share.order->cancelled,
		HOST_FD_SOCKET, &hosting->meter };
	meter_init(&hosting->meter);
	snprintf(
		hosting->pipeline.id_text, sizeof(hosting->pipeline.id_text), "%s", setup->job);
	hosting->def.name = setup->name;
	hosting->def.params = setup->params;
	hosting->run.pipeline = &hosting->pipeline;
	hosting->run.def = &hosting->def;
	hosting->run.hosted = &hosting->hosted;
	hosting->ctx.run = &hosting->run;
	hosting->ctx.emitter = &hosting->emitter;
	make_slabs(hosting);
}

/* Three quarters of what there is on top of what the stage took to open. */
static void set_memory_mark(struct hosting *hosting)
{
	uint64_t used = confine_memory_used(hosting->statm),
		 bound = hosting->setup.memory_bytes;

	if (bound > used && used > 0)
		hosting->memory_at = used + (bound - used) / 4 * 3;
}

static int open_all(struct hosting *hosting, struct error *err)
{
	close_range(HOST_FD_FREE, ~0u, 0);
	reset_signals();
	on_exit(end_at_once, NULL);
	log_set_level(LOG_OFF);
	prctl(PR_SET_NAME, "leat-host");
	if (share_map(&hosting->share, HOST_FD_ORDER, HOST_FD_REPORT, err) < 0)
		return -1;
	if (listen_for_word() != HOST_SETUP ||
		isolated_setup_read(&hosting->setup, hosting->share.order_texts,
			hosting->share.order->setup_len, err) < 0)
		return -1;
	if (confine_to_parent(hosting->setup.parent) < 0)
		return error_set(err, ERR_INTERNAL, "prctl: %s", strerror(errno));
	make_rig(hosting);
	hosting->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	confine(hosting);
	if (find_stage(hosting, err) < 0 || make_instance(hosting, err) < 0 ||
		open_stage(hosting, err) < 0)
		return -1;
	set_memory_mark(hosting);
	return 0;
}

/* ---- one item ---- */

/* What it has emitted goes into the report; false when it is more than that has room for. */
static bool write_pieces(struct hosting *hosting, struct share_outcome *outcome)
{
	const struct items *out = &hosting->emitter.out;
	struct share_piece *pieces = &hosting->share.report->pieces[hosting->pieces];

	outcome->first = hosting->pieces;
	outcome->count = out->count;
	for (uint32_t at = 0; at < out->count; at++) {
		const struct item *item = &out->at[at];

		if (item->slab == hosting->order_slab)
			pieces[at] = (struct share_piece){ SHARE_INPUT, 0 };
		else if (item->slab == hosting->report_slab)
			pieces[at] = (struct share_piece){ item->off, item->len };
		else
			return false;
	}
	hosting->pieces += out->count;
	return true;
}

/* The texts did not fit: the emitter went on in slabs of its own. */
static void forget_private_slabs(struct hosting *hosting, uint32_t used)
{
	struct emitter *emitter = &hosting->emitter;

	for (unsigned at = 0; at < emitter->full_count; at++)
		if (emitter->full[at] != hosting->report_slab)
			slab_unref(emitter->full[at]);
	if (emitter->slab != hosting->report_slab)
		slab_unref(emitter->slab);
	emitter->slab = hosting->report_slab;
	emitter->full_count = 0;
	emitter->full_bytes = 0;
	emitter->used = used;
}

static void write_outcome(struct hosting *hosting, unsigned index, int64_t n, uint32_t used)
{
	struct share_report *report = hosting->share.report;
	struct share_outcome *outcome = &report->outcomes[index];
	const struct verdict *verdict = &hosting->ctx.verdict;

	if (n >= 0 && !write_pieces(hosting, outcome)) {
		ctx_fail(&hosting->ctx, FAILURE_PERMANENT,
			"the item became too many items here");
		n = -1;
	}
	if (hosting->emitter.slab != hosting->report_slab)
		forget_private_slabs(hosting, used);
	if (n < 0) {
		hosting->emitter.used = used;
		outcome->kind = verdict->kind;
		memcpy(report->why[index], verdict->text, SHARE_WHY_MAX);
	}
	outcome->fate = n < 0 ? SHARE_FAILED : SHARE_DONE;
}

static bool memory_is_short(const struct hosting *hosting)
{
	return hosting->memory_at != 0 &&
	       confine_memory_used(hosting->statm) > hosting->memory_at;
}

static void begin_item(struct hosting *hosting, unsigned index, uint64_t now_ns)
{
	const struct share_order *order = hosting->share.order;
	struct share_report *report = hosting->share.report;

	hosting->emitter.out.count = 0;
	atomic_store_explicit(&report->began_ns, now_ns, memory_order_relaxed);
	atomic_store_explicit(&report->current, index + 1, memory_order_release);
	hosting->input.first_item = order->items[index].number;
	hosting->ctx.deadline_ns = order->timeout_ns == 0 ? 0 : now_ns + order->timeout_ns;
}

/* False: its failure may be for want of memory, so it shall run again in a fresh process. */
static bool run_item(struct hosting *hosting, unsigned index, uint64_t now_ns)
{
	const struct share_item *from = &hosting->share.order->items[index];
	struct stage_ctx *ctx = &hosting->ctx;
	uint32_t used = hosting->emitter.used;
	struct item item = { .slab = hosting->order_slab,
		.input = &hosting->input,
		.part = from->part,
		.off = from->off,
		.len = from->len,
		.attempt = (uint16_t)from->attempt,
		.span_bits = ITEM_SPAN_BITS };
	enum stage_result result;
	int64_t n;

	begin_item(hosting, index, now_ns);
	ctx_begin(ctx, &item);
	result = hosting->run.stage->run(hosting->run.instance, ctx);
	if (ctx->deadline_ns != 0 && clock_mono_ns() > ctx->deadline_ns) {
		ctx_fail(ctx, FAILURE_TIMEOUT, "took longer than %s (%llu)",
			hosting->setup.timeout_name,
			(unsigned long long)(hosting->share.order->timeout_ns / NS_PER_MS));
		result = STAGE_FAILED;
	}
	n = ctx_end(ctx, result);
	ctx->item = NULL;
	if (n < 0 && hosting->life > 0 && memory_is_short(hosting))
		return false;
	write_outcome(hosting, index, n, used);
	hosting->life++;
	return true;
}

/* ---- a batch ---- */

static void take_trace(struct hosting *hosting)
{
	char text[TRACE_TEXT_SIZE];

	memcpy(text, hosting->share.order->traceparent, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	pipeline_trace(&hosting->pipeline, text);
}

static bool is_full(const struct hosting *hosting)
{
	return hosting->emitter.used > SHARE_TEXT_SOFT || hosting->pieces > SHARE_PIECES_SOFT;
}

/* Is the memory nearly used up? Looked at now and then only: the answer costs microseconds. */
static bool wants_rest(struct hosting *hosting, uint64_t now_ns)
{
	if (hosting->memory_at == 0 || now_ns - hosting->looked_ns < LOOK_NS)
		return false;
	hosting->looked_ns = now_ns;
	return hosting->life > 0 && memory_is_short(hosting);
}

static void run_batch(struct hosting *hosting)
{
	const struct share_order *order = hosting->share.order;
	struct share_report *report = hosting->share.report;
	uint64_t round = order->round;
	unsigned count = MIN(order->count, (unsigned)SHARE_ITEMS_MAX);
	enum share_stop stop = SHARE_ALL;

	hosting->pieces = 0;
	hosting->emitter.used = 0;
	take_trace(hosting);
	for (unsigned index = 0; index < count && stop == SHARE_ALL; index++) {
		uint64_t now_ns = clock_mono_ns();

		if (index > 0 && is_full(hosting))
			stop = SHARE_FULL;
		else if (wants_rest(hosting, now_ns) || !run_item(hosting, index, now_ns))
			stop = SHARE_EXHAUSTED;
		else
			atomic_store_explicit(&report->ended, index + 1, memory_order_release);
	}
	report->stop = stop;
	atomic_store_explicit(&report->current, 0, memory_order_release);
	meter_tell(&hosting->meter, say_count);
	say_done(round);
}

/* ---- life ---- */

static void close_stage(struct hosting *hosting)
{
	const struct stage *stage = hosting->run.stage;

	if (!hosting->opened)
		return;
	if (stage->worker_close != NULL)
		stage->worker_close(hosting->run.instance, &hosting->ctx);
	hosting->ctx.worker = NULL;
	if (stage->close != NULL)
		stage->close(hosting->run.instance, &hosting->ctx);
}

bool hosted_by_server(void)
{
	struct stat socket;

	return fstat(HOST_FD_SOCKET, &socket) == 0 && S_ISSOCK(socket.st_mode);
}

int hosted_main(void)
{
	/* Too large for a stack, and there is one a process. */
	static struct hosting hosting;
	struct error err = { 0 };

	if (open_all(&hosting, &err) < 0) {
		say(HOST_REFUSED, err.text);
		_exit(EXIT_FAILURE);
	}
	meter_tell(&hosting.meter, say_count);
	say(HOST_OPENED, "");
	while (listen_for_word() == HOST_RUN)
		run_batch(&hosting);
	close_stage(&hosting);
	/* The stage's code may have left threads and handlers: nothing more of it runs. */
	_exit(EXIT_SUCCESS);
}
