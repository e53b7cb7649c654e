/* totals: only what is committed counts, only what is new is carried over, nothing goes down.
 */
#include <criterion/criterion.h>

#include "engine/totals.h"
#include "fixture.h"

static struct fixture fixture, other;
static struct stage_totals rows[1];
static struct totals totals = { .stages = rows, .stage_count = 1 };
static struct job_record record;

static void begin(void)
{
	fixture_init(&fixture, false);
	fixture_init(&other, false);
	rows[0].stage = &fixture.stage;
	fixture.runs[0].totals = other.runs[0].totals = &rows[0];
	pthread_mutex_init(&totals.lock, NULL);
}

static void end(void)
{
	fixture_done(&fixture);
	fixture_done(&other);
}

TestSuite(totals, .init = begin, .fini = end);

Test(totals, a_stage_has_its_row_and_a_stranger_none)
{
	cr_expect_eq(totals_of(&totals, &fixture.stage), &rows[0]);
	cr_expect_null(totals_of(&totals, &other.stage));
}

Test(totals, what_was_carried_over_is_not_carried_over_again)
{
	struct stage_run *run = &fixture.runs[0];

	run->counts = (struct stage_counts){ .in = 5, .out = 3, .filtered = 1, .failed = 1 };
	tally_add(&run->times, &tally_time, 500, 5);
	run->usage.busy_ns = 7;
	totals_take(&totals, &fixture.pipeline);
	totals_take(&totals, &fixture.pipeline);
	cr_expect_eq(rows[0].in, 5);
	cr_expect_eq(rows[0].out, 3);
	cr_expect_eq(rows[0].filtered, 1);
	cr_expect_eq(rows[0].failed, 1);
	cr_expect_eq(tally_total(&rows[0].times), 5);
	cr_expect_float_eq(rows[0].busy_ns, 7, 0);
	run->counts.in += 2;
	run->counts.retries += 4;
	tally_add(&run->times, &tally_time, 100, 2);
	run->usage.busy_ns = 9;
	totals_take(&totals, &fixture.pipeline);
	cr_expect_eq(rows[0].in, 7);
	cr_expect_eq(rows[0].retries, 4);
	cr_expect_eq(tally_total(&rows[0].times), 7);
	cr_expect_eq(rows[0].times.sum, 600);
	cr_expect_float_eq(rows[0].busy_ns, 9, 0);
}

Test(totals, jobs_that_use_a_stage_are_added_up)
{
	fixture.runs[0].counts.in = 10;
	other.runs[0].counts.in = 20;
	totals_take(&totals, &fixture.pipeline);
	totals_take(&totals, &other.pipeline);
	cr_expect_eq(rows[0].in, 30);
}

Test(totals, what_a_job_had_counted_before_the_start_is_not_counted)
{
	fixture.runs[0].counts.in = fixture.runs[0].told.in = 1000;
	totals_take(&totals, &fixture.pipeline);
	cr_expect_eq(rows[0].in, 0);
}

Test(totals, a_stage_that_is_missing_here_is_passed_over)
{
	fixture.runs[0].totals = NULL;
	fixture.runs[0].counts.in = 3;
	totals_take(&totals, &fixture.pipeline);
	cr_expect_eq(rows[0].in, 0);
}

/* The record changes in a transaction. */
static void change(uint64_t received, uint64_t succeeded)
{
	struct item_totals before = totals_before(&record);

	record.received += received;
	record.succeeded += succeeded;
	totals_after(&totals, &before, &record);
}

Test(totals, what_is_not_committed_does_not_count)
{
	change(10, 4);
	change(5, 0);
	cr_expect_eq(totals.items.received, 0);
	totals_commit(&totals);
	cr_expect_eq(totals.items.received, 15);
	cr_expect_eq(totals.items.succeeded, 4);
	change(7, 7);
	totals_abort(&totals);
	change(1, 1);
	totals_commit(&totals);
	cr_expect_eq(totals.items.received, 16);
	cr_expect_eq(totals.items.succeeded, 5);
}

Test(totals, what_a_job_takes_back_stays_counted)
{
	struct item_totals before = totals_before(&record);

	record.failed = 3;
	record.next_failure = 3;
	totals_after(&totals, &before, &record);
	totals_commit(&totals);
	before = totals_before(&record);
	record.failed = 0; /* they run again */
	totals_after(&totals, &before, &record);
	totals_commit(&totals);
	cr_expect_eq(totals.items.failed, 3);
	cr_expect_eq(totals.items.failures, 3);
}
