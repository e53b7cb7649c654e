/* Jobs as text, also those that say nothing. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "client/view.h"

static const char job_text[] =
	"{'id':'j_1','name':'orders','state':'running','done':false,'version':4,"
	"'input':{'state':'closed','received':1000},"
	"'counts':{'total':1000,'succeeded':400,'filtered':50,'failed':50,'pending':500},"
	"'rate':{'items_per_s':1234.5},'eta_s':75,'progress':0.5,'bottleneck':'b',"
	"'stages':[{'name':'a','workers':2,'busy':1,'out':7,'time':{'busy':0.5},"
	"'queue':{'items':512,'max_items':1024},'latency_us':{'p50':0.5,'p99':2500}},{'name':'b'}]}";

static json_t *read_job(const char *text)
{
	char copy[2048];
	json_t *job;

	strcpy(copy, text);
	for (char *at = copy; *at != '\0'; at++)
		if (*at == '\'')
			*at = '"';
	job = json_loads(copy, 0, NULL);
	cr_assert(job != NULL);
	return job;
}

static char *draw(const json_t *job, unsigned columns)
{
	const struct view_style style = { .columns = columns };
	struct page page;
	char *text;

	page_init(&page, columns, false);
	view_job(&page, job, &style);
	cr_assert(page.failed == false);
	cr_assert(buf_append(&page.text, "", 1) == 0);
	text = strdup(page.text.data);
	page_done(&page);
	return text;
}

Test(view, a_page_says_all_of_a_job)
{
	static const char *const said[] = { "orders  j_1  running", "[##########..........]",
		"50.0 %", "500 of 1,000", "1,235/s", "1 min 15 s left", "400 succeeded",
		"50 filtered", "50 failed", "500 waiting", "1/2", "#####.....", "<1 µs",
		"2.5 ms", "> b", "bottleneck b" };
	json_t *job = read_job(job_text);
	char *text = draw(job, 120);

	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		cr_assert(strstr(text, said[i]) != NULL, "'%s' is not in:\n%s", said[i], text);
	free(text);
	json_decref(job);
}

Test(view, no_line_is_wider_than_the_screen)
{
	json_t *job = read_job(job_text);

	for (unsigned columns = 1; columns < 130; columns += 7) {
		char *text = draw(job, columns), *rest = text;

		for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
			size_t wide = 0;

			for (char *at = line; *at != '\0'; at++)
				wide += (*at & 0xc0) != 0x80;
			cr_assert(wide <= columns, "%u columns: '%s'", columns, line);
		}
		free(text);
	}
	json_decref(job);
}

Test(view, what_is_not_there_is_nothing)
{
	static const char *const jobs[] = { "{}", "{'counts':7,'stages':[3,null,{}]}",
		"{'stages':{'a':1},'labels':[1],'name':3,'progress':'x','error':'y'}" };

	for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
		json_t *job = read_job(jobs[i]);
		char *text = draw(job, 80);

		cr_assert(strstr(text, "STAGE") != NULL);
		free(text);
		json_decref(job);
	}
}

Test(view, times_are_read)
{
	cr_assert(eq(u64, view_time_ms("1970-01-01T00:00:01.250Z"), 1250));
	cr_assert(eq(u64, view_time_ms("2026-11-22T16:09:00.123Z"), 1795363740123));
	cr_assert(eq(u64, view_time_ms("yesterday"), 0));
	cr_assert(eq(u64, view_time_ms(""), 0));
}
