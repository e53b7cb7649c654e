/*
 * A worker of an isolated stage at work: rounds of order and report until each item has an
 * outcome.
 *
 * How a round ends, and what follows:
 *
 *	the report is written
 *		what it says is taken; what it could not take goes into the next round
 *	the process died of a fault
 *		nothing is taken; the item in hand has failed, the others run again
 *	it ended itself, or was killed
 *		what was done is taken; the item in hand has failed, but where something outside
 *		may have killed it, it is tried once more first
 *	an item took too long
 *		the process is killed; what was done is taken; the item in hand has failed
 *	the report is nonsense
 *		the process is killed; the rest runs one by one, and then it is clear who
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/internal.h"
#include "engine/isolated_parts.h"
#include "engine/meter.h"

#define GRACE_NS        (100 * NS_PER_MS) /* for a stage that looks at stage_cancelled() */
#define BEGIN_NS        (10 * NS_PER_S)   /* for a host to begin, on a machine that is busy */
#define IDLE_DEATHS_MAX 3                 /* of processes that had no item in hand */

/* ---- waiting ---- */

static const struct share_report *report_of(const struct isolated_round *round)
{
	return round->worker->host.share.report;
}

/* When its patience ends, by what the host says of the item in hand, within what can be. */
static uint64_t due_ns(const struct isolated_round *round)
{
	uint64_t each = round->timeout_ns + GRACE_NS, began_ns, due;

	if (round->give_up_ns != 0)
		return round->give_up_ns;
	if (round->timeout_ns == 0)
		return 0;
	began_ns = atomic_load_explicit(&report_of(round)->began_ns, memory_order_relaxed);
	began_ns -= MIN(began_ns, round->stood_ns); /* the host's clock has never stood */
	if (began_ns < round->sent_ns)
		return round->sent_ns + MAX(each, BEGIN_NS);
	due = MIN(began_ns, clock_mono_ns()) + each;
	return MIN(due, round->sent_ns + BEGIN_NS + each * round->count);
}

/* Nobody says when an item begins: at the latest after one item's time it must be looked at. */
static uint64_t look_again_ns(const struct isolated_round *round)
{
	uint64_t due = due_ns(round);

	if (round->give_up_ns != 0 || round->timeout_ns == 0)
		return due;
	return MIN(due, clock_mono_ns() + round->timeout_ns + GRACE_NS);
}

static void look_whether_stopped(struct isolated_round *round)
{
	if (round->give_up_ns != 0 || !isolated_stopped(round->worker->isolated))
		return;
	atomic_store(&round->worker->host.share.order->cancelled, 1);
	round->give_up_ns = clock_mono_ns() + GRACE_NS;
}

/*
 * Who has said that the report is written? Not the stage's code, which does not know the round:
 * taken at its word, the host's own would come while the next round is under way, and an item
 * of that would be blamed.
 */
static bool is_this_round(const struct isolated_round *round)
{
	const struct host *host = &round->worker->host;
	char number[24];

	snprintf(number, sizeof(number), "%llu", (unsigned long long)host->share.order->round);
	return strcmp(host->text, number) == 0;
}

static enum host_word await_report(struct isolated_round *round)
{
	struct host *host = &round->worker->host;

	look_whether_stopped(round);
	for (;;) {
		enum host_word word = host_wait(host, look_again_ns(round));

		switch (word) {
		case HOST_LOG:
			stage_log(round->work->ctx, "%s", host->text);
			break;
		case HOST_COUNT:
			meter_hear(stage_meter(round->work->ctx), host->text);
			break;
		case HOST_STIRRED:
			look_whether_stopped(round);
			break;
		case HOST_LATE:
			if (due_ns(round) <= clock_mono_ns())
				return HOST_LATE; /* else another item has begun meanwhile */
			break;
		case HOST_DONE:
			return is_this_round(round) ? HOST_DONE : HOST_NONSENSE;
		default:
			return word;
		}
	}
}

/* ---- outcomes ---- */

static void fail_one(
	struct isolated_round *round, uint32_t index, enum failure_kind kind, const char *text)
{
	struct isolated_work *work = round->work;

	ctx_begin(work->ctx, &work->items[index]);
	ctx_fail(work->ctx, kind, "%s", text);
	work->settle(work->arg, index, ctx_end(work->ctx, STAGE_FAILED));
}

static void fail_all(struct isolated_round *round, enum failure_kind kind, const char *text)
{
	struct isolated_work *work = round->work;

	for (uint32_t at = round->first; at < work->count; at++)
		if (work->outcome[at] == ISOLATED_LEFT)
			fail_one(round, at, kind, text);
}

/* The item in hand, by what the host says; `count` when it says none, or what cannot be. */
static unsigned in_hand(struct isolated_round *round)
{
	uint32_t current =
		atomic_load_explicit(&report_of(round)->current, memory_order_acquire);

	if (round->count == 1)
		return 0; /* whatever it says */
	return current >= 1 && current <= round->count ? current - 1 : round->count;
}

static unsigned ended(struct isolated_round *round)
{
	return MIN(atomic_load_explicit(&report_of(round)->ended, memory_order_acquire),
		round->count);
}

static void log_death(
	struct isolated_round *round, pid_t pid, const char *how, const char *item)
{
	static struct log_limit limit;
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	const struct stage_run *run = round->worker->isolated->run;
	unsigned skipped = 0;
	bool allowed;

	pthread_mutex_lock(&lock);
	allowed = log_allowed(&limit, 10, &skipped);
	pthread_mutex_unlock(&lock);
	if (allowed)
		log_warn("stage_process_ended",
			"job=%s stage=%s pid=%ld item=%s skipped=%u how=\"%s\"",
			run->pipeline->id_text, run->def->name, (long)pid, item, skipped, how);
}

static void blame(struct isolated_round *round, unsigned slot, pid_t pid,
	enum failure_kind kind, const char *text)
{
	struct isolated_work *work = round->work;
	uint32_t index = round->index[slot];

	ctx_begin(work->ctx, &work->items[index]);
	log_death(round, pid, text, stage_item_id(work->ctx));
	fail_one(round, index, kind, text);
}

/* Nobody knows which item it was: one by one it will show. */
static void suspect_all(struct isolated_round *round, pid_t pid, const char *text)
{
	log_death(round, pid, text, "");
	round->alone = true;
}

/* The items that were done before the process was killed. Returns how many those are. */
static unsigned take_done(struct isolated_round *round)
{
	struct error err;
	unsigned done = ended(round), taken = isolated_take(round, done, &err);

	round->alone |= taken < done;
	return taken;
}

/* ---- how a round ends ---- */

/* A process that has only computed: its own fault, and it may have written anywhere. */
static bool is_fault(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL &&
	       WTERMSIG(status) != SIGTERM && WTERMSIG(status) != SIGINT &&
	       WTERMSIG(status) != SIGHUP && WTERMSIG(status) != SIGQUIT;
}

/* It died with no item in hand, or none that can be told. */
static void died_idle(struct isolated_round *round, pid_t pid, bool fault, const char *how)
{
	if (!fault && round->idle_deaths++ < IDLE_DEATHS_MAX)
		log_death(round, pid, how, "");
	else
		suspect_all(round, pid, how);
}

static void died(struct isolated_round *round)
{
	pid_t pid = round->worker->host.pid;
	char how[80], text[200];
	/* First of all: what it says of itself changes no more. */
	int status = host_kill(&round->worker->host);
	bool fault = is_fault(status);
	unsigned hand = in_hand(round), done;

	host_describe_end(status, how, sizeof(how));
	snprintf(text, sizeof(text), "the stage %s with this item in its hands", how);
	done = fault ? 0 : take_done(round);
	isolated_worker_kill(round->worker);
	if (hand >= round->count || hand < done) {
		died_idle(round, pid, fault, how);
	} else if (!fault && WIFSIGNALED(status) && round->spared != round->index[hand]) {
		/* Somebody else may have killed it: no fault of the item, the first time. */
		round->spared = round->index[hand];
		log_death(round, pid, how, "");
	} else {
		blame(round, hand, pid, FAILURE_CRASH, text);
	}
}

static void late(struct isolated_round *round)
{
	const struct stage_run *run = round->worker->isolated->run;
	pid_t pid = round->worker->host.pid;
	uint64_t now_ns = clock_mono_ns();
	unsigned hand, done;
	char text[200];
	bool due;

	host_kill(&round->worker->host);
	hand = in_hand(round);
	due = due_ns(round) <= now_ns;
	done = take_done(round);
	isolated_worker_kill(round->worker);
	if (round->give_up_ns != 0) /* the job has stopped: its items are dropped */
		return;
	snprintf(text, sizeof(text),
		"took longer than %s (%llu): the stage's process was killed",
		run->def->timeout_ms != 0 ? "timeout_ms" : "isolated-timeout",
		(unsigned long long)(round->timeout_ns / NS_PER_MS));
	/* The late one got through after all, and another was begun? Alone, there is no other,
	 * whatever time the process has written down. */
	if (!due && round->count > 1)
		died_idle(round, pid, false, text);
	else if (hand < round->count && hand >= done)
		blame(round, hand, pid, FAILURE_TIMEOUT, text);
	else
		suspect_all(round, pid, text);
}

static void nonsense(struct isolated_round *round, unsigned slot, const char *why)
{
	pid_t pid = round->worker->host.pid;
	char text[SHARE_WHY_MAX];

	isolated_worker_kill(round->worker);
	snprintf(text, sizeof(text), "the stage left %.200s where its results should be", why);
	if (round->count == 1)
		blame(round, slot, pid, FAILURE_CRASH, text);
	else
		suspect_all(round, pid, text);
}

/* It may be what the stage has really emitted: then it does so alone, too. */
static void not_taken(struct isolated_round *round, unsigned slot, const struct error *err)
{
	pid_t pid = round->worker->host.pid;
	char text[SHARE_WHY_MAX];

	if (err->code == ERR_NO_MEMORY) {
		isolated_worker_kill(round->worker);
		fail_all(round, FAILURE_TRANSIENT, "out of memory");
	} else if (err->code != ERR_ITEM_INVALID || round->count > 1) {
		nonsense(round, slot, err->text);
	} else {
		isolated_worker_kill(round->worker);
		snprintf(text, sizeof(text), "the stage emitted what is %.200s", err->text);
		blame(round, slot, pid, FAILURE_PERMANENT, text);
	}
}

/* Is that how a batch may end? Doing none is right only where another process is to do it. */
static bool may_end_so(const struct isolated_round *round, uint32_t stop, unsigned done)
{
	if (done == round->count)
		return stop <= SHARE_EXHAUSTED;
	if (stop == SHARE_FULL)
		return done > 0;
	return stop == SHARE_EXHAUSTED && (done > 0 || !round->rested);
}

static void reported(struct isolated_round *round)
{
	struct isolated_worker *worker = round->worker;
	uint32_t stop = __atomic_load_n(&report_of(round)->stop, __ATOMIC_RELAXED);
	unsigned done = ended(round), taken;
	struct error err = { 0 };

	if (!may_end_so(round, stop, done)) {
		nonsense(round, 0, "an end before the end");
		return;
	}
	round->rested = done == 0;
	taken = isolated_take(round, done, &err);
	if (taken < done) {
		not_taken(round, taken, &err);
		return;
	}
	if (done > 0)
		round->idle_deaths = 0;
	isolated_worked(worker->isolated);
	share_trim(&worker->host.share);
	if (stop == SHARE_EXHAUSTED) {
		log_death(round, worker->host.pid, "its memory was nearly used up", "");
		isolated_worker_quit(worker);
	}
}

/* ---- the rounds ---- */

static void run_round(struct isolated_round *round)
{
	enum host_word word = HOST_DIED;

	if (!host_is_quiet(&round->worker->host) && round->idle_deaths++ < IDLE_DEATHS_MAX) {
		/* It went while it had nothing to do, or talks out of turn: no item's fault.
		 * Where it does so each time, the items show which of them get through. */
		isolated_worker_kill(round->worker);
		return;
	}
	isolated_order(round);
	round->timeout_ns = isolated_timeout_ns(round->worker->isolated->run);
	round->sent_ns = clock_mono_ns();
	round->stood_ns = clock_stood_ns();
	if (host_tell(&round->worker->host, HOST_RUN) == 0)
		word = await_report(round);
	switch (word) {
	case HOST_DONE:
		reported(round);
		break;
	case HOST_DIED:
		died(round);
		break;
	case HOST_LATE:
		late(round);
		break;
	default:
		nonsense(round, 0, "a message that means nothing");
	}
}

static void pass_over_settled(struct isolated_round *round)
{
	while (round->first < round->work->count &&
		round->work->outcome[round->first] != ISOLATED_LEFT)
		round->first++;
}

/* Enough for downstream, and nothing behind the first that is left has an outcome? */
static bool may_leave_rest(const struct isolated_round *round)
{
	const struct isolated_work *work = round->work;

	if (work->ctx->emitter->out.count < work->room)
		return false;
	for (uint32_t at = round->first; at < work->count; at++)
		if (work->outcome[at] != ISOLATED_LEFT)
			return false;
	return true;
}

uint32_t isolated_work_on(struct isolated_work *work)
{
	struct isolated_round round = {
		.worker = stage_worker(work->ctx), .work = work, .spared = -1
	};
	struct error err;

	while (round.first < work->count && !isolated_stopped(round.worker->isolated)) {
		/* Where its item's process is waited for, it has no item. */
		work->ctx->item = NULL;
		if (isolated_worker_open(round.worker, work->ctx, &err) < 0)
			fail_all(&round, FAILURE_TRANSIENT, err.text);
		else
			run_round(&round);
		pass_over_settled(&round);
		if (round.first > 0 && may_leave_rest(&round))
			break;
	}
	return round.first;
}
