/* negotiate: Accept, Content-Type and Origin, as clients really write them. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "http/negotiate.h"

static const char *const offers[] = { "application/x-ndjson", "application/json",
	"text/event-stream", NULL };

static const struct {
	const char *accept;
	int pick;
} accepts[] = {
	{ NULL, 0 },
	{ "", 0 },
	{ "*/*", 0 },
	{ "application/*", 0 },
	{ "application/json", 1 },
	{ "APPLICATION/JSON", 1 },
	{ "text/event-stream", 2 },
	{ "text/*", 2 },
	{ "text/html, application/json;q=0.9, */*;q=0.1", 1 },
	{ "text/html;q=0.2, */*;q=0.1", 0 },
	{ "application/json;q=0.5, application/x-ndjson;q=0.5", 0 },
	{ "application/json;q=0.6,application/x-ndjson;q=0.5", 1 },
	{ "*/*, application/x-ndjson;q=0", 1 },
	{ "application/json; charset=utf-8", 1 },
	{ "application/json;v=\"a,b;q=0\", text/html", 1 },
	{ "application/json ; q = 1", 1 },
	{ "application/json;q=1.000", 1 },
	{ "text/html", -1 },
	{ "application/x-ndjson;q=0", -1 },
	{ "application/x-ndjson;q=2", -1 },
	{ "application/x-ndjson;q=abc", -1 },
	{ "application/xml, image/*", -1 },
	{ "json", -1 },
	{ ",,,", -1 },
};

Test(accept, picks_what_the_client_likes_best)
{
	for (size_t at = 0; at < ARRAY_SIZE(accepts); at++)
		cr_assert_eq(accept_pick(accepts[at].accept, offers), accepts[at].pick,
			"'%s': %d", accepts[at].accept,
			accept_pick(accepts[at].accept, offers));
}

static const struct {
	const char *accept;
	bool gzip;
} codings[] = {
	{ NULL, false },
	{ "", false },
	{ "identity", false },
	{ "gzip", true },
	{ "GZip", true },
	{ "gzip, deflate, br", true },
	{ "br;q=1.0, gzip;q=0.2", true },
	{ "gzip;q=0", false },
	{ "gzip;q=0, *", false },
	{ "*;q=0, gzip", true },
	{ "*", true },
	{ "*;q=0", false },
	{ "gzipped", false },
};

Test(coding, is_used_only_where_it_is_accepted)
{
	for (size_t at = 0; at < ARRAY_SIZE(codings); at++)
		cr_assert_eq(coding_accepted(codings[at].accept, "gzip"), codings[at].gzip,
			"'%s'", codings[at].accept);
}

static const struct {
	const char *list, *tag;
	bool listed;
} tags[] = {
	{ NULL, "\"a\"", false },
	{ "", "\"a\"", false },
	{ "*", "\"a\"", true },
	{ "\"a\"", "\"a\"", true },
	{ "W/\"a\"", "\"a\"", true },
	{ "\"a\"", "W/\"a\"", true },
	{ "\"b\", \"a\"", "\"a\"", true },
	{ "\"b\",W/\"a\" ,\"c\"", "W/\"a\"", true },
	{ "\"b, \"", "\"b\"", false },
	{ "\"x,\"a\"", "\"a\"", false },
	{ "\"1412\"", "W/\"412\"", false },
	{ "a", "\"a\"", false },
};

Test(tag, is_found_in_a_list_by_weak_comparison)
{
	for (size_t at = 0; at < ARRAY_SIZE(tags); at++)
		cr_assert_eq(tag_listed(tags[at].list, tags[at].tag), tags[at].listed,
			"%s in '%s'", tags[at].tag, tags[at].list);
}

static const struct {
	const char *type;
	enum media media;
} types[] = {
	{ NULL, MEDIA_NONE },
	{ "application/json", MEDIA_JSON },
	{ " Application/JSON ", MEDIA_JSON },
	{ "application/json; charset=utf-8", MEDIA_JSON },
	{ "application/json;charset=\"UTF-8\"", MEDIA_JSON },
	{ "application/json; charset=iso-8859-1", MEDIA_OTHER },
	{ "application/x-ndjson", MEDIA_NDJSON },
	{ "application/x-ndjson; charset=us-ascii; x=y", MEDIA_NDJSON },
	{ "application/jsonl", MEDIA_NDJSON },
	{ "application/x-www-form-urlencoded", MEDIA_FORM },
	{ "text/csv", MEDIA_CSV },
	{ "text/csv; header=absent; charset=utf-8", MEDIA_CSV },
	{ "text/csv; charset=windows-1252", MEDIA_OTHER },
	{ "application/json2", MEDIA_OTHER },
	{ "", MEDIA_OTHER },
	{ "nonsense", MEDIA_OTHER },
};

Test(media, knows_the_types_of_bodies)
{
	for (size_t at = 0; at < ARRAY_SIZE(types); at++)
		cr_assert_eq(
			media_parse(types[at].type), types[at].media, "'%s'", types[at].type);
}

Test(origin, is_own_only_for_this_server)
{
	cr_assert(origin_is_own(NULL, NULL, NULL));
	cr_assert(origin_is_own(NULL, "same-origin", "h:1"));
	cr_assert(origin_is_own("http://h:1", NULL, "h:1"));
	cr_assert(origin_is_own("https://H:1", "same-origin", "h:1"));
	cr_assert_not(origin_is_own("http://h:2", NULL, "h:1"));
	cr_assert_not(origin_is_own("http://evil", NULL, "h:1"));
	cr_assert_not(origin_is_own("null", NULL, "h:1"));
	cr_assert_not(origin_is_own("http://h:1", NULL, NULL));
	cr_assert_not(origin_is_own(NULL, "cross-site", "h:1"));
	cr_assert_not(origin_is_own("http://h:1", "Cross-Site", "h:1"));
}
