/*
 * log: one line an event, to stderr.
 *
 *	log_info("job_failed", "job=%s stage=%s err=\"%s\"", …);
 *
 * writes `2026-11-22T16:09:00.123Z info event=job_failed job=… stage=… err="…"`, or with
 * log_use_json(true) one JSON object: {"at":…,"level":"info","event":"job_failed","job":…}.
 *
 * The format is key=value pairs with a space between; a value may stand in quotes, and gets
 * them where it needs them. What is in it is escaped. A pair without a value is left out, so
 * that what is not always there needs no second format. Never item bytes, never secrets.
 *
 * Thread: any; a line is one write(2).
 */
#ifndef LEAT_BASE_LOG_H
#define LEAT_BASE_LOG_H

#include <stdbool.h>

/* Lines of LOG_AUDIT are called info and are written unless the log is off. */
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_AUDIT, LOG_OFF };

void log_set_level(enum log_level level);
void log_use_json(bool json);
/* Would it be written? For what is costly to find out. */
bool log_is_on(enum log_level level);
void log_write(enum log_level level, const char *event, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

/*
 * For messages that a client can cause by the thousand: true at most `per_second` times a
 * second for one `struct log_limit` (zeroed at first); the number swallowed before is then
 * in `ret_skipped`.
 */
struct log_limit {
	unsigned long long second;
	unsigned count, skipped;
};
bool log_allowed(struct log_limit *limit, unsigned per_second, unsigned *ret_skipped);

#endif
