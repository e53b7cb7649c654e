/* One line an event. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* What the calls in `body` write to stderr. */
#define CAPTURE(text, body)                                    \
	do {                                                   \
		int pipe_[2], old_ = dup(2);                   \
		ssize_t len_;                                  \
		cr_assert_eq(pipe(pipe_), 0);                  \
		dup2(pipe_[1], 2);                             \
		close(pipe_[1]);                               \
		body;                                          \
		dup2(old_, 2);                                 \
		close(old_);                                   \
		len_ = read(pipe_[0], text, sizeof(text) - 1); \
		text[len_ < 0 ? 0 : len_] = '\0';              \
		close(pipe_[0]);                               \
	} while (0)

Test(log, a_line_names_time_level_and_event)
{
	char text[4096];

	clock_fake(1, 1795363740123);
	CAPTURE(text, log_warn("job_failed", "job=%s err=\"%s\"", "j_1", "no"));
	cr_expect_str_eq(
		text, "2026-11-22T16:09:00.123Z warn event=job_failed job=j_1 err=\"no\"\n");
}

Test(log, what_is_below_the_level_is_not_written)
{
	char text[4096];

	log_set_level(LOG_WARN);
	CAPTURE(text, log_info("quiet", "a=1"); log_error("loud", "b=2"); log_debug("no", "c"));
	cr_expect_null(strstr(text, "quiet"));
	cr_expect_not_null(strstr(text, "event=loud b=2\n"));
	log_set_level(LOG_OFF);
	CAPTURE(text, log_error("loud", "b=2"));
	cr_expect_str_eq(text, "");
}

Test(log, whatever_the_text_holds_it_is_one_line)
{
	char text[4096];

	CAPTURE(text, log_error("e", "err=\"%s\"", "one\ntwo\r\x01three"));
	cr_expect_eq(strchr(text, '\n'), text + strlen(text) - 1);
	cr_expect_not_null(strstr(text, "three"));
}

Test(log, as_json_it_is_json)
{
	char text[4096];
	json_t *line;

	log_use_json(true);
	CAPTURE(text, log_error("job_failed", "err=\"a \\ and a quote\""));
	cr_expect_eq(text[strlen(text) - 1], '\n');
	line = json_loads(text, 0, NULL);
	cr_assert_not_null(line, "%s", text);
	cr_expect_str_eq(json_string_value(json_object_get(line, "event")), "job_failed");
	cr_expect_str_eq(
		json_string_value(json_object_get(line, "detail")), "err=\"a \\ and a quote\"");
	json_decref(line);
}

Test(log, a_limit_lets_so_many_through_a_second)
{
	struct log_limit limit = { 0 };
	unsigned skipped = 99, allowed = 0;

	clock_fake(10 * NS_PER_S, 1000);
	for (int at = 0; at < 100; at++)
		allowed += log_allowed(&limit, 5, &skipped);
	cr_expect_eq(allowed, 5);
	clock_fake_advance_ms(1000);
	cr_expect(log_allowed(&limit, 5, &skipped));
	cr_expect_eq(skipped, 95);
	cr_expect(log_allowed(&limit, 5, &skipped));
	cr_expect_eq(skipped, 0);
}
