#include "http/negotiate.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

/* A stretch of a header's value. */
struct span {
	const char *at;
	size_t len;
};

static struct span trimmed(const char *from, const char *to)
{
	while (from < to && (*from == ' ' || *from == '\t'))
		from++;
	while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
		to--;
	return (struct span){ from, (size_t)(to - from) };
}

/* What stands before the next `stop` outside quotes; `*at` moves behind it. */
static struct span next_part(const char **at, const char *end, char stop)
{
	const char *from = *at, *to = from;
	bool quoted = false;

	for (; to < end && (quoted || *to != stop); to++) {
		if (*to == '"')
			quoted = !quoted;
		else if (quoted && *to == '\\' && to + 1 < end)
			to++;
	}
	*at = to < end ? to + 1 : end;
	return trimmed(from, to);
}

static bool span_is(struct span span, const char *text)
{
	return span.len == strlen(text) && strncasecmp(span.at, text, span.len) == 0;
}

/* `name=value` → true, and the value without its quotes. */
static bool is_param(struct span part, const char *name, struct span *ret_value)
{
	size_t len = strlen(name);
	struct span value;

	if (part.len <= len || part.at[len] != '=' || strncasecmp(part.at, name, len) != 0)
		return false;
	value = trimmed(part.at + len + 1, part.at + part.len);
	if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
		value = (struct span){ value.at + 1, value.len - 2 };
	*ret_value = value;
	return true;
}

/* ---- Accept ---- */

/* How precisely a range names an offer: 3 exactly, 2 `type/ *`, 1 all, 0 not. */
static int media_precision(struct span range, const char *offer)
{
	size_t type = (size_t)(strchr(offer, '/') - offer) + 1;

	if (span_is(range, offer))
		return 3;
	if (span_is(range, "*/*"))
		return 1;
	if (range.len == type + 1 && range.at[type] == '*' &&
		strncasecmp(range.at, offer, type) == 0)
		return 2;
	return 0;
}

/* 0 to 1; a weight that is none counts as 0. */
static double weight(struct span value)
{
	char text[8] = "", *end;
	double q;

	if (value.len == 0 || value.len >= sizeof(text))
		return 0;
	memcpy(text, value.at, value.len);
	q = strtod(text, &end);
	return *end == '\0' && q >= 0 && q <= 1 ? q : 0;
}

/* The weight of an element `range;q=…`; its range. */
static double element_weight(struct span element, struct span *ret_range)
{
	const char *at = element.at, *end = element.at + element.len;
	struct span part, value;
	double q = 1;

	*ret_range = next_part(&at, end, ';');
	while (at < end) {
		part = next_part(&at, end, ';');
		if (is_param(part, "q", &value))
			q = weight(value);
	}
	return q;
}

/* The weight that the most precise range gives to an offer. */
static double weight_of(
	const char *accept, const char *offer, int (*precision)(struct span, const char *))
{
	const char *at = accept, *end = accept + strlen(accept);
	double best = 0;
	int precise = 0;

	while (at < end) {
		struct span range;
		double q = element_weight(next_part(&at, end, ','), &range);
		int how = precision(range, offer);

		if (how > precise || (how == precise && how > 0 && q > best)) {
			precise = how;
			best = q;
		}
	}
	return best;
}

int accept_pick(const char *accept, const char *const *offers)
{
	double best = 0, q;
	int pick = -1;

	if (accept == NULL || accept[strspn(accept, " \t")] == '\0')
		return 0;
	for (int at = 0; offers[at] != NULL; at++) {
		q = weight_of(accept, offers[at], media_precision);
		if (q > best) {
			best = q;
			pick = at;
		}
	}
	return pick;
}

/* ---- Accept-Encoding, If-None-Match ---- */

static int coding_precision(struct span range, const char *coding)
{
	return span_is(range, coding) ? 2 : span_is(range, "*") ? 1 : 0;
}

bool coding_accepted(const char *accept_encoding, const char *coding)
{
	return accept_encoding != NULL &&
	       weight_of(accept_encoding, coding, coding_precision) > 0;
}

static struct span opaque_part(struct span tag)
{
	if (tag.len >= 2 && tag.at[0] == 'W' && tag.at[1] == '/')
		return (struct span){ tag.at + 2, tag.len - 2 };
	return tag;
}

bool tag_listed(const char *list, const char *tag)
{
	struct span ours = opaque_part((struct span){ tag, strlen(tag) }), theirs;
	const char *at = list, *end;

	if (list == NULL)
		return false;
	end = list + strlen(list);
	while (at < end) {
		theirs = opaque_part(next_part(&at, end, ','));
		if (span_is(theirs, "*") ||
			(theirs.len == ours.len && memcmp(theirs.at, ours.at, ours.len) == 0))
			return true;
	}
	return false;
}

/* ---- Content-Type ---- */

static const struct {
	const char *name;
	enum media media;
} kinds[] = {
	{ "application/x-ndjson", MEDIA_NDJSON },
	{ "application/ndjson", MEDIA_NDJSON },
	{ "application/jsonl", MEDIA_NDJSON },
	{ "application/jsonlines", MEDIA_NDJSON },
	{ "application/json", MEDIA_JSON },
	{ "application/x-www-form-urlencoded", MEDIA_FORM },
	{ "text/csv", MEDIA_CSV },
};

enum media media_parse(const char *content_type)
{
	enum media media = MEDIA_OTHER;
	const char *at = content_type, *end;
	struct span part, value;

	if (content_type == NULL)
		return MEDIA_NONE;
	end = content_type + strlen(content_type);
	part = next_part(&at, end, ';');
	for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++)
		if (span_is(part, kinds[kind].name))
			media = kinds[kind].media;
	while (at < end) {
		part = next_part(&at, end, ';');
		if (is_param(part, "charset", &value) && !span_is(value, "utf-8") &&
			!span_is(value, "utf8") && !span_is(value, "us-ascii"))
			return MEDIA_OTHER;
	}
	return media;
}

bool media_has_param(const char *header, const char *type, const char *name, const char *value)
{
	const char *at = header, *end = header == NULL ? NULL : header + strlen(header);
	struct span element, found;
	const char *in;

	while (at < end) {
		element = next_part(&at, end, ',');
		in = element.at;
		if (!span_is(next_part(&in, element.at + element.len, ';'), type))
			continue;
		while (in < element.at + element.len)
			if (is_param(next_part(&in, element.at + element.len, ';'), name,
				    &found) &&
				span_is(found, value))
				return true;
	}
	return false;
}

/* ---- Origin ---- */

bool origin_is_own(const char *origin, const char *site, const char *host)
{
	const char *authority;

	if (site != NULL && strcasecmp(site, "cross-site") == 0)
		return false;
	if (origin == NULL)
		return true;
	authority = strstr(origin, "://");
	return authority != NULL && host != NULL && strcasecmp(authority + 3, host) == 0;
}
