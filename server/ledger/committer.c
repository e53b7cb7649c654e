#include "ledger/committer.h"

#include <assert.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/role.h"
#include "ledger/committer_internal.h"

#define NO_LIMIT UINT64_MAX

/* ---- the loop's side ---- */

static void finish_on_loop(struct commit_op *op)
{
	char *text = TAKE(op->refused_text);
	struct error err;

	FAULT_POINT("operation-home");
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

/* ---- the thread ---- */

/* How long to sleep at most; NO_LIMIT for until woken. */
static uint64_t sleep_ns(const struct committer *committer)
{
	uint64_t until_ns = committer->gather_ns, now_ns = clock_mono_ns();

	if (committer->failing) {
		until_ns = committer_next_try_ns(committer);
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
	if (committer->stopping && !committer->stop_seen) {
		/* Asked to end since the last round, which left what was not due: once more. */
	} else if (committer->stopping) {
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
		while (committer_round(committer))
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
	if (role_start_thread(&committer->thread, run, committer) != 0) {
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

void committer_stats(struct committer *committer, struct commit_stats *ret)
{
	pthread_mutex_lock(&committer->lock);
	*ret = committer->stats;
	pthread_mutex_unlock(&committer->lock);
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
