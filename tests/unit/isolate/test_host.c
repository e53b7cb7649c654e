/* host: whatever the process does, the server hears of it and goes on. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "isolate/host.h"

#define LONG_NS (60 * NS_PER_S)

static struct spawner spawner;
static struct host host;

static void set_up(void)
{
	spawner_init(&spawner);
	host_init(&host);
}

static void tear_down(void)
{
	host_end(&host);
	spawner_done(&spawner);
}

TestSuite(host, .init = set_up, .fini = tear_down);

static void start(const char *act)
{
	struct error err = { 0 };

	cr_assert_eq(host_start(&host, &spawner, getenv("PUPPET"), act, 1024, 65536, &err), 0,
		"%s", err.text);
	cr_assert(host_is_running(&host));
}

static enum host_word wait_long(void)
{
	return host_wait(&host, clock_mono_ns() + LONG_NS);
}

static void ended(const char *wanted)
{
	char text[80];

	host_describe_end(host_end(&host), text, sizeof(text));
	cr_expect_str_eq(text, wanted);
	cr_expect_not(host_is_running(&host));
}

Test(host, words_go_both_ways)
{
	start("echo");
	for (int n = 0; n < 1000; n++) {
		cr_assert(host_is_quiet(&host));
		cr_assert_eq(host_tell(&host, HOST_RUN), 0);
		cr_assert_eq(wait_long(), HOST_DONE);
	}
}

Test(host, a_signal_is_named)
{
	start("die");
	host_tell(&host, HOST_RUN);
	cr_expect_eq(wait_long(), HOST_DIED);
	ended("died (SIGSEGV)");
}

Test(host, an_exit_is_named)
{
	start("leave");
	host_tell(&host, HOST_RUN);
	cr_expect_eq(wait_long(), HOST_DIED);
	ended("ended its process (exit code 7)");
}

Test(host, a_program_that_is_none_is_an_error)
{
	struct error err;

	cr_expect_lt(host_start(&host, &spawner, "/nonexistent/leat", "x", 1, 1, &err), 0);
	cr_expect_str_eq(err.text,
		"a process for the stage cannot be started: No such file or directory");
	cr_expect_not(host_is_running(&host));
	start("echo");
}

Test(host, text_is_cleaned_and_nonsense_is_told_apart)
{
	start("babble");
	for (int n = 0; n < 100; n++) {
		cr_assert_eq(wait_long(), HOST_LOG);
		cr_expect_str_eq(host.text, "?line?");
	}
	cr_expect_eq(wait_long(), HOST_NONSENSE);
}

Test(host, time_passes_and_whoever_waits_can_be_stirred)
{
	start("ignore");
	cr_expect_eq(host_wait(&host, clock_mono_ns() + NS_PER_MS), HOST_LATE);
	host_stir(&host);
	host_stir(&host);
	cr_expect_eq(wait_long(), HOST_STIRRED);
	cr_expect_eq(host_wait(&host, clock_mono_ns() + NS_PER_MS), HOST_LATE);
	/* It reads nothing: words pile up, and telling does not wait. */
	for (int n = 0; n < 2000; n++)
		cr_assert_eq(host_tell(&host, HOST_RUN), 0);
	ended("was killed (SIGKILL)");
}

Test(host, who_is_dead_cannot_be_told)
{
	start("ignore");
	kill(host.pid, SIGKILL);
	cr_expect_eq(wait_long(), HOST_DIED);
	cr_expect_not(host_is_quiet(&host));
	cr_expect_lt(host_tell(&host, HOST_RUN), 0);
}

Test(host, it_can_write_over_the_report_only)
{
	struct share_outcome outcome;

	start("write_all");
	host.share.order->count = 4711;
	cr_assert_eq(wait_long(), HOST_DONE);
	cr_expect_eq(host.share.order->count, 4711);
	cr_expect_not(share_read_outcome(&host.share, 0, 0, &outcome));
	host_tell(&host, HOST_QUIT);
	cr_expect_eq(wait_long(), HOST_DIED);
	ended("ended its process (exit code 0)");
}

Test(host, it_is_confined)
{
	enum host_word word;

	start("confined");
	while ((word = wait_long()) == HOST_LOG)
		cr_log_warn("%s", host.text);
	cr_assert_eq(word, HOST_DONE);
	host_tell(&host, HOST_QUIT);
	cr_expect_eq(wait_long(), HOST_DIED);
	ended("ended its process (exit code 0)");
}
