#include "cli/units.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

struct suffix {
	const char *name;
	uint64_t factor;
};

/* Smallest first; of equal factors the one that is shown stands last. */
static const struct suffix byte_suffixes[] = {
	{ "b", 1 },
	{ "", 1 },
	{ "k", 1ull << 10 },
	{ "KiB", 1ull << 10 },
	{ "M", 1ull << 20 },
	{ "MiB", 1ull << 20 },
	{ "G", 1ull << 30 },
	{ "GiB", 1ull << 30 },
	{ "T", 1ull << 40 },
	{ "TiB", 1ull << 40 },
	{ NULL, 0 },
};

static const struct suffix time_suffixes[] = {
	{ "", 1 },
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", 60 * 1000 },
	{ "min", 60 * 1000 },
	{ "h", 60 * 60 * 1000 },
	{ "d", 24 * 60 * 60 * 1000 },
	{ NULL, 0 },
};

static const struct suffix count_suffixes[] = { { "", 1 }, { NULL, 0 } };

static const struct {
	const struct suffix *suffixes;
	const char *what;
} units[] = {
	[UNIT_COUNT] = { count_suffixes, "a whole number such as 8" },
	[UNIT_BYTES] = { byte_suffixes, "a size such as 65536, 64k, 16MiB or 2G" },
	[UNIT_MS] = { time_suffixes, "a time such as 250, 250ms, 10s, 5m, 2h or 7d" },
};

static const struct suffix *find_suffix(enum unit unit, const char *name)
{
	for (const struct suffix *suffix = units[unit].suffixes; suffix->name != NULL; suffix++)
		if (strcasecmp(suffix->name, name) == 0)
			return suffix;
	return NULL;
}

int unit_parse(enum unit unit, const char *text, uint64_t *ret, struct error *err)
{
	const struct suffix *suffix = NULL;
	unsigned long long whole = 0;
	const char *at = text;
	double fraction = 0, digit = 0.1;
	bool fits = true;

	for (; isdigit((unsigned char)*at); at++)
		fits = fits && !__builtin_mul_overflow(whole, 10ull, &whole) &&
		       !__builtin_add_overflow(whole, (unsigned long long)(*at - '0'), &whole);
	if (at > text && *at == '.')
		for (at++; isdigit((unsigned char)*at); at++, digit /= 10)
			fraction += digit * (*at - '0');
	if (at > text) {
		while (*at == ' ')
			at++;
		suffix = find_suffix(unit, at);
	}
	if (suffix == NULL || (fraction > 0 && suffix->factor == 1))
		return error_set(
			err, ERR_BAD_REQUEST, "'%.60s' is not %s", text, units[unit].what);
	if (!fits || __builtin_mul_overflow(whole, suffix->factor, &whole) || whole > INT64_MAX)
		return error_set(err, ERR_BAD_REQUEST, "'%.60s' is too large a number", text);
	*ret = whole + (uint64_t)llround(fraction * (double)suffix->factor);
	return 0;
}

void unit_format(enum unit unit, uint64_t value, char ret_text[static UNIT_TEXT_SIZE])
{
	const char *name = "";
	uint64_t factor = 1;

	for (const struct suffix *suffix = units[unit].suffixes; suffix->name != NULL;
		suffix++) {
		if (value % suffix->factor == 0 && (value > 0 || suffix->factor == 1)) {
			name = suffix->name;
			factor = suffix->factor;
		}
	}
	snprintf(ret_text, UNIT_TEXT_SIZE, "%llu%s%s", (unsigned long long)(value / factor),
		*name != '\0' ? " " : "", name);
}
