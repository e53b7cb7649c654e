/* query: what may be asked, how it is written, and what is said of the rest. */
#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/mem.h"
#include "http/query.h"

static const struct param params[] = {
	{ "name", PARAM_TEXT },
	{ "follow", PARAM_BOOL },
	{ "limit", PARAM_UINT, .min = 1, .max = 1000 },
	{ "big", PARAM_UINT },
	{ "order", PARAM_CHOICE, .choices = "input|none" },
	{ "after", PARAM_CURSOR },
	{ "label.", PARAM_TEXT },
	{ 0 },
};

static struct query query;
static struct mistakes mistakes;
static struct error err;

static int parse(const char *raw)
{
	query_done(&query);
	mistakes_done(&mistakes);
	mistakes_init(&mistakes);
	err = (struct error){ 0 };
	return query_parse(raw, params, &query, &mistakes, &err);
}

static void tear_down(void)
{
	query_done(&query);
	mistakes_done(&mistakes);
}

TestSuite(query, .fini = tear_down);

Test(query, gives_values_or_what_stands_for_none)
{
	cr_assert_eq(parse(NULL), 0);
	cr_assert_null(query_text(&query, "name"));
	cr_assert_eq(query_uint(&query, "limit", 7), 7);
	cr_assert(query_bool(&query, "follow", true));
	cr_assert_eq(
		parse("name=a%20b+c%2Bd&limit=1000&follow=false&label.x.y=z&&order=none"), 0);
	cr_assert_str_eq(query_text(&query, "name"), "a b c+d");
	cr_assert_eq(query_uint(&query, "limit", 7), 1000);
	cr_assert_not(query_bool(&query, "follow", true));
	cr_assert_str_eq(query_text(&query, "label.x.y"), "z");
	cr_assert_str_eq(query_text(&query, "order"), "none");
	cr_assert_eq(parse("name=&follow=1"), 0);
	cr_assert_str_eq(query_text(&query, "name"), "");
	cr_assert(query_bool(&query, "follow", false));
}

static const struct {
	const char *raw;
	enum error_code code;
	const char *pointer; /* of the first mistake */
} wrong[] = {
	{ "nam=x", ERR_BAD_QUERY, "nam" },
	{ "x=1", ERR_BAD_QUERY, "x" },
	{ "=1", ERR_BAD_QUERY, "" },
	{ "label.=1", ERR_BAD_QUERY, "label." },
	{ "follow=maybe", ERR_BAD_QUERY, "follow" },
	{ "follow", ERR_BAD_QUERY, "follow" },
	{ "limit=0", ERR_BAD_QUERY, "limit" },
	{ "limit=1001", ERR_BAD_QUERY, "limit" },
	{ "limit=-1", ERR_BAD_QUERY, "limit" },
	{ "limit=+1", ERR_BAD_QUERY, "limit" },
	{ "limit=1.0", ERR_BAD_QUERY, "limit" },
	{ "limit=", ERR_BAD_QUERY, "limit" },
	{ "big=99999999999999999999", ERR_BAD_QUERY, "big" },
	{ "order=sorted", ERR_BAD_QUERY, "order" },
	{ "order=input|none", ERR_BAD_QUERY, "order" },
	{ "name=a&name=b", ERR_BAD_QUERY, "name" },
	{ "after=a&after=b", ERR_BAD_QUERY, "after" },
	{ "name=%00", ERR_BAD_QUERY, "name" },
	{ "name=%ff", ERR_BAD_QUERY, "name" },
	{ "name=%", ERR_BAD_REQUEST, NULL },
	{ "name=%1", ERR_BAD_REQUEST, NULL },
	{ "name=%gg", ERR_BAD_REQUEST, NULL },
	{ "%ff=1", ERR_BAD_REQUEST, NULL },
	{ "%00=1", ERR_BAD_REQUEST, NULL },
};

Test(query, refuses_what_is_unknown_or_wrong_and_points_at_it)
{
	for (size_t at = 0; at < ARRAY_SIZE(wrong); at++) {
		cr_assert_eq(parse(wrong[at].raw), -1, "'%s' was taken", wrong[at].raw);
		cr_assert_eq(err.code, wrong[at].code, "'%s': %s", wrong[at].raw, err.text);
		if (wrong[at].pointer != NULL)
			cr_assert_str_eq(mistakes.items[0].pointer, wrong[at].pointer);
	}
}

Test(query, lists_every_mistake_and_suggests_the_nearest_name)
{
	cr_assert_eq(parse("limt=3&follow=x&order=y&name=ok"), -1);
	cr_assert_eq(mistakes.count, 3);
	cr_assert(strstr(mistakes.items[0].detail, "'limit'") != NULL, "%s",
		mistakes.items[0].detail);
}

Test(query, leaves_the_judgement_of_cursors_to_who_made_them)
{
	cr_assert_eq(parse("after=%00%ff x"), 0);
	cr_assert_str_eq(query_text(&query, "after"), "???x");
	cr_assert_eq(parse("after="), 0);
	cr_assert_str_eq(query_text(&query, "after"), "");
}

Test(query, bounds_how_many_there_are)
{
	struct buf raw = BUF_INIT;

	for (int at = 0; at < 1000; at++)
		buf_printf(&raw, "label.%d=x&", at);
	buf_append(&raw, "", 1);
	cr_assert_eq(parse(raw.data), -1);
	cr_assert_eq(err.code, ERR_BAD_REQUEST);
	buf_done(&raw);
}

Test(query, takes_any_dotted_key_where_a_dot_is_allowed)
{
	static const struct param dotted[] = { { "workers.", PARAM_TEXT }, { ".", PARAM_TEXT },
		{ 0 } };

	mistakes_init(&mistakes);
	cr_assert_eq(
		query_parse("sha256.field=a&workers.x=3", dotted, &query, &mistakes, &err), 0);
	cr_assert_str_eq(query_text(&query, "sha256.field"), "a");
	query_done(&query);
	cr_assert_eq(query_parse("plain=a", dotted, &query, &mistakes, &err), -1);
	cr_assert_eq(query_parse(".x=a", dotted, &query, &mistakes, &err), -1);
	cr_assert_eq(query_parse("x.=a", dotted, &query, &mistakes, &err), -1);
}
