/*
 * fuzz_headers: whatever a client sends in a header, it is read within its bounds, and what we
 * make of it fits together.
 *
 * The input is a value, up to a NUL as libmicrohttpd gives it; each parser gets it.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/trace.h"
#include "fuzz.h"
#include "http/negotiate.h"

static void must(int truth)
{
	if (!truth)
		abort();
}

/* What is picked of several is picked alone, and where none is none is alone. */
static void check_accept(const char *value)
{
	static const char *const offers[] = { "application/x-ndjson", "application/json",
		"text/csv", "text/event-stream", NULL };
	int pick = accept_pick(value, offers);

	must(pick >= -1 && pick < 4);
	if (value[strspn(value, " \t")] == '\0')
		must(pick == 0);
	for (int at = 0; offers[at] != NULL; at++) {
		const char *const alone[] = { offers[at], NULL };
		int found = accept_pick(value, alone);

		must(found == 0 || found == -1);
		if (pick == at || pick == -1)
			must(found == (pick == -1 ? -1 : 0));
	}
}

/* A coding's name is the same in capitals. */
static void check_coding(const char *value)
{
	must(coding_accepted(value, "gzip") == coding_accepted(value, "GZIP"));
	must(!coding_accepted(NULL, "gzip"));
}

static bool is_plain(const char *value)
{
	for (; *value != '\0'; value++)
		if (!isgraph((unsigned char)*value) || strchr("\"\\,", *value) != NULL)
			return false;
	return true;
}

/* A tag is in a list of itself, weak or not, and not in one of others. */
static void check_tag(const char *value)
{
	_auto_free_ char *tag = mem_alloc(strlen(value) + 3);
	_auto_free_ char *list = mem_alloc(strlen(value) + 32);

	must(tag != NULL && list != NULL);
	tag_listed(value, "\"0f3a\"");
	if (is_plain(value)) {
		sprintf(tag, "\"%s\"", value);
		sprintf(list, "\"other\", W/%s", tag);
		must(tag_listed(list, tag));
		must(!tag_listed("\"-\"", tag) || strcmp(tag, "\"-\"") == 0);
	}
}

static void check_media(const char *value)
{
	enum media media = media_parse(value);

	must(media > MEDIA_NONE && media <= MEDIA_OTHER);
	if (media != MEDIA_OTHER)
		must(strchr(value, '/') != NULL);
	if (media_has_param(value, "text/csv", "header", "absent"))
		must(strcasestr(value, "text/csv") != NULL &&
			strcasestr(value, "absent") != NULL);
	if (origin_is_own(value, NULL, "localhost:8080"))
		must(strcasestr(value, "://localhost:8080") != NULL);
}

/* What is taken is handed on, and is taken there as the same. */
static void check_trace(const char *value)
{
	struct trace trace = { 0 }, again = { 0 };
	char text[TRACE_TEXT_SIZE], id[TRACE_ID_SIZE];

	if (!trace_parse(value, &trace)) {
		must(!trace_is_set(&trace));
		return;
	}
	must(trace_is_set(&trace));
	trace_format(&trace, text);
	must(trace_parse(text, &again));
	must(memcmp(&trace, &again, sizeof(trace)) == 0);
	trace_id_format(&trace, id);
	must(strncmp(value + 3, id, TRACE_ID_SIZE - 1) == 0);
	/* But for the flags: those that mean nothing are not handed on (3.2.2.5). */
	if (strncmp(value, "00-", 3) == 0)
		must(strlen(value) == strlen(text) &&
			strncmp(value, text, strlen(text) - 2) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_auto_free_ char *value = mem_strndup((const char *)data, size);

	must(value != NULL);
	check_accept(value);
	check_coding(value);
	check_tag(value);
	check_media(value);
	check_trace(value);
	return 0;
}
