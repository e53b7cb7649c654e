#include "ledger/committer.h"

#include <assert.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/histogram.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/role.h"

#define RETRY_NS (100 * NS_PER_MS)
#define PROBE_NS (1 * NS_PER_S)
#define RECENT   1000 /* commits; between this many and twice as many are remembered */
#define NO_LIMIT UINT64_MAX

struct committer {
	struct ledger *ledger;
	struct committer_hooks hooks;
	pthread_t thread;
	uv_async_t async;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;  /* the thread waits here */
	pthread_cond_t calm;  /* committer_stop() waits here */
	struct list queue;    /* submitted */
	struct list finished; /* for the loop */
	bool asleep, woken;
	bool stopping; /* asked to end */
	bool gave_up;  /* something that must happen could not */
	bool parked;   /* has nothing left and waits for the last word */
	bool ended;    /* the last word */
	bool round_over;
	bool healthy;
	struct error why;
	struct histogram recent[2];

	/* The commit thread's own. */
	struct list pending;      /* in order, in front of the queue; all must while failing */
	struct list doubtful;     /* of the commit of which nobody knows whether it happened */
	bool in_doubt, abandoned; /* abandoned: it stopped before it knew */
	bool failing;
	bool frees_first;   /* full: every other try is for what makes room */
	uint64_t failed_ns; /* when it last did; real time */
	uint64_t gather_ns; /* when gather() wants to be asked; 0: not by time */
	struct error last;
};

/* Retries go by real time even when a test has stopped the clocks. */
static uint64_t real_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* ---- the loop's side ---- */

static void finish_on_loop(struct commit_op *op)
{
	char *text = TAKE(op->refused_text);
	struct error err;

	if (op->refused == ERR_NONE) {
		op->done(op, NULL);
		return;
	}
	error_set(&err, op->refused, "%s", text == NULL ? "the store failed" : text);
	mem_free(text);
	op->done(op, &err);
}

/* Hand back what the thread has finished; false when there was nothing. */
static bool drain(struct committer *committer)
{
	struct list finished, *link;
	bool round_over;

	list_init(&finished);
	pthread_mutex_lock(&committer->lock);
	list_move_all(&finished, &committer->finished);
	round_over = committer->round_over;
	committer->round_over = false;
	pthread_mutex_unlock(&committer->lock);
	if (!round_over && list_empty(&finished))
		return false;
	while ((link = list_pop(&finished)) != NULL)
		finish_on_loop(LIST_ENTRY(link, struct commit_op, link));
	if (committer->hooks.round != NULL)
		committer->hooks.round(committer->hooks.arg);
	return true;
}

static void on_async(uv_async_t *async)
{
	drain(CONTAINER_OF(async, struct committer, async));
}

/* ---- the thread's side: what becomes of operations ---- */

static void refuse(struct list *finished, struct commit_op *op, const struct error *why)
{
	op->refused = why->code;
	op->refused_text = mem_strdup(why->text);
	if (op->refuse != NULL)
		op->refuse(op, why);
	list_append(finished, &op->link);
}

/* Take out of `ops` what may fail (with `all`: everything), refused. */
static void refuse_from(struct committer *committer, struct list *ops, struct list *finished,
	const struct error *why, bool all)
{
	LIST_EACH(ops, link)
	{
		struct commit_op *op = LIST_ENTRY(link, struct commit_op, link);

		if (!all && op->must)
			continue;
		if (op->must)
			committer->gave_up = true;
		list_remove(link);
		refuse(finished, op, why);
	}
}

/* Publish a round's end to the loop. */
static void publish(struct committer *committer, struct list *finished)
{
	pthread_mutex_lock(&committer->lock);
	list_move_all(&committer->finished, finished);
	committer->round_over = true;
	pthread_mutex_unlock(&committer->lock);
	uv_async_send(&committer->async);
}

static void set_failing(struct committer *committer, const struct error *why)
{
	if (!committer->failing)
		log_error("store_failed", "err=\"%s\"", why->text);
	committer->failing = true;
	committer->last = *why;
	pthread_mutex_lock(&committer->lock);
	committer->healthy = false;
	committer->why = *why;
	pthread_mutex_unlock(&committer->lock);
}

static void set_healthy(struct committer *committer)
{
	if (!committer->failing)
		return;
	log_info("store_recovered", "err=\"%s\"", committer->last.text);
	committer->failing = false;
	pthread_mutex_lock(&committer->lock);
	committer->healthy = true;
	pthread_mutex_unlock(&committer->lock);
}

static void note_latency(struct committer *committer, uint64_t ns)
{
	pthread_mutex_lock(&committer->lock);
	if (committer->recent[0].total >= RECENT) {
		committer->recent[1] = committer->recent[0];
		committer->recent[0] = (struct histogram){ 0 };
	}
	histogram_add(&committer->recent[0], ns, 1);
	pthread_mutex_unlock(&committer->lock);
}

/* ---- one transaction ---- */

static int apply_all(struct committer *committer, struct list *batch, struct error *err)
{
	const struct committer_hooks *hooks = &committer->hooks;

	LIST_EACH(batch, link)
	{
		struct commit_op *op = LIST_ENTRY(link, struct commit_op, link);

		if (op->apply(op, committer->ledger, err) < 0)
			return -1;
	}
	if (hooks->before_commit == NULL)
		return 0;
	return hooks->before_commit(hooks->arg, committer->ledger, err);
}

/* All of the batch is on disk, or nothing of it, or it is LEDGER_IN_DOUBT. */
static int transact(struct committer *committer, struct list *batch, struct error *err)
{
	struct ledger *ledger = committer->ledger;
	uint64_t start_ns = real_ns();
	int result;

	if (ledger->ops->begin(ledger, err) < 0)
		return -1;
	if (apply_all(committer, batch, err) < 0) {
		ledger->ops->abort(ledger);
		return -1;
	}
	result = ledger->ops->commit(ledger, err);
	if (result == 0)
		note_latency(committer, real_ns() - start_ns);
	return result;
}

/* Nothing of the batch happened: refuse what may fail, keep the rest in front. */
static void fall_back(struct committer *committer, struct list *batch, const struct error *why)
{
	struct list finished;
	bool give_up;

	pthread_mutex_lock(&committer->lock);
	give_up = committer->stopping;
	pthread_mutex_unlock(&committer->lock);
	list_init(&finished);
	refuse_from(committer, batch, &finished, why, give_up);
	list_move_all(batch, &committer->pending);
	list_move_all(&committer->pending, batch);
	LIST_EACH(&committer->pending, link)
	{
		/* Something must be tried again: until it is through, nothing else may. */
		if (LIST_ENTRY(link, struct commit_op, link)->must) {
			refuse_from(committer, &committer->pending, &finished, why, give_up);
			break;
		}
	}
	set_failing(committer, why);
	committer->failed_ns = real_ns();
	committer->frees_first = why->code == ERR_DISK_FULL && !committer->frees_first;
	publish(committer, &finished);
}

/* The first of what is pending, about COMMITTER_BATCH_BYTES; with `frees`, of such alone. */
static void take_some(struct committer *committer, bool frees, struct list *ret_batch)
{
	size_t bytes = 0;

	LIST_EACH(&committer->pending, link)
	{
		struct commit_op *op = LIST_ENTRY(link, struct commit_op, link);

		if (frees && !op->frees)
			continue;
		bytes += op->bytes;
		if (bytes > COMMITTER_BATCH_BYTES && !list_empty(ret_batch))
			return;
		list_remove(link);
		list_append(ret_batch, link);
	}
}

static void take_batch(struct committer *committer, struct list *ret_batch)
{
	list_init(ret_batch);
	if (committer->failing && committer->frees_first)
		take_some(committer, true, ret_batch);
	if (list_empty(ret_batch))
		take_some(committer, false, ret_batch);
}

/* ---- rounds ---- */

static bool is_stopping(struct committer *committer)
{
	bool stopping;

	pthread_mutex_lock(&committer->lock);
	stopping = committer->stopping;
	pthread_mutex_unlock(&committer->lock);
	return stopping;
}

/* Move in what was submitted and what gather() finds due. */
static void collect(struct committer *committer, bool may_try, bool stopping)
{
	const struct committer_hooks *hooks = &committer->hooks;
	struct list due, fresh, finished;

	list_init(&due);
	list_init(&fresh);
	list_init(&finished);
	if (may_try && hooks->gather != NULL)
		committer->gather_ns = hooks->gather(
			hooks->arg, stopping ? UINT64_MAX : clock_mono_ns(), &due);
	pthread_mutex_lock(&committer->lock);
	list_move_all(&fresh, &committer->queue);
	pthread_mutex_unlock(&committer->lock);
	/* What was gathered may rest on what was submitted, never the other way round. */
	list_move_all(&fresh, &due);
	LIST_EACH(&fresh, link)
	{
		LIST_ENTRY(link, struct commit_op, link)->refused = ERR_NONE;
	}
	if (committer->failing && !list_empty(&committer->pending))
		refuse_from(committer, &fresh, &finished, &committer->last, false);
	list_move_all(&committer->pending, &fresh);
	if (!list_empty(&finished))
		publish(committer, &finished);
}

/* When a failing store is tried again, if nothing that may fail comes before. */
static uint64_t next_try_ns(const struct committer *committer)
{
	bool idle = list_empty(&committer->pending) && !committer->in_doubt;

	return committer->failed_ns + (idle ? PROBE_NS : RETRY_NS);
}

/* Is there something to write now, or a failing store to try? */
static bool has_work(const struct committer *committer, bool due, bool stopping)
{
	struct list *first = committer->pending.next;

	if (list_empty(&committer->pending))
		return committer->failing && due && !stopping;
	return due || !LIST_ENTRY(first, struct commit_op, link)->must;
}

/* It may be there and it may be not: what comes must wait, for it may rest on this. */
static void doubt(struct committer *committer, struct list *batch, const struct error *why)
{
	if (!committer->in_doubt)
		log_error("store_in_doubt", "err=\"%s\"", why->text);
	committer->in_doubt = true;
	list_move_all(&committer->doubtful, batch);
	set_failing(committer, why);
	committer->failed_ns = real_ns();
}

/* What became of a transaction, or of the attempt to begin one. */
static void conclude(
	struct committer *committer, struct list *batch, int result, const struct error *why)
{
	const struct committer_hooks *hooks = &committer->hooks;

	if (result == LEDGER_IN_DOUBT) {
		doubt(committer, batch, why);
		return;
	}
	committer->in_doubt = false;
	if (result < 0) {
		if (hooks->on_abort != NULL)
			hooks->on_abort(hooks->arg);
		fall_back(committer, batch, why);
		return;
	}
	if (hooks->on_commit != NULL)
		hooks->on_commit(hooks->arg);
	set_healthy(committer);
	publish(committer, batch);
}

/* Ask again. Who stops now leaves it to the next start to find out, and writes nothing more. */
static void settle(struct committer *committer, bool stopping)
{
	struct ledger *ledger = committer->ledger;
	struct list batch;
	struct error err;
	int result = ledger->ops->settle(ledger, &err);

	list_init(&batch);
	list_move_all(&batch, &committer->doubtful);
	if (result == LEDGER_IN_DOUBT && stopping) {
		committer->abandoned = committer->gave_up = true;
		result = -1;
	}
	conclude(committer, &batch, result, &err);
}

/* False when there was nothing. */
static bool refuse_all(struct committer *committer)
{
	struct list finished;

	collect(committer, true, true);
	if (list_empty(&committer->pending))
		return false;
	list_init(&finished);
	refuse_from(committer, &committer->pending, &finished, &committer->last, true);
	publish(committer, &finished);
	return true;
}

/* False when there was nothing to do (yet). */
static bool run_round(struct committer *committer)
{
	bool stopping = is_stopping(committer);
	bool due = stopping || !committer->failing || real_ns() >= next_try_ns(committer);
	struct list batch;
	struct error err;

	if (committer->abandoned)
		return refuse_all(committer);
	if (committer->in_doubt) {
		if (due)
			settle(committer, stopping);
		return due;
	}
	collect(committer, due, stopping);
	if (!has_work(committer, due, stopping))
		return false;
	take_batch(committer, &batch);
	conclude(committer, &batch, transact(committer, &batch, &err), &err);
	return true;
}

/* How long to sleep at most; NO_LIMIT for until woken. */
static uint64_t sleep_ns(const struct committer *committer)
{
	uint64_t until_ns = committer->gather_ns, now_ns = clock_mono_ns();

	if (committer->failing) {
		until_ns = next_try_ns(committer);
		now_ns = real_ns();
	}
	if (until_ns == 0)
		return NO_LIMIT;
	return until_ns > now_ns ? until_ns - now_ns : 0;
}

static void wait_at_most(struct committer *committer, uint64_t ns)
{
	uint64_t until_ns = real_ns() + ns;
	struct timespec until = { .tv_sec = (time_t)(until_ns / NS_PER_S),
		.tv_nsec = (long)(until_ns % NS_PER_S) };

	committer->asleep = true;
	if (ns == NO_LIMIT)
		pthread_cond_wait(&committer->wake, &committer->lock);
	else
		pthread_cond_timedwait(&committer->wake, &committer->lock, &until);
	committer->asleep = false;
}

/* Wait for a reason for another round; false when the thread is to end. */
static bool wait_for_work(struct committer *committer)
{
	uint64_t ns = sleep_ns(committer);
	bool go_on;

	pthread_mutex_lock(&committer->lock);
	if (committer->stopping) {
		committer->parked = true;
		pthread_cond_signal(&committer->calm);
		while (committer->parked && !committer->ended)
			pthread_cond_wait(&committer->wake, &committer->lock);
	} else if (ns > 0 && (committer->in_doubt ||
				     (list_empty(&committer->queue) && !committer->woken))) {
		wait_at_most(committer, ns);
	}
	committer->woken = false;
	go_on = !committer->ended;
	pthread_mutex_unlock(&committer->lock);
	return go_on;
}

static void *run(void *arg)
{
	struct committer *committer = arg;

	role_enter(ROLE_COMMIT);
	do {
		while (run_round(committer))
			;
	} while (wait_for_work(committer));
	assert(list_empty(&committer->pending));
	return NULL;
}

/* ---- for everybody ---- */

static void init_lock(struct committer *committer)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&committer->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&committer->wake, &attr);
	pthread_cond_init(&committer->calm, &attr);
	pthread_condattr_destroy(&attr);
}

static void destroy(struct committer *committer)
{
	pthread_cond_destroy(&committer->calm);
	pthread_cond_destroy(&committer->wake);
	pthread_mutex_destroy(&committer->lock);
	mem_free(committer);
}

static void on_close(uv_handle_t *handle)
{
	destroy(CONTAINER_OF(handle, struct committer, async));
}

int committer_start(struct ledger *ledger, uv_loop_t *loop, const struct committer_hooks *hooks,
	struct committer **ret, struct error *err)
{
	struct committer *committer = mem_zalloc(sizeof(*committer));

	if (committer == NULL)
		return error_no_memory(err);
	committer->ledger = ledger;
	committer->hooks = *hooks;
	committer->healthy = true;
	list_init(&committer->queue);
	list_init(&committer->finished);
	list_init(&committer->pending);
	list_init(&committer->doubtful);
	init_lock(committer);
	if (uv_async_init(loop, &committer->async, on_async) != 0) {
		destroy(committer);
		return error_no_memory(err);
	}
	if (pthread_create(&committer->thread, NULL, run, committer) != 0) {
		uv_close((uv_handle_t *)&committer->async, on_close);
		return error_set(err, ERR_NO_MEMORY, "no thread for the ledger's writer");
	}
	*ret = committer;
	return 0;
}

void committer_submit(struct committer *committer, struct commit_op *op)
{
	bool asleep;

	pthread_mutex_lock(&committer->lock);
	list_append(&committer->queue, &op->link);
	asleep = committer->asleep;
	committer->asleep = false; /* one signal is enough */
	pthread_mutex_unlock(&committer->lock);
	if (asleep)
		pthread_cond_signal(&committer->wake);
}

void committer_wake(struct committer *committer)
{
	bool asleep;

	pthread_mutex_lock(&committer->lock);
	committer->woken = true;
	asleep = committer->asleep;
	committer->asleep = false;
	pthread_mutex_unlock(&committer->lock);
	if (asleep)
		pthread_cond_signal(&committer->wake);
}

bool committer_is_healthy(struct committer *committer, struct error *ret_why)
{
	bool healthy;

	pthread_mutex_lock(&committer->lock);
	healthy = committer->healthy;
	if (!healthy && ret_why != NULL)
		*ret_why = committer->why;
	pthread_mutex_unlock(&committer->lock);
	return healthy;
}

void committer_latency(struct committer *committer, uint64_t *ret_p50_ns, uint64_t *ret_p99_ns)
{
	struct histogram recent;

	pthread_mutex_lock(&committer->lock);
	recent = committer->recent[0];
	for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++)
		recent.counts[bucket] += committer->recent[1].counts[bucket];
	recent.total += committer->recent[1].total;
	recent.max = MAX(recent.max, committer->recent[1].max);
	pthread_mutex_unlock(&committer->lock);
	*ret_p50_ns = histogram_quantile(&recent, 0.5);
	*ret_p99_ns = histogram_quantile(&recent, 0.99);
}

bool committer_stop(struct committer *committer)
{
	bool gave_up;

	assert_on(ROLE_LOOP);
	pthread_mutex_lock(&committer->lock);
	committer->stopping = true;
	do {
		/* What done() submits, or finds for gather(), is work again. */
		committer->parked = false;
		pthread_cond_signal(&committer->wake);
		while (!committer->parked)
			pthread_cond_wait(&committer->calm, &committer->lock);
		pthread_mutex_unlock(&committer->lock);
		drain(committer);
		pthread_mutex_lock(&committer->lock);
	} while (!list_empty(&committer->queue) || committer->woken);
	committer->ended = true;
	pthread_cond_signal(&committer->wake);
	pthread_mutex_unlock(&committer->lock);
	pthread_join(committer->thread, NULL);
	gave_up = committer->gave_up;
	uv_close((uv_handle_t *)&committer->async, on_close);
	return !gave_up;
}
