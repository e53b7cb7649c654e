/*
 * The commit thread over a ledger that fails when it is told to.
 *
 * What is applied, committed and refused is written down as letters: an operation is a
 * letter, a commit ends with '|'.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>

#include "base/clock.h"
#include "ledger/committer_internal.h"

/* ---- a ledger of letters ---- */

struct fake {
	struct ledger ledger;
	pthread_mutex_t lock;
	char open[100];   /* applied in the open transaction */
	char disk[1000];  /* committed */
	char tale[2000];  /* everything in order: x applied, -x refused, | commit, ~ abort, ?
			     doubt */
	int skip_commits; /* that work before fail_commits fail */
	int fail_begins, fail_commits, fail_before;
	int doubts;           /* that commit and settle() leave, once fail_commits has come */
	bool happened;        /* what settle() then finds out */
	enum error_code code; /* of these failures */
	bool gated;
	sem_t entered, gate; /* commit() posts one and waits for the other */
	int tries;
};

static struct fake *fake_of(struct ledger *ledger)
{
	return CONTAINER_OF(ledger, struct fake, ledger);
}

static void tell(struct fake *fake, const char *what)
{
	pthread_mutex_lock(&fake->lock);
	strncat(fake->tale, what, sizeof(fake->tale) - strlen(fake->tale) - 1);
	pthread_mutex_unlock(&fake->lock);
}

static int fake_begin(struct ledger *ledger, struct error *err)
{
	struct fake *fake = fake_of(ledger);

	pthread_mutex_lock(&fake->lock);
	fake->tries++;
	fake->open[0] = '\0';
	pthread_mutex_unlock(&fake->lock);
	if (fake->fail_begins > 0 && fake->fail_begins-- > 0)
		return error_set(err, fake->code, "no begin");
	return 0;
}

static int to_disk(struct fake *fake)
{
	tell(fake, "|");
	pthread_mutex_lock(&fake->lock);
	snprintf(fake->disk + strlen(fake->disk), 120, "%s|", fake->open);
	pthread_mutex_unlock(&fake->lock);
	return 0;
}

static int leave_doubt(struct fake *fake, struct error *err)
{
	fake->doubts--;
	tell(fake, "?");
	error_set(err, fake->code, "who knows");
	return LEDGER_IN_DOUBT;
}

static int fake_commit(struct ledger *ledger, struct error *err)
{
	struct fake *fake = fake_of(ledger);

	if (fake->gated) {
		sem_post(&fake->entered);
		sem_wait(&fake->gate);
	}
	if (fake->fail_commits > 0 && fake->skip_commits-- <= 0) {
		fake->fail_commits--;
		if (fake->doubts > 0)
			return leave_doubt(fake, err);
		tell(fake, "~");
		return error_set(err, fake->code, "no commit");
	}
	return to_disk(fake);
}

static int fake_settle(struct ledger *ledger, struct error *err)
{
	struct fake *fake = fake_of(ledger);

	if (fake->doubts > 0)
		return leave_doubt(fake, err);
	if (fake->happened)
		return to_disk(fake);
	tell(fake, "~");
	return error_set(err, fake->code, "it had not happened");
}

static void fake_abort(struct ledger *ledger)
{
	tell(fake_of(ledger), "~");
}

static const struct ledger_ops fake_ops = {
	.begin = fake_begin, .commit = fake_commit, .settle = fake_settle, .abort = fake_abort
};

/* ---- a committer, a loop, operations ---- */

struct fixture {
	struct fake fake;
	uv_loop_t loop;
	uv_timer_t guard;
	struct committer *committer;
	pthread_t loop_thread;
	char done[500]; /* x: done, -x: refused */
	int count;      /* of both */
	int rounds, commits, aborts;
	struct test_op *gathered; /* handed out by gather(), once */
	uint64_t gather_again_ns, gathered_at_ns;
	_Atomic int gathers;
	_Atomic bool gather_until_stop; /* gather() takes until committer_stop() was called */
	char last_text[ERROR_TEXT_MAX];
	enum error_code last_code;
};

struct test_op {
	struct commit_op op;
	struct fixture *fixture;
	char name;
	int fail_apply;
	struct test_op *then; /* submitted by done() */
};

static struct test_op *test_op(struct commit_op *op)
{
	return CONTAINER_OF(op, struct test_op, op);
}

static int apply(struct commit_op *op, struct ledger *ledger, struct error *err)
{
	struct test_op *self = test_op(op);
	struct fake *fake = fake_of(ledger);
	char letter[2] = { self->name, '\0' };

	if (self->fail_apply > 0) {
		self->fail_apply--;
		return error_no_memory(err);
	}
	tell(fake, letter);
	strcat(fake->open, letter);
	return 0;
}

static void refuse(struct commit_op *op, const struct error *err)
{
	struct test_op *self = test_op(op);
	char text[3] = { '-', self->name, '\0' };

	cr_expect_neq(err->code, ERR_NONE);
	tell(&self->fixture->fake, text);
}

static void done(struct commit_op *op, const struct error *err)
{
	struct test_op *self = test_op(op);
	struct fixture *fixture = self->fixture;
	char text[3] = { '-', self->name, '\0' };

	cr_expect(pthread_equal(pthread_self(), fixture->loop_thread));
	strcat(fixture->done, err == NULL ? text + 1 : text);
	fixture->count++;
	if (err != NULL) {
		fixture->last_code = err->code;
		snprintf(fixture->last_text, sizeof(fixture->last_text), "%s", err->text);
	}
	if (self->then != NULL)
		committer_submit(fixture->committer, &self->then->op);
}

static uint64_t gather(void *arg, uint64_t now_ns, struct list *ops)
{
	struct fixture *fixture = arg;
	struct test_op *op = fixture->gathered;

	fixture->gathers++;
	if (fixture->gather_until_stop && fixture->gathers == 1)
		return now_ns + 20 * NS_PER_MS; /* asked again by time, not woken */
	while (fixture->gather_until_stop && !committer_is_stopping(fixture->committer))
		sched_yield();
	fixture->gathered_at_ns = now_ns;
	if (op != NULL && now_ns >= fixture->gather_again_ns) {
		fixture->gathered = NULL;
		list_append(ops, &op->op.link);
		return 0;
	}
	return op == NULL ? 0 : fixture->gather_again_ns;
}

static int before_commit(void *arg, struct ledger *ledger, struct error *err)
{
	struct fake *fake = fake_of(ledger);

	if (fake->fail_before > 0) {
		fake->fail_before--;
		return error_set(err, ERR_STORE, "no ride");
	}
	strcat(fake->open, ".");
	return 0;
}

static void on_commit(void *arg)
{
	((struct fixture *)arg)->commits++;
}

static void on_abort(void *arg)
{
	((struct fixture *)arg)->aborts++;
}

static void on_round(void *arg)
{
	((struct fixture *)arg)->rounds++;
}

static void too_long(uv_timer_t *timer)
{
	cr_assert_fail("nothing happened for 10 s");
}

static void start(struct fixture *fixture)
{
	struct committer_hooks hooks = { .arg = fixture,
		.gather = gather,
		.before_commit = before_commit,
		.on_commit = on_commit,
		.on_abort = on_abort,
		.round = on_round };
	struct error err;

	fixture->fake.ledger.ops = &fake_ops;
	fixture->fake.code = ERR_STORE;
	pthread_mutex_init(&fixture->fake.lock, NULL);
	sem_init(&fixture->fake.entered, 0, 0);
	sem_init(&fixture->fake.gate, 0, 0);
	fixture->loop_thread = pthread_self();
	uv_loop_init(&fixture->loop);
	uv_timer_init(&fixture->loop, &fixture->guard);
	uv_timer_start(&fixture->guard, too_long, 10000, 0);
	cr_assert_eq(committer_start(&fixture->fake.ledger, &fixture->loop, &hooks,
			     &fixture->committer, &err),
		0);
}

static void close_loop(struct fixture *fixture)
{
	uv_close((uv_handle_t *)&fixture->guard, NULL);
	uv_run(&fixture->loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&fixture->loop), 0, "a handle was left open");
}

static void stop(struct fixture *fixture)
{
	committer_stop(fixture->committer);
	close_loop(fixture);
}

static struct test_op make(struct fixture *fixture, char name, bool must)
{
	return (struct test_op){
		{ .apply = apply, .refuse = refuse, .done = done, .bytes = 100, .must = must },
		fixture, name
	};
}

static void submit(struct test_op *op)
{
	committer_submit(op->fixture->committer, &op->op);
}

/* Turn the loop until that many operations have ended. */
static void run_until(struct fixture *fixture, int count)
{
	uv_timer_again(&fixture->guard);
	while (fixture->count < count)
		uv_run(&fixture->loop, UV_RUN_ONCE);
}

/* Hold the thread inside a commit of 'x', so that what follows has to gather. */
static void hold(struct fixture *fixture, struct test_op *x)
{
	fixture->fake.gated = true;
	*x = make(fixture, 'x', true);
	submit(x);
	sem_wait(&fixture->fake.entered);
}

static void let_go(struct fixture *fixture)
{
	fixture->fake.gated = false;
	sem_post(&fixture->fake.gate);
}

/* ---- group commit ---- */

Test(committer, what_waits_during_a_commit_goes_into_one_transaction_in_order)
{
	struct fixture fixture = { 0 };
	struct test_op x, ops[5];

	start(&fixture);
	hold(&fixture, &x);
	for (int at = 0; at < 5; at++) {
		ops[at] = make(&fixture, (char)('a' + at), at % 2 == 0);
		submit(&ops[at]);
	}
	let_go(&fixture);
	run_until(&fixture, 6);
	cr_expect_str_eq(fixture.fake.disk, "x.|abcde.|");
	cr_expect_str_eq(fixture.done, "xabcde");
	cr_expect_eq(fixture.commits, 2);
	cr_expect_geq(fixture.rounds, 1);
	stop(&fixture);
}

Test(committer, a_transaction_is_bounded_in_bytes)
{
	struct fixture fixture = { 0 };
	struct test_op x, ops[5];

	start(&fixture);
	hold(&fixture, &x);
	for (int at = 0; at < 5; at++) {
		ops[at] = make(&fixture, (char)('a' + at), true);
		ops[at].op.bytes = at == 4 ? 50u << 20 : 3u << 20;
		submit(&ops[at]);
	}
	let_go(&fixture);
	run_until(&fixture, 6);
	cr_expect_str_eq(fixture.fake.disk, "x.|ab.|cd.|e.|");
	stop(&fixture);
}

Test(committer, done_comes_after_the_commit)
{
	struct fixture fixture = { 0 };
	struct test_op x;

	start(&fixture);
	hold(&fixture, &x);
	uv_run(&fixture.loop, UV_RUN_NOWAIT);
	cr_expect_str_eq(fixture.done, "", "done before it was on disk");
	let_go(&fixture);
	run_until(&fixture, 1);
	cr_expect_str_eq(fixture.fake.disk, "x.|");
	stop(&fixture);
}

/* ---- gather ---- */

Test(committer, what_is_gathered_stands_behind_what_was_submitted)
{
	struct fixture fixture = { 0 };
	struct test_op x, a = make(&fixture, 'a', true), g = make(&fixture, 'g', true);

	start(&fixture);
	hold(&fixture, &x);
	fixture.gathered = &g;
	submit(&a);
	let_go(&fixture);
	run_until(&fixture, 3);
	cr_expect_str_eq(fixture.fake.disk, "x.|ag.|");
	stop(&fixture);
}

Test(committer, gather_is_asked_again_when_it_said)
{
	struct fixture fixture = { 0 };
	struct test_op a = make(&fixture, 'a', true), g = make(&fixture, 'g', true);

	fixture.gathered = &g;
	fixture.gather_again_ns = clock_mono_ns() + 80 * NS_PER_MS;
	start(&fixture);
	submit(&a);
	run_until(&fixture, 2);
	cr_expect_str_eq(fixture.fake.disk, "a.|g.|");
	cr_expect_geq(fixture.gathered_at_ns, fixture.gather_again_ns);
	cr_expect_lt(fixture.gathers, 10, "it must not spin");
	stop(&fixture);
}

Test(committer, what_is_not_due_yet_is_gathered_at_the_end_even_if_that_comes_in_between)
{
	struct fixture fixture = { 0 };
	struct test_op g = make(&fixture, 'g', true);

	fixture.gathered = &g;
	fixture.gather_again_ns = UINT64_MAX;
	fixture.gather_until_stop = true;
	start(&fixture);
	/* The end is asked for while a round runs that did not know of it. */
	while (fixture.gathers < 2)
		sched_yield();
	stop(&fixture);
	cr_expect_str_eq(fixture.fake.disk, "g.|");
	cr_expect_eq(fixture.gathered_at_ns, UINT64_MAX);
}

Test(committer, wake_makes_it_ask)
{
	struct fixture fixture = { 0 };
	struct test_op a = make(&fixture, 'a', true), g = make(&fixture, 'g', true);

	start(&fixture);
	submit(&a);
	run_until(&fixture, 1);
	fixture.gathered = &g;
	committer_wake(fixture.committer);
	run_until(&fixture, 2);
	cr_expect_str_eq(fixture.fake.disk, "a.|g.|");
	stop(&fixture);
}

/* ---- failure ---- */

Test(committer, after_a_failure_what_may_fail_is_refused_and_the_rest_tried_again_in_order)
{
	struct fixture fixture = { 0 };
	struct test_op x, a, b, c;
	struct error why;

	start(&fixture);
	a = make(&fixture, 'a', true);
	b = make(&fixture, 'b', false);
	c = make(&fixture, 'c', true);
	hold(&fixture, &x);
	submit(&a);
	submit(&b);
	submit(&c);
	fixture.fake.skip_commits = 1;
	fixture.fake.fail_commits = 3;
	let_go(&fixture);
	run_until(&fixture, 2);
	cr_expect_str_eq(fixture.done, "x-b", "it is told at once");
	cr_expect_eq(fixture.last_code, ERR_STORE);
	cr_expect_str_eq(fixture.last_text, "no commit");
	cr_expect_not(committer_is_healthy(fixture.committer, &why));
	cr_expect_str_eq(why.text, "no commit");
	run_until(&fixture, 4);
	cr_expect_str_eq(fixture.fake.disk, "x.|ac.|");
	cr_expect_str_eq(fixture.done, "x-bac");
	cr_expect_str_eq(fixture.fake.tale, "x|abc~-bac~ac~ac|");
	cr_expect(committer_is_healthy(fixture.committer, NULL));
	stop(&fixture);
}

Test(committer, while_something_must_be_written_nothing_that_may_fail_is_tried)
{
	struct fixture fixture = { 0 };
	struct test_op a = make(&fixture, 'a', true), b = make(&fixture, 'b', false);
	struct test_op c = make(&fixture, 'c', true), d = make(&fixture, 'd', false);

	start(&fixture);
	fixture.fake.fail_commits = 1000000;
	fixture.fake.code = ERR_DISK_FULL;
	submit(&a);
	submit(&b);
	run_until(&fixture, 1);
	submit(&c);
	submit(&d);
	run_until(&fixture, 2);
	cr_expect_str_eq(fixture.done, "-b-d");
	cr_expect_eq(fixture.last_code, ERR_DISK_FULL);
	fixture.fake.fail_commits = 0;
	run_until(&fixture, 4);
	cr_expect_str_eq(fixture.done, "-b-dac");
	cr_expect_str_eq(fixture.fake.disk, "ac.|");
	stop(&fixture);
}

Test(committer, with_nothing_that_must_be_written_the_next_is_a_probe)
{
	struct fixture fixture = { 0 };
	struct test_op a = make(&fixture, 'a', false), b = make(&fixture, 'b', false);
	struct test_op c = make(&fixture, 'c', false);

	fixture.fake.fail_commits = 2;
	start(&fixture);
	submit(&a);
	run_until(&fixture, 1);
	submit(&b);
	run_until(&fixture, 2);
	cr_expect_not(committer_is_healthy(fixture.committer, NULL));
	submit(&c);
	run_until(&fixture, 3);
	cr_expect_str_eq(fixture.done, "-a-bc");
	cr_expect(committer_is_healthy(fixture.committer, NULL));
	stop(&fixture);
}

Test(committer, an_idle_store_recovers_by_itself)
{
	struct fixture fixture = { 0 };
	struct test_op a = make(&fixture, 'a', false);
	uint64_t until_ns;

	fixture.fake.fail_begins = 1;
	start(&fixture);
	submit(&a);
	run_until(&fixture, 1);
	cr_expect_not(committer_is_healthy(fixture.committer, NULL));
	until_ns = clock_mono_ns() + 5 * NS_PER_S;
	while (!committer_is_healthy(fixture.committer, NULL) && clock_mono_ns() < until_ns)
		uv_run(&fixture.loop, UV_RUN_ONCE);
	cr_expect(committer_is_healthy(fixture.committer, NULL));
	cr_expect_str_eq(fixture.fake.disk, ".|");
	stop(&fixture);
}

Test(committer, one_that_cannot_be_applied_does_not_take_the_others_with_it)
{
	struct fixture fixture = { 0 };
	struct test_op x, a, b, c;

	start(&fixture);
	a = make(&fixture, 'a', true);
	b = make(&fixture, 'b', false);
	c = make(&fixture, 'c', true);
	b.fail_apply = 1000;
	hold(&fixture, &x);
	submit(&a);
	submit(&b);
	submit(&c);
	let_go(&fixture);
	run_until(&fixture, 4);
	cr_expect_str_eq(fixture.fake.disk, "x.|ac.|");
	cr_expect_eq(fixture.last_code, ERR_NO_MEMORY);
	stop(&fixture);
}

Test(committer, what_rides_along_can_fail_too)
{
	struct fixture fixture = { 0 };
	struct test_op a = make(&fixture, 'a', true);

	fixture.fake.fail_before = 2;
	start(&fixture);
	submit(&a);
	run_until(&fixture, 1);
	cr_expect_str_eq(fixture.fake.tale, "a~a~a|");
	cr_expect_eq(fixture.aborts, 2);
	cr_expect_eq(fixture.commits, 1);
	stop(&fixture);
}

/* A full disk: 'a' needs room that only 'f' can make. */
static int apply_with_room(struct commit_op *op, struct ledger *ledger, struct error *err)
{
	struct fake *fake = fake_of(ledger);

	if (strchr(fake->disk, 'f') == NULL)
		return error_set(err, ERR_DISK_FULL, "full");
	return apply(op, ledger, err);
}

Test(committer, on_a_full_disk_what_makes_room_may_overtake)
{
	struct fixture fixture = { 0 };
	struct test_op a = make(&fixture, 'a', true), f = make(&fixture, 'f', true);

	a.op.apply = apply_with_room;
	f.op.frees = true;
	start(&fixture);
	submit(&a);
	submit(&f);
	run_until(&fixture, 2);
	cr_expect_str_eq(fixture.fake.disk, "f.|a.|");
	stop(&fixture);
}

/* ---- in doubt ---- */

/* A commit of 'a' and 'b' whose fate is asked for that often before it is known. */
static void start_in_doubt(struct fixture *fixture, struct test_op *a, struct test_op *b,
	int doubts, bool happened)
{
	struct test_op x;

	start(fixture);
	*a = make(fixture, 'a', true);
	*b = make(fixture, 'b', false);
	hold(fixture, &x);
	submit(a);
	submit(b);
	fixture->fake.skip_commits = 1;
	fixture->fake.fail_commits = 1;
	fixture->fake.doubts = doubts;
	fixture->fake.happened = happened;
	let_go(fixture);
	run_until(fixture, 1);
	while (committer_is_healthy(fixture->committer, NULL))
		sched_yield();
}

Test(committer, in_doubt_it_is_unhealthy_and_waits_for_the_truth)
{
	struct fixture fixture = { 0 };
	struct test_op a, b, c = make(&fixture, 'c', false);
	struct error why;

	start_in_doubt(&fixture, &a, &b, 3, true);
	submit(&c);
	cr_expect_not(committer_is_healthy(fixture.committer, &why));
	cr_expect_str_eq(why.text, "who knows");
	cr_expect_str_eq(fixture.done, "x", "nobody may be told anything");
	run_until(&fixture, 4);
	cr_expect_str_eq(fixture.fake.tale, "x|ab???|c|");
	cr_expect_str_eq(fixture.done, "xabc");
	cr_expect_eq(fixture.commits, 3);
	cr_expect_eq(fixture.aborts, 0);
	cr_expect(committer_is_healthy(fixture.committer, NULL));
	stop(&fixture);
}

Test(committer, what_turns_out_not_to_have_happened_is_refused_or_tried_again)
{
	struct fixture fixture = { 0 };
	struct test_op a, b;

	start_in_doubt(&fixture, &a, &b, 2, false);
	run_until(&fixture, 3);
	cr_expect_str_eq(fixture.fake.tale, "x|ab??~-ba|");
	cr_expect_str_eq(fixture.done, "x-ba");
	cr_expect_eq(fixture.aborts, 1);
	cr_expect_str_eq(fixture.fake.disk, "x.|a.|");
	stop(&fixture);
}

Test(committer, who_stops_in_doubt_writes_nothing_more)
{
	struct fixture fixture = { 0 };
	struct test_op a, b, c = make(&fixture, 'c', true), g = make(&fixture, 'g', true);

	start_in_doubt(&fixture, &a, &b, 1000000, true);
	submit(&c);
	fixture.gathered = &g;
	cr_expect_not(committer_stop(fixture.committer), "it must say that it gave up");
	cr_expect_str_eq(fixture.fake.disk, "x.|");
	cr_expect_eq(fixture.count, 5, "everybody is told");
	cr_expect_eq(strlen(fixture.done), 9, "%s", fixture.done);
	close_loop(&fixture);
}

/* ---- the end ---- */

Test(committer, stop_writes_all_that_waits)
{
	struct fixture fixture = { 0 };
	struct test_op ops[20], g = make(&fixture, 'g', true);

	fixture.gathered = &g;
	fixture.gather_again_ns = clock_mono_ns() + 3600 * NS_PER_S;
	start(&fixture);
	for (int at = 0; at < 20; at++) {
		ops[at] = make(&fixture, (char)('a' + at), at % 3 != 0);
		ops[at].op.bytes = 1u << 20;
		submit(&ops[at]);
	}
	cr_expect(committer_stop(fixture.committer));
	cr_expect_eq(fixture.count, 21, "done before it returns, what gather() held too");
	cr_expect_eq(strlen(fixture.done), 21);
	close_loop(&fixture);
}

Test(committer, what_done_submits_while_it_stops_is_written)
{
	struct fixture fixture = { 0 };
	struct test_op a = make(&fixture, 'a', true), b = make(&fixture, 'b', false);
	struct test_op c = make(&fixture, 'c', true);

	a.then = &b;
	b.then = &c;
	start(&fixture);
	submit(&a);
	stop(&fixture);
	cr_expect_str_eq(fixture.done, "abc");
	cr_expect_str_eq(fixture.fake.disk, "a.|b.|c.|");
}

Test(committer, stop_gives_up_what_cannot_be_written_after_one_more_try)
{
	struct fixture fixture = { 0 };
	struct test_op a = make(&fixture, 'a', true), b = make(&fixture, 'b', true);
	struct test_op c = make(&fixture, 'c', false);
	int tries;

	fixture.fake.fail_commits = 1000000;
	start(&fixture);
	submit(&a);
	submit(&c);
	run_until(&fixture, 1);
	submit(&b);
	tries = fixture.fake.tries;
	cr_expect_not(committer_stop(fixture.committer));
	cr_expect_str_eq(fixture.done, "-c-a-b");
	cr_expect_geq(fixture.fake.tries, tries + 1);
	cr_expect_str_eq(fixture.fake.disk, "");
	close_loop(&fixture);
}

Test(committer, an_idle_one_stops)
{
	struct fixture fixture = { 0 };
	uint64_t p50, p99;

	start(&fixture);
	committer_latency(fixture.committer, &p50, &p99);
	cr_expect_eq(p99, 0);
	stop(&fixture);
	cr_expect_str_eq(fixture.fake.tale, "");
}

Test(committer, it_tells_how_long_commits_take)
{
	struct fixture fixture = { 0 };
	struct test_op ops[30];
	uint64_t p50, p99;

	start(&fixture);
	for (int at = 0; at < 30; at++) {
		ops[at] = make(&fixture, 'a', true);
		submit(&ops[at]);
		run_until(&fixture, at + 1);
	}
	committer_latency(fixture.committer, &p50, &p99);
	cr_expect_gt(p50, 0);
	cr_expect_geq(p99, p50);
	cr_expect_lt(p99, 5 * NS_PER_S);
	stop(&fixture);
}

/* ---- from many threads ---- */

enum { SUBMITTERS = 4, EACH = 500 };

struct submitter {
	struct fixture *fixture;
	struct test_op ops[EACH];
};

static void done_quietly(struct commit_op *op, const struct error *err)
{
	test_op(op)->fixture->count += err == NULL;
}

static int apply_quietly(struct commit_op *op, struct ledger *ledger, struct error *err)
{
	return 0;
}

static void *submit_many(void *arg)
{
	struct submitter *submitter = arg;

	for (int at = 0; at < EACH; at++) {
		submitter->ops[at] = make(submitter->fixture, 'a', true);
		submitter->ops[at].op.apply = apply_quietly;
		submitter->ops[at].op.done = done_quietly;
		submit(&submitter->ops[at]);
	}
	return NULL;
}

static int commit_quietly(struct ledger *ledger, struct error *err)
{
	return 0;
}

static int ride_quietly(void *arg, struct ledger *ledger, struct error *err)
{
	return 0;
}

Test(committer, any_thread_may_submit)
{
	static const struct ledger_ops quiet = { .begin = fake_begin,
		.commit = commit_quietly };
	static struct submitter submitters[SUBMITTERS];
	struct committer_hooks hooks = { .before_commit = ride_quietly };
	struct fixture fixture = { 0 };
	pthread_t threads[SUBMITTERS];

	start(&fixture);
	committer_stop(fixture.committer);
	fixture.fake.ledger.ops = &quiet;
	cr_assert_eq(committer_start(&fixture.fake.ledger, &fixture.loop, &hooks,
			     &fixture.committer, NULL),
		0);
	for (int at = 0; at < SUBMITTERS; at++) {
		submitters[at].fixture = &fixture;
		pthread_create(&threads[at], NULL, submit_many, &submitters[at]);
	}
	run_until(&fixture, SUBMITTERS * EACH);
	for (int at = 0; at < SUBMITTERS; at++)
		pthread_join(threads[at], NULL);
	stop(&fixture);
	cr_expect_eq(fixture.count, SUBMITTERS * EACH);
}
