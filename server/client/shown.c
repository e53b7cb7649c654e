#include "client/shown.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "base/mem.h"
#include "job/text.h"

#define MINUTE_S 60u
#define HOUR_S   3600u
#define DAY_S    86400u

/* ---- characters ---- */

/* The character that stands there; `len` is text_char_len() of it. */
static uint32_t decode(const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text;
	uint32_t value = len == 1 ? at[0] : at[0] & (0x7fu >> len);

	for (size_t i = 1; i < len; i++)
		value = value << 6 | (at[i] & 0x3fu);
	return value;
}

/* Those that control a terminal, turn the direction round, or cannot be seen at all. */
static bool is_harmful(uint32_t value)
{
	return value < 0x20 || (value >= 0x7f && value < 0xa0) || value == 0xad ||
	       value == 0x61c || (value >= 0x200b && value <= 0x200f) ||
	       (value >= 0x2028 && value <= 0x202e) || (value >= 0x2060 && value <= 0x206f) ||
	       value == 0xfeff || (value >= 0xfff9 && value <= 0xfffb) ||
	       (value >= 0xe0000 && value <= 0xe0fff);
}

/* One character in its harmless form. Returns its bytes; `ret` gets at most 12 and a NUL. */
#define HARMLESS_SIZE 16
static size_t harmless(const char *text, size_t left, char ret[static HARMLESS_SIZE])
{
	size_t len = text_char_len(text, left);
	uint32_t value = len > 0 ? decode(text, len) : (unsigned char)*text;

	if (len > 0 && !is_harmful(value)) {
		memcpy(ret, text, len);
		ret[len] = '\0';
	} else if (len == 0 || value < 0x100) {
		snprintf(ret, HARMLESS_SIZE, "\\x%02x", value);
	} else {
		snprintf(ret, HARMLESS_SIZE, "\\u{%x}", value);
	}
	return MAX(len, (size_t)1);
}

static unsigned columns_of(const char *shown)
{
	size_t left = strlen(shown), step;
	unsigned columns = 0;
	int width;

	for (; left > 0; shown += step, left -= step) {
		step = text_char_len(shown, left);
		width = step > 1 ? wcwidth((wchar_t)decode(shown, step)) : 1;
		columns += width >= 0 ? (unsigned)width : 1;
		step = MAX(step, (size_t)1);
	}
	return columns;
}

unsigned shown_columns(const char *text)
{
	return columns_of(text);
}

int shown_text(const char *text, struct buf *to)
{
	size_t left = strlen(text), step;
	char shown[HARMLESS_SIZE];

	for (; left > 0; text += step, left -= step) {
		step = harmless(text, left, shown);
		if (buf_append_str(to, shown) < 0)
			return -1;
	}
	return 0;
}

/* As much of it as stands in `columns`; answers how many those are, -1 without memory. */
static int append_cut(const char *text, unsigned columns, struct buf *to)
{
	size_t left = strlen(text), step;
	char shown[HARMLESS_SIZE];
	unsigned used = 0;

	for (; left > 0; text += step, left -= step) {
		unsigned width;

		step = harmless(text, left, shown);
		width = columns_of(shown);
		if (used + width > columns)
			break;
		used += width;
		if (buf_append_str(to, shown) < 0)
			return -1;
	}
	return (int)used;
}

static int append_blanks(unsigned count, struct buf *to)
{
	return buf_printf(to, "%*s", (int)count, "");
}

int shown_cell(const char *text, unsigned columns, struct buf *to)
{
	struct buf whole = BUF_INIT;
	bool fits;
	int used = -1;

	if (shown_text(text, &whole) < 0 || buf_append(&whole, "", 1) < 0) {
		buf_done(&whole);
		return -1;
	}
	fits = columns_of(whole.data) <= columns;
	buf_done(&whole);
	if (columns == 0)
		return 0;
	used = append_cut(text, fits ? columns : columns - 1, to);
	if (used < 0 || (!fits && buf_append_str(to, "…") < 0))
		return -1;
	return append_blanks(columns - (unsigned)used - (fits ? 0 : 1), to);
}

/* ---- JSON ---- */

static int append_escaped(uint32_t value, struct buf *to)
{
	if (value < 0x10000)
		return buf_printf(to, "\\u%04x", value);
	value -= 0x10000;
	return buf_printf(
		to, "\\u%04x\\u%04x", 0xd800 + (value >> 10), 0xdc00 + (value & 0x3ff));
}

/* Outside of strings JSON has nothing but ASCII and white space. */
int shown_json(const char *json, size_t len, struct buf *to)
{
	const char *plain = json, *end = json + len;

	while (json < end) {
		size_t step = text_char_len(json, (size_t)(end - json));
		uint32_t value = step > 0 ? decode(json, step) : '?';
		bool harmful = step == 0 || (value > ' ' && is_harmful(value)) ||
			       (value < ' ' && value != '\t' && value != '\n');

		step = MAX(step, (size_t)1);
		json += step;
		if (!harmful)
			continue;
		if (buf_append(to, plain, (size_t)(json - step - plain)) < 0 ||
			append_escaped(value, to) < 0)
			return -1;
		plain = json;
	}
	return buf_append(to, plain, (size_t)(end - plain));
}

/* ---- numbers ---- */

void shown_count(uint64_t value, char ret[static SHOWN_SIZE])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			*ret++ = ',';
		*ret++ = digits[i];
	}
	*ret = '\0';
}

void shown_duration(double seconds, char ret[static SHOWN_SIZE])
{
	unsigned long long whole = (unsigned long long)(MIN(MAX(seconds, 0.0), 1e15) + 0.5);

	if (seconds < 9.95)
		snprintf(ret, SHOWN_SIZE, "%.1f s", MAX(seconds, 0.0));
	else if (whole < MINUTE_S)
		snprintf(ret, SHOWN_SIZE, "%llu s", whole);
	else if (whole < HOUR_S)
		snprintf(ret, SHOWN_SIZE, "%llu min %02llu s", whole / MINUTE_S,
			whole % MINUTE_S);
	else if (whole < DAY_S)
		snprintf(ret, SHOWN_SIZE, "%llu h %02llu min", whole / HOUR_S,
			whole / MINUTE_S % 60);
	else
		snprintf(ret, SHOWN_SIZE, "%llu d %llu h", whole / DAY_S, whole / HOUR_S % 24);
}

void shown_bytes(uint64_t value, char ret[static SHOWN_SIZE])
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double amount = (double)value;
	size_t unit = 0;

	if (value < 1024) {
		snprintf(ret, SHOWN_SIZE, "%u B", (unsigned)value);
		return;
	}
	for (amount /= 1024; amount >= 1023.95 && unit + 1 < ARRAY_SIZE(units); unit++)
		amount /= 1024;
	snprintf(ret, SHOWN_SIZE, "%.1f %s", amount, units[unit]);
}

void shown_rate(double value, char ret[static SHOWN_SIZE])
{
	if (value >= 100)
		shown_count((uint64_t)(MIN(value, 1e18) + 0.5), ret);
	else
		snprintf(ret, SHOWN_SIZE, value >= 10 || value == 0 ? "%.0f" : "%.2g",
			MAX(value, 0.0));
}
