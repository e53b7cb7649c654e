/* Two clocks that a test can stop, and the one way to write a time. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

Test(clock, goes_forwards)
{
	uint64_t last = clock_mono_ns();

	for (int at = 0; at < 1000; at++) {
		uint64_t now = clock_mono_ns();

		cr_assert_geq(now, last);
		last = now;
	}
	cr_expect_gt(clock_wall_ms(), 1700000000000);
}

Test(clock, stands_where_a_test_puts_it)
{
	clock_fake(5 * NS_PER_S, 1000);
	cr_expect_eq(clock_mono_ns(), 5 * NS_PER_S);
	cr_expect_eq(clock_wall_ms(), 1000);
	clock_fake_advance_ms(250);
	cr_expect_eq(clock_mono_ns(), 5 * NS_PER_S + 250 * NS_PER_MS);
	cr_expect_eq(clock_wall_ms(), 1250);
	clock_fake(0, 0);
	cr_expect_gt(clock_wall_ms(), 1700000000000);
}

/* Real time passes here: what is tested is that it does not count. */
static void let_pass_ms(long ms)
{
	struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (nanosleep(&pause, &pause) < 0)
		;
}

Test(clock, stands_while_nobody_beats)
{
	uint64_t before, after;

	clock_beat();
	before = clock_mono_ns();
	let_pass_ms(1500);
	after = clock_mono_ns();
	cr_expect_geq(after, before);
	cr_expect_leq(after - before, CLOCK_BEAT_NS + 400 * NS_PER_MS);
	cr_expect_geq(clock_stood_ns(), 400 * NS_PER_MS);
	clock_beat_end();
}

Test(clock, goes_on_where_it_stood)
{
	uint64_t first, stood;

	clock_beat();
	let_pass_ms(1200);
	clock_beat();
	stood = clock_stood_ns();
	first = clock_mono_ns();
	let_pass_ms(20);
	cr_expect_geq(clock_mono_ns() - first, 20 * NS_PER_MS);
	cr_expect_geq(clock_stood_ns(), stood);
	clock_beat_end();
}

Test(clock, goes_on_where_nobody_ever_beat)
{
	uint64_t before = clock_mono_ns();

	let_pass_ms(1200);
	cr_expect_geq(clock_mono_ns() - before, 1200 * NS_PER_MS);
	cr_expect_eq(clock_stood_ns(), 0);
}

Test(clock, a_time_of_it_is_one_of_the_system)
{
	struct timespec until, now;

	clock_beat();
	let_pass_ms(1200);
	until = clock_until(clock_mono_ns());
	clock_gettime(CLOCK_MONOTONIC, &now);
	cr_expect_leq(
		until.tv_sec * 1e3 + until.tv_nsec / 1e6, now.tv_sec * 1e3 + now.tv_nsec / 1e6);
	cr_expect_geq(until.tv_sec * 1e3 + until.tv_nsec / 1e6 + 1000,
		now.tv_sec * 1e3 + now.tv_nsec / 1e6);
	clock_beat_end();
}

struct reader {
	pthread_t thread;
	atomic_bool *over;
	bool back;
};

static void *read_clock(void *arg)
{
	struct reader *reader = arg;
	uint64_t last = clock_mono_ns(), now;

	for (; !atomic_load(reader->over); last = now) {
		now = clock_mono_ns();
		reader->back |= now < last;
	}
	return NULL;
}

Test(clock, never_goes_back_for_any_thread_while_it_is_made_to_stand)
{
	struct reader readers[4];
	atomic_bool over = false;
	int status, pid;

	clock_beat();
	for (int at = 0; at < 4; at++) {
		readers[at] = (struct reader){ .over = &over };
		pthread_create(&readers[at].thread, NULL, read_clock, &readers[at]);
	}
	pid = fork();
	if (pid == 0) { /* stops its parent, as the world may */
		kill(getppid(), SIGSTOP);
		let_pass_ms(1300);
		kill(getppid(), SIGCONT);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	for (int at = 0; at < 200; at++)
		clock_beat();
	cr_expect_geq(clock_stood_ns(), 200 * NS_PER_MS);
	atomic_store(&over, true);
	for (int at = 0; at < 4; at++) {
		pthread_join(readers[at].thread, NULL);
		cr_expect(!readers[at].back, "a clock went back");
	}
	clock_beat_end();
}

Test(clock, is_written_as_rfc_3339)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 1, "1970-01-01T00:00:00.001Z" },
		{ 951782400000, "2000-02-29T00:00:00.000Z" },
		{ 1795363740123, "2026-11-22T16:09:00.123Z" },
		{ 4102444799999, "2099-12-31T23:59:59.999Z" },
	};
	char text[32];

	for (size_t at = 0; at < sizeof(cases) / sizeof(cases[0]); at++) {
		clock_format(cases[at].ms, text);
		cr_expect_str_eq(text, cases[at].text);
	}
}
