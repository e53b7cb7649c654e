#include "base/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define LINE_MAX_  4096 /* what one write(2) puts into a pipe whole */
#define VALUE_MAX_ 1024

static _Atomic int threshold = LOG_INFO;
static atomic_bool as_json;

static const char *const level_names[] = { "debug", "info", "warn", "error", "info" };

void log_set_level(enum log_level level)
{
	atomic_store(&threshold, (int)level);
}

void log_use_json(bool json)
{
	atomic_store(&as_json, json);
}

bool log_is_on(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&threshold, memory_order_relaxed);
}

/* ---- the line ---- */

struct line {
	bool json;
	size_t len;
	char text[LINE_MAX_];
};

/* What is left for values: the line can always be ended. */
static size_t room(const struct line *line)
{
	return sizeof(line->text) - line->len - 8;
}

/* All of it, or nothing of it. */
static bool put(struct line *line, const char *bytes, size_t len)
{
	if (len > room(line))
		return false;
	memcpy(line->text + line->len, bytes, len);
	line->len += len;
	return true;
}

static bool put_text(struct line *line, const char *text)
{
	return put(line, text, strlen(text));
}

/* How many bytes the character has that begins here; 0: this is not UTF-8. */
static size_t character(const unsigned char *at)
{
	size_t len = at[0] < 0x80   ? 1
		     : at[0] < 0xc2 ? 0
		     : at[0] < 0xe0 ? 2
		     : at[0] < 0xf0 ? 3
				    : 4;

	if (at[0] > 0xf4 || (at[0] == 0xe0 && at[1] < 0xa0) ||
		(at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf0 && at[1] < 0x90) ||
		(at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	for (size_t n = 1; n < len; n++)
		if ((at[n] & 0xc0) != 0x80)
			return 0;
	return len;
}

/*
 * A value between quotes: a line stays one line, nothing in it ends the quotes, and what is no
 * UTF-8 becomes question marks. Too long ones are cut behind a whole character.
 */
static void put_quoted(struct line *line, const char *value)
{
	const unsigned char *at = (const unsigned char *)value;

	line->text[line->len++] = '"';
	while (*at != '\0') {
		size_t len = character(at);
		bool done;

		if (*at < 0x20 || *at == 0x7f)
			done = put(line, " ", 1);
		else if (len == 0)
			done = put(line, "?", 1);
		else if (*at == '"' || *at == '\\')
			done = room(line) >= 2 && put(line, "\\", 1) &&
			       put(line, (const char *)at, 1);
		else
			done = put(line, (const char *)at, len);
		if (!done)
			break;
		at += MAX(len, (size_t)1);
	}
	line->text[line->len++] = '"';
}

/* Words of a log need no quotes. */
static bool is_plain(const char *value)
{
	for (const char *at = value; *at != '\0'; at++)
		if (*at <= ' ' || *at == '"' || *at == '\\' || *at == '=' || *at >= 0x7f)
			return false;
	return true;
}

/* Without a value it is left out, and where there is no room for its key and a little more. */
static void put_field(
	struct line *line, const char *key, size_t key_len, const char *value, bool bare)
{
	if (value[0] == '\0' || room(line) < key_len + 16)
		return;
	put_text(line, line->json ? ",\"" : " ");
	put(line, key, key_len);
	put_text(line, line->json ? "\":" : "=");
	if (!bare || !put_text(line, value))
		put_quoted(line, value);
}

/* ---- formats ---- */

/* One conversion and its argument, as printf would; `spec` is a whole conversion. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static int convert(char *to, size_t size, const char *spec, unsigned stars, va_list *args)
{
	size_t len = strlen(spec);
	char kind = spec[len - 1], before = spec[len - 2];
	int star[2] = { 0 };

	for (unsigned n = 0; n < stars && n < 2; n++)
		star[n] = va_arg(*args, int);
#define PRINT(type)                                                              \
	(stars == 0 ? snprintf(to, size, spec, va_arg(*args, type))              \
		: stars == 1                                                     \
			? snprintf(to, size, spec, star[0], va_arg(*args, type)) \
			: snprintf(to, size, spec, star[0], star[1], va_arg(*args, type)))
	if (kind == 's')
		return PRINT(const char *);
	if (strchr("fgeFGE", kind) != NULL)
		return PRINT(double);
	if (before == 'l' && len > 2 && spec[len - 3] == 'l')
		return PRINT(long long);
	if (before == 'l' || before == 'z' || before == 'j' || before == 't')
		return PRINT(long);
	if (kind == 'p')
		return PRINT(void *);
	return PRINT(int);
#undef PRINT
}
#pragma GCC diagnostic pop

/* A value being put together from what stands behind a '=' in a format. */
struct value {
	char text[VALUE_MAX_];
	size_t len;
	unsigned pieces;
	bool number; /* nothing but numbers so far */
};

static void add_character(struct value *value, char c)
{
	if (value->len + 1 < sizeof(value->text))
		value->text[value->len++] = c;
	value->number = false;
}

/* The conversion at `at`; answers what stands behind it. */
static const char *add_conversion(struct value *value, const char *at, va_list *args)
{
	size_t spec_len = strcspn(at, "diouxXcsfgeFGEp") + 1;
	size_t left = sizeof(value->text) - value->len;
	unsigned stars = 0;
	char spec[24];
	int made;

	assert(spec_len < sizeof(spec));
	memcpy(spec, at, spec_len);
	spec[spec_len] = '\0';
	for (const char *star = spec; *star != '\0'; star++)
		stars += *star == '*';
	value->number &= strchr("diufgFG", spec[spec_len - 1]) != NULL;
	made = convert(value->text + value->len, left, spec, stars, args);
	value->len += MIN((size_t)MAX(made, 0), left - 1);
	return at + spec_len;
}

/* Up to the next space, or quote if it began with one; answers what stands behind. */
static const char *render(struct value *value, const char *at, va_list *args)
{
	char end = *at == '"' ? '"' : ' ';

	*value = (struct value){ .number = end == ' ' };
	for (at += end == '"'; *at != '\0' && *at != end; value->pieces++) {
		if (*at == '%' && at[1] != '%') {
			at = add_conversion(value, at, args);
			continue;
		}
		at += *at == '%';
		add_character(value, *at++);
	}
	value->text[value->len] = '\0';
	return *at == '"' ? at + 1 : at;
}

static void put_fields(struct line *line, const char *format, va_list *args)
{
	struct value value;

	for (format += strspn(format, " "); *format != '\0'; format += strspn(format, " ")) {
		const char *key = format;
		size_t key_len = strcspn(format, "= ");
		bool quoted, bare;

		assert(key[key_len] == '=');
		quoted = key[key_len + 1] == '"';
		format = render(&value, key + key_len + 1, args);
		bare = value.number && value.pieces == 1;
		put_field(line, key, key_len, value.text,
			bare || (!line->json && !quoted && is_plain(value.text)));
	}
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
	struct line line = { .json = atomic_load_explicit(&as_json, memory_order_relaxed) };
	char when[32];
	va_list args;

	if (!log_is_on(level))
		return;
	clock_format(clock_wall_ms(), when);
	if (line.json)
		line.len = (size_t)snprintf(line.text, sizeof(line.text),
			"{\"at\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", when,
			level_names[level], event);
	else
		line.len = (size_t)snprintf(line.text, sizeof(line.text), "%s %s event=%s",
			when, level_names[level], event);
	va_start(args, format);
	put_fields(&line, format, &args);
	va_end(args);
	memcpy(line.text + line.len, "}\n", 2);
	if (!line.json)
		line.text[line.len] = '\n';
	line.len += line.json ? 2 : 1;
	if (write(STDERR_FILENO, line.text, line.len) < 0)
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
