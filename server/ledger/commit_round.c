/*
 * One round of the commit thread: what waits, in one transaction; then its fate.
 */
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "ledger/committer_internal.h"

#define RETRY_NS (100 * NS_PER_MS)
#define PROBE_NS (1 * NS_PER_S)
#define RECENT   1000 /* commits; between this many and twice as many are remembered */

/* ---- what becomes of operations ---- */

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

/* What one transaction was. */
struct size {
	uint64_t operations, bytes;
};

static void note_commit(
	struct committer *committer, const struct size *size, uint64_t ns, uint64_t sync_ns)
{
	struct commit_stats *stats = &committer->stats;

	pthread_mutex_lock(&committer->lock);
	stats->bytes += size->bytes;
	tally_add(&stats->time, &tally_time, ns, 1);
	tally_add(&stats->sync, &tally_time, sync_ns, 1);
	tally_add(&stats->operations, &tally_count, size->operations, 1);
	if (committer->recent[0].total >= RECENT) {
		committer->recent[1] = committer->recent[0];
		committer->recent[0] = (struct histogram){ 0 };
	}
	histogram_add(&committer->recent[0], ns, 1);
	pthread_mutex_unlock(&committer->lock);
}

/* ---- one transaction ---- */

static int apply_all(
	struct committer *committer, struct list *batch, struct size *size, struct error *err)
{
	const struct committer_hooks *hooks = &committer->hooks;

	LIST_EACH(batch, link)
	{
		struct commit_op *op = LIST_ENTRY(link, struct commit_op, link);

		if (op->apply(op, committer->ledger, err) < 0)
			return -1;
		size->operations++;
		size->bytes += op->bytes;
	}
	if (hooks->before_commit == NULL)
		return 0;
	return hooks->before_commit(hooks->arg, committer->ledger, err);
}

/* All of the batch is on disk, or nothing of it, or it is LEDGER_IN_DOUBT. */
static int transact(struct committer *committer, struct list *batch, struct error *err)
{
	struct ledger *ledger = committer->ledger;
	uint64_t start_ns = real_ns(), sync_ns, end_ns;
	struct size size = { 0 };
	int result;

	FAULT_POINT("round-gathered");
	if (ledger->ops->begin(ledger, err) < 0)
		return -1;
	if (apply_all(committer, batch, &size, err) < 0) {
		ledger->ops->abort(ledger);
		return -1;
	}
	FAULT_POINT("round-applied");
	sync_ns = real_ns();
	result = ledger->ops->commit(ledger, err);
	end_ns = real_ns();
	if (result == 0)
		note_commit(committer, &size, end_ns - start_ns, end_ns - sync_ns);
	return result;
}

/* Nothing of the batch happened: refuse what may fail, keep the rest in front. */
static void fall_back(struct committer *committer, struct list *batch, const struct error *why)
{
	struct list finished;
	bool give_up;

	pthread_mutex_lock(&committer->lock);
	give_up = committer->stopping;
	committer->stats.failed++;
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

bool committer_is_stopping(struct committer *committer)
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

uint64_t committer_next_try_ns(const struct committer *committer)
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
	FAULT_POINT("round-committed");
	set_healthy(committer);
	publish(committer, batch);
	FAULT_POINT("round-published");
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

bool committer_round(struct committer *committer)
{
	bool stopping = committer_is_stopping(committer);
	bool due = stopping || !committer->failing ||
		   real_ns() >= committer_next_try_ns(committer);
	struct list batch;
	struct error err;

	committer->stop_seen = stopping;
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
