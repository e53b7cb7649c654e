#include "sql/text.h"

#include <stdint.h>
#include <string.h>

void sql_text_name(struct stage_text *text, const char *name)
{
	stage_text_put(text, "\"", 1);
	for (; *name != '\0'; name++)
		stage_text_put(text, *name == '"' ? "\"\"" : name, *name == '"' ? 2 : 1);
	stage_text_put(text, "\"", 1);
}

void sql_text_comma(struct stage_text *text, bool first)
{
	if (!first)
		stage_text_put(text, ", ", 2);
}

/* ---- base64 ---- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *sql_base64_put(char *to, const unsigned char *bytes, size_t len)
{
	for (; len > 0; bytes += 3) {
		size_t take = len < 3 ? len : 3;
		unsigned group = (unsigned)bytes[0] << 16 |
				 (take > 1 ? (unsigned)bytes[1] << 8 : 0) |
				 (take > 2 ? (unsigned)bytes[2] : 0);

		*to++ = digits[group >> 18];
		*to++ = digits[group >> 12 & 63];
		*to++ = take > 1 ? digits[group >> 6 & 63] : '=';
		*to++ = take > 2 ? digits[group & 63] : '=';
		len -= take;
	}
	return to;
}

size_t sql_base64_read(unsigned char *to, const char *text, size_t len)
{
	unsigned char *begin = to;
	unsigned group = 0, bits = 0;
	size_t padding = 0;

	if (len % 4 != 0)
		return (size_t)-1;
	while (padding < 2 && len > 0 && text[len - 1] == '=') {
		len--;
		padding++;
	}
	for (size_t i = 0; i < len; i++) {
		const char *digit = text[i] == '\0' ? NULL : strchr(digits, text[i]);

		if (digit == NULL)
			return (size_t)-1;
		group = (group << 6 | (unsigned)(digit - digits)) & 0xffffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			*to++ = (unsigned char)(group >> bits);
		}
	}
	return (size_t)(to - begin);
}
