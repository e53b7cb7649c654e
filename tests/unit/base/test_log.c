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
	CAPTURE(text, log_info("quiet", "a=1"); log_error("loud", "b=2");
		log_debug("no", "c=3"));
	cr_expect_null(strstr(text, "quiet"));
	cr_expect_not_null(strstr(text, "event=loud b=2\n"));
	log_set_level(LOG_OFF);
	CAPTURE(text, log_error("loud", "b=2"));
	cr_expect_str_eq(text, "");
}

Test(log, audit_is_silenced_by_off_alone)
{
	char text[4096];

	log_set_level(LOG_ERROR);
	CAPTURE(text, log_write(LOG_AUDIT, "audit", "who=\"%s\"", "me"));
	cr_expect_not_null(strstr(text, " info event=audit who=\"me\"\n"), "%s", text);
	log_set_level(LOG_OFF);
	CAPTURE(text, log_write(LOG_AUDIT, "audit", "who=me"));
	cr_expect_str_eq(text, "");
}

Test(log, whatever_the_text_holds_it_is_one_line)
{
	char text[4096];

	CAPTURE(text, log_error("e", "err=\"%s\"", "one\ntwo\r\x01three"));
	cr_expect_eq(strchr(text, '\n'), text + strlen(text) - 1);
	cr_expect_not_null(strstr(text, "three"));
}

static json_t *as_json(const char *text)
{
	json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	cr_assert_not_null(line, "%s", text);
	cr_expect_eq(text[strlen(text) - 1], '\n');
	cr_expect_eq(strchr(text, '\n'), text + strlen(text) - 1);
	return line;
}

static void expect_text(const json_t *line, const char *key, const char *value)
{
	cr_expect_str_eq(json_string_value(json_object_get(line, key)), value);
}

Test(log, as_json_every_field_is_a_member)
{
	char text[5000];
	json_t *line;

	clock_fake(1, 1795363740123);
	log_use_json(true);
	CAPTURE(text,
		log_error("job_failed",
			"job=%s n=%u big=%llu f=%.1f s=%.*s mixed=%d/%d err=\"%s\"", "j_1", 7u,
			1ull << 40, 0.25, 3, "abcdef", 1, 2, "a \\ and a \"quote\""));
	line = as_json(text);
	expect_text(line, "at", "2026-11-22T16:09:00.123Z");
	expect_text(line, "level", "error");
	expect_text(line, "event", "job_failed");
	expect_text(line, "job", "j_1");
	expect_text(line, "s", "abc");
	expect_text(line, "mixed", "1/2");
	expect_text(line, "err", "a \\ and a \"quote\"");
	cr_expect_eq(json_integer_value(json_object_get(line, "n")), 7);
	cr_expect_eq(json_integer_value(json_object_get(line, "big")), 1ll << 40);
	cr_expect_float_eq(json_real_value(json_object_get(line, "f")), 0.2, 0.1);
	json_decref(line);
}

Test(log, a_field_without_a_value_is_left_out)
{
	char text[5000];
	json_t *line;

	CAPTURE(text, log_info("e", "a=%s b=\"%s\" c=%d", "", "", 0));
	cr_expect_not_null(strstr(text, " event=e c=0\n"), "%s", text);
	log_use_json(true);
	CAPTURE(text, log_info("e", "a=%s b=\"%s\" c=%d", "", "", 0));
	line = as_json(text);
	cr_expect_eq(json_object_size(line), 4);
	json_decref(line);
}

Test(log, what_a_value_holds_stays_in_it)
{
	static const char *const hostile[] = { "x\" level=\"error", "a\",\"level\":\"error",
		"\\", "\\\"", "line\nevent=fake", "\x1b[31m", "with = sign",
		"grün \xf0\x9f\x8c\x8a" };
	char text[5000];
	json_t *line;

	for (unsigned at = 0; at < sizeof(hostile) / sizeof(hostile[0]); at++) {
		log_use_json(false);
		CAPTURE(text, log_warn("e", "a=%s b=\"%s\" c=1", hostile[at], hostile[at]));
		cr_expect_eq(strchr(text, '\n'), text + strlen(text) - 1);
		cr_expect_null(strstr(text, "x\" level="), "%s", text);
		cr_expect_str_eq(text + strlen(text) - 5, " c=1\n");
		log_use_json(true);
		CAPTURE(text, log_warn("e", "a=%s b=\"%s\" c=1", hostile[at], hostile[at]));
		line = as_json(text);
		expect_text(line, "level", "warn");
		cr_expect_eq(json_object_size(line), 6);
		cr_expect_str_eq(json_string_value(json_object_get(line, "a")),
			json_string_value(json_object_get(line, "b")));
		json_decref(line);
	}
}

Test(log, bytes_that_are_no_text_do_not_break_the_line)
{
	static const char *const broken[] = { "\xff", "a\xc3", "\xe2\x82", "\xed\xa0\x80",
		"\xc0\x80", "\xf5\x80\x80\x80", "\xf0\x9f\x8c" };
	char text[5000];

	log_use_json(true);
	for (unsigned at = 0; at < sizeof(broken) / sizeof(broken[0]); at++) {
		CAPTURE(text, log_error("e", "err=\"%s\"", broken[at]));
		json_decref(as_json(text));
	}
}

Test(log, however_long_it_is_a_line_that_ends)
{
	static char lots[10000];
	char text[5000];
	json_t *line;

	memset(lots, '"', sizeof(lots) - 1);
	log_use_json(true);
	CAPTURE(text, log_error("e", "a=%s b=%s c=%s d=%s e=%s f=%d", lots, lots, lots, lots,
			      lots, 7));
	line = as_json(text);
	cr_expect_leq(strlen(text), 4096);
	cr_expect_gt(json_string_length(json_object_get(line, "a")), 500);
	json_decref(line);
	log_use_json(false);
	CAPTURE(text, log_error("e", "a=%s b=%s c=%s d=%s e=%s f=%d", lots, lots, lots, lots,
			      lots, 7));
	cr_expect_leq(strlen(text), 4096);
	cr_expect_eq(text[strlen(text) - 1], '\n');
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
