/* exposition: names, labels and numbers as Prometheus reads them, whatever a name holds. */
#include <criterion/criterion.h>
#include <string.h>

#include "http/exposition.h"

static struct exposition text;

static void end(void)
{
	buf_done(&text.text);
}

TestSuite(exposition, .fini = end);

static void expect(const char *wanted)
{
	cr_assert_not(text.failed);
	buf_append(&text.text, "", 1);
	cr_expect_str_eq(text.text.data, wanted);
}

Test(exposition, a_family_is_said_before_its_samples)
{
	exposition_family(&text, "leat_jobs", "gauge", "Jobs.");
	exposition_count(&text, LABELS({ "state", "running" }), 3);
	exposition_count(&text, LABELS({ "state", "paused" }, { "b", "" }), 0);
	exposition_count(&text, NULL, UINT64_MAX);
	expect("# HELP leat_jobs Jobs.\n# TYPE leat_jobs gauge\n"
	       "leat_jobs{state=\"running\"} 3\n"
	       "leat_jobs{state=\"paused\",b=\"\"} 0\n"
	       "leat_jobs 18446744073709551615\n");
}

Test(exposition, numbers_keep_what_they_hold)
{
	exposition_family(&text, "n", "gauge", "N.");
	exposition_number(&text, NULL, 0.25);
	exposition_number(&text, NULL, 1795363740.123);
	exposition_number(&text, NULL, 1e-9);
	exposition_number(&text, NULL, 0);
	exposition_number(&text, NULL, 0x1p53);
	exposition_number(&text, NULL, -0x1p62);
	exposition_number(&text, NULL, 1e300);
	expect("# HELP n N.\n# TYPE n gauge\nn 0.25\nn 1795363740.123\nn 1e-09\nn 0\n"
	       "n 9007199254740992\nn -4611686018427387904\nn 1e+300\n");
}

Test(exposition, hostile_names_are_escaped)
{
	exposition_family(&text, "n", "gauge", "a \\ and\na \"line\"");
	exposition_count(&text, LABELS({ "stage", "\"} 1\nfake{a=\"\\" }), 1);
	exposition_count(&text, LABELS({ "stage", "grün\t\x01" }), 2);
	expect("# HELP n a \\\\ and\\na \"line\"\n# TYPE n gauge\n"
	       "n{stage=\"\\\"} 1\\nfake{a=\\\"\\\\\"} 1\n"
	       "n{stage=\"grün\t\x01\"} 2\n");
}

Test(exposition, a_histogram_is_cumulative_and_ends_with_everything)
{
	struct tally tally = { 0 };

	tally_add(&tally, &tally_count, 1, 1);
	tally_add(&tally, &tally_count, 20, 2);
	tally_add(&tally, &tally_count, 3000000, 1);
	exposition_family(&text, "ops", "histogram", "Ops.");
	exposition_tally(&text, LABELS({ "a", "b" }), &tally, &tally_count);
	expect("# HELP ops Ops.\n# TYPE ops histogram\n"
	       "ops_bucket{a=\"b\",le=\"1\"} 1\nops_bucket{a=\"b\",le=\"2\"} 1\n"
	       "ops_bucket{a=\"b\",le=\"5\"} 1\nops_bucket{a=\"b\",le=\"10\"} 3\n"
	       "ops_bucket{a=\"b\",le=\"25\"} 3\nops_bucket{a=\"b\",le=\"50\"} 3\n"
	       "ops_bucket{a=\"b\",le=\"100\"} 3\nops_bucket{a=\"b\",le=\"250\"} 3\n"
	       "ops_bucket{a=\"b\",le=\"1000\"} 3\nops_bucket{a=\"b\",le=\"10000\"} 3\n"
	       "ops_bucket{a=\"b\",le=\"100000\"} 3\nops_bucket{a=\"b\",le=\"+Inf\"} 4\n"
	       "ops_sum{a=\"b\"} 3000021\nops_count{a=\"b\"} 4\n");
}

Test(exposition, bounds_are_in_base_units)
{
	struct tally tally = { 0 };

	exposition_family(&text, "t", "histogram", "T.");
	exposition_tally(&text, NULL, &tally, &tally_time);
	buf_append(&text.text, "", 1);
	cr_expect_not_null(strstr(text.text.data, "t_bucket{le=\"1e-06\"} 0\n"));
	cr_expect_not_null(strstr(text.text.data, "t_bucket{le=\"0.0025\"} 0\n"));
	cr_expect_not_null(strstr(text.text.data, "t_bucket{le=\"300\"} 0\n"));
	cr_expect_not_null(strstr(text.text.data, "t_sum 0\nt_count 0\n"));
}
