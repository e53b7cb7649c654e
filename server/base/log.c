#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

static _Atomic int threshold = LOG_INFO;
static atomic_bool as_json;

static const char *const level_names[] = { "debug", "info", "warn", "error" };

void log_set_level(enum log_level level)
{
	atomic_store(&threshold, (int)level);
}

void log_use_json(bool json)
{
	atomic_store(&as_json, json);
}

/* A line of log is one line, whatever an error text brought along. */
static void flatten(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20)
			*text = ' ';
}

static size_t escape_json(char *to, size_t size, const char *from)
{
	size_t len = 0;

	for (; *from != '\0' && len + 3 < size; from++) {
		if (*from == '"' || *from == '\\')
			to[len++] = '\\';
		to[len++] = *from;
	}
	to[len] = '\0';
	return len;
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
	char text[1024], escaped[1400], when[32], line[2048];
	va_list args;
	int len;

	if ((int)level < atomic_load_explicit(&threshold, memory_order_relaxed))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	flatten(text);
	clock_format(clock_wall_ms(), when);
	if (atomic_load_explicit(&as_json, memory_order_relaxed)) {
		escape_json(escaped, sizeof(escaped), text);
		len = snprintf(line, sizeof(line),
			"{\"at\":\"%s\",\"level\":\"%s\",\"event\":\"%s\",\"detail\":\"%s\"}\n",
			when, level_names[level], event, escaped);
	} else {
		len = snprintf(line, sizeof(line), "%s %s event=%s %s\n", when,
			level_names[level], event, text);
	}
	if (write(STDERR_FILENO, line, MIN((size_t)len, sizeof(line) - 1)) < 0)
		return; /* nobody to tell */
}

bool log_allowed(struct log_limit *limit, unsigned per_second, unsigned *ret_skipped)
{
	unsigned long long now = clock_mono_ns() / NS_PER_S;

	if (limit->second != now) {
		limit->second = now;
		limit->count = 0;
	}
	if (limit->count++ >= per_second) {
		limit->skipped++;
		return false;
	}
	*ret_skipped = limit->skipped;
	limit->skipped = 0;
	return true;
}
