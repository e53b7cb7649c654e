#include "call/text.h"

#include <stdint.h>
#include <string.h>

#include "stage_write.h"

static bool is_unreserved(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

void text_percent(struct stage_text *text, const char *bytes, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";
	char *to = stage_text_room(text, 3 * len), *begin = to;

	if (to == NULL)
		return;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (is_unreserved(c)) {
			*to++ = (char)c;
			continue;
		}
		*to++ = '%';
		*to++ = hex[c >> 4];
		*to++ = hex[c & 15];
	}
	stage_text_took(text, (size_t)(to - begin));
}

/* Length of the UTF-8 sequence there, 0 where there is none: RFC 3629's table. */
static size_t sequence(const unsigned char *at, size_t left)
{
	unsigned char c = at[0], low = 0x80, high = 0xbf;
	size_t len = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || len > left)
		return 0;
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < len; i++, low = 0x80, high = 0xbf)
		if (at[i] < low || at[i] > high)
			return 0;
	return len;
}

void text_json(struct stage_text *text, const char *bytes, size_t len)
{
	char *to = stage_text_room(text, STAGE_ESCAPED_MAX(len) + 2), *begin = to;

	if (to == NULL)
		return;
	*to++ = '"';
	for (size_t i = 0, step; i < len; i += step) {
		step = sequence((const unsigned char *)bytes + i, len - i);
		if (step > 0) {
			to = stage_put_escaped(to, bytes + i, step);
			continue;
		}
		to = stage_put(to, "\xef\xbf\xbd", 3);
		step = 1;
	}
	*to++ = '"';
	stage_text_took(text, (size_t)(to - begin));
}
