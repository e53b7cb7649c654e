#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#undef error_set /* what the analyzer was told of them */
#undef error_no_memory

static const struct error_info table[ERR_COUNT] = { [ERR_NONE] = { 200, "none", "No error" },
#define X(code, status, slug, title) [code] = { status, slug, title },
	ERROR_TABLE(X)
#undef X
};

const struct error_info *error_info(enum error_code code)
{
	assert(code >= 0 && code < ERR_COUNT);
	return &table[code];
}

/* Step back to the start of a UTF-8 sequence that snprintf() has cut in the middle. */
static void trim_utf8(char *text, size_t len)
{
	size_t at = len;

	while (at > 0 && ((unsigned char)text[at - 1] & 0xc0) == 0x80)
		at--;
	if (at > 0 && (unsigned char)text[at - 1] >= 0xc0)
		text[at - 1] = '\0';
}

int error_set(struct error *err, enum error_code code, const char *format, ...)
{
	va_list args;
	int len;

	if (err == NULL)
		return -1;
	va_start(args, format);
	len = vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	if (len >= (int)sizeof(err->text))
		trim_utf8(err->text, sizeof(err->text) - 1);
	err->code = code;
	return -1;
}

int error_no_memory(struct error *err)
{
	return error_set(err, ERR_NO_MEMORY, "not enough memory for this; try again later");
}

bool error_is_shortage(int number)
{
	return number == EMFILE || number == ENFILE || number == EAGAIN || number == ENOMEM ||
	       number == ENOBUFS;
}
