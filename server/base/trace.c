#include "base/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SAMPLED 0x01
#define RANDOM  0x02 /* level 2: the id was made by chance */

#define LEN_00 (TRACE_TEXT_SIZE - 1)

/* Exactly `len` hexadecimal digits in small letters, then `end`. */
static bool parse_hex(const char *text, unsigned len, char end, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned at = 0; at < len; at++) {
		const char *digits = "0123456789abcdef";
		const char *digit = text[at] == '\0' ? NULL : strchr(digits, text[at]);

		if (digit == NULL)
			return false;
		value = value << 4 | (uint64_t)(digit - digits);
	}
	*ret = value;
	return text[len] == end || end == '*';
}

bool trace_parse(const char *text, struct trace *ret)
{
	size_t len = strlen(text);
	struct trace trace;
	uint64_t version;

	if (len < LEN_00 || !parse_hex(text, 2, '-', &version) || version == 0xff ||
		!parse_hex(text + 3, 16, '*', &trace.id_high) ||
		!parse_hex(text + 19, 16, '-', &trace.id_low) ||
		!parse_hex(text + 36, 16, '-', &trace.parent) ||
		!parse_hex(text + 53, 2, '*', &trace.flags))
		return false;
	if (len > LEN_00 && (version == 0 || text[LEN_00] != '-'))
		return false;
	if (!trace_is_set(&trace) || trace.parent == 0)
		return false;
	trace.flags &= SAMPLED | RANDOM; /* the others mean nothing in version 00 */
	*ret = trace;
	return true;
}

void trace_format(const struct trace *trace, char ret_text[static TRACE_TEXT_SIZE])
{
	ret_text[0] = '\0';
	if (trace_is_set(trace))
		snprintf(ret_text, TRACE_TEXT_SIZE,
			"00-%016" PRIx64 "%016" PRIx64 "-%016" PRIx64 "-%02x", trace->id_high,
			trace->id_low, trace->parent, (unsigned)(trace->flags & 0xff));
}

void trace_id_format(const struct trace *trace, char ret_text[static TRACE_ID_SIZE])
{
	ret_text[0] = '\0';
	if (trace_is_set(trace))
		snprintf(ret_text, TRACE_ID_SIZE, "%016" PRIx64 "%016" PRIx64, trace->id_high,
			trace->id_low);
}
