#include "http/exposition.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void put(struct exposition *to, const char *bytes, size_t len)
{
	if (!to->failed && buf_append(&to->text, bytes, len) < 0)
		to->failed = true;
}

static void put_text(struct exposition *to, const char *text)
{
	put(to, text, strlen(text));
}

/* A newline ends the line and a backslash begins an escape, everywhere; a quote ends a label.
 */
static void put_escaped(struct exposition *to, const char *text, bool quoted)
{
	const char *special = quoted ? "\\\n\"" : "\\\n";

	for (;;) {
		size_t plain = strcspn(text, special);

		put(to, text, plain);
		text += plain;
		if (*text == '\0')
			return;
		put_text(to, *text == '\n' ? "\\n" : *text == '"' ? "\\\"" : "\\\\");
		text++;
	}
}

void exposition_family(
	struct exposition *to, const char *name, const char *type, const char *help)
{
	to->name = name;
	put_text(to, "# HELP ");
	put_text(to, name);
	put_text(to, " ");
	put_escaped(to, help, false);
	put_text(to, "\n# TYPE ");
	put_text(to, name);
	put_text(to, " ");
	put_text(to, type);
	put_text(to, "\n");
}

static void put_label(struct exposition *to, bool first, const char *name, const char *value)
{
	put_text(to, first ? "{" : ",");
	put_text(to, name);
	put_text(to, "=\"");
	put_escaped(to, value, true);
	put_text(to, "\"");
}

/* `le`: a label of its own behind the others, NULL: none. */
static void put_series(
	struct exposition *to, const char *suffix, const struct label *labels, const char *le)
{
	bool first = true;

	put_text(to, to->name);
	put_text(to, suffix);
	for (; labels != NULL && labels->name != NULL; labels++, first = false)
		put_label(to, first, labels->name, labels->value);
	if (le != NULL)
		put_label(to, first, "le", le);
	put_text(to, first && le == NULL ? " " : "} ");
}

static void put_count(struct exposition *to, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 "\n", value);
	put_text(to, text);
}

static void put_number(struct exposition *to, double value)
{
	char text[40];

	/* What is whole is written whole, also where 15 digits are too few. */
	if (fabs(value) < 0x1p63 && value == (double)(int64_t)value)
		snprintf(text, sizeof(text), "%" PRId64 "\n", (int64_t)value);
	else
		snprintf(text, sizeof(text), "%.15g\n", value);
	put_text(to, text);
}

void exposition_count(struct exposition *to, const struct label *labels, uint64_t value)
{
	put_series(to, "", labels, NULL);
	put_count(to, value);
}

void exposition_number(struct exposition *to, const struct label *labels, double value)
{
	put_series(to, "", labels, NULL);
	put_number(to, value);
}

void exposition_tally(struct exposition *to, const struct label *labels,
	const struct tally *tally, const struct tally_scale *scale)
{
	uint64_t below = 0, total = tally_total(tally);
	char le[40];

	for (unsigned at = 0; at < scale->count; at++) {
		below += tally->counts[at];
		snprintf(le, sizeof(le), "%.9g", (double)scale->bounds[at] * scale->unit);
		put_series(to, "_bucket", labels, le);
		put_count(to, below);
	}
	put_series(to, "_bucket", labels, "+Inf");
	put_count(to, total);
	put_series(to, "_sum", labels, NULL);
	put_number(to, (double)tally->sum * scale->unit);
	put_series(to, "_count", labels, NULL);
	put_count(to, total);
}
