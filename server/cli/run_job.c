#include "cli/run_job.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json_parse.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/failures.h"

#define UNREAD_MAX    (64u << 20)
#define FAILURE_BYTES 200 /* of a failure besides its input */
#define AGAIN_MS      100

static void look_if_over(struct run_job *run);

/* ---- what is said on standard error ---- */

static void __attribute__((format(printf, 2, 3)))
say(struct run_job *run, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (run->progressing)
		progress_clear(&run->progress);
	fprintf(stderr, "leat run: %s\n", text);
}

static void look_at_counts(void *arg, struct progress_counts *ret)
{
	struct run_job *run = arg;
	const struct job_record *record = job_record(run->job);
	uint64_t read = 0, total = 0;

	ret->done = job_record_finished(record);
	ret->failed = record->failed;
	if (record->input_closed)
		ret->total = record->received;
	if (run->feed != NULL)
		feed_progress(run->feed, &read, &total);
	if (total > 0 && record->received > 0)
		ret->share = (double)read / (double)total * (double)ret->done /
			     (double)record->received;
	else if (ret->total > 0)
		ret->share = (double)ret->done / (double)ret->total;
}

/* ---- giving up ---- */

static void no_reply(void *arg, struct job *job, const struct error *err)
{
	/* What became of it shows in the job's state. */
}

/* The ledger refuses to begin anything while it fails, for want of memory say. */
static void cancel(struct run_job *run);

static void cancel_again(uv_timer_t *timer)
{
	cancel(CONTAINER_OF(timer, struct run_job, again));
}

static void cancel(struct run_job *run)
{
	struct error err;

	if (run->job == NULL || job_is_done(run->job))
		return;
	if (job_cancel(run->job, no_reply, NULL, &err) < 0)
		uv_timer_start(&run->again, cancel_again, AGAIN_MS, 0);
}

/* The first reason decides the exit code. */
static void give_up(struct run_job *run, int code)
{
	if (run->code == EXIT_OK)
		run->code = code;
	if (run->feed != NULL && !run->feed_over)
		feed_stop(run->feed);
	cancel(run);
}

void run_job_interrupt(struct run_job *run, int number)
{
	bool again = run->interrupts++ > 0;

	if (run->told || run->job == NULL)
		return; /* all is over; or on_created() looks */
	give_up(run, EXIT_SIGNAL + number);
	if (!again)
		return;
	if (!run->results_over)
		spout_stop(run->results);
	if (!run->failures_over)
		spout_stop(run->failures);
}

/* ---- a slow reader of our output ---- */

static uint64_t waiting(uint64_t committed, const struct spout *spout)
{
	return committed - MIN(committed, spout_next(spout));
}

/* About how many bytes of results and failures wait to be written: by their mean size. */
static uint64_t unread_bytes(const struct run_job *run)
{
	const struct job_record *record = job_record(run->job);
	double result = (double)record->result_bytes / (double)MAX(record->results, 1ull);
	double failure =
		FAILURE_BYTES + (double)record->bytes / (double)MAX(record->received, 1ull);

	/* Failures that nobody reads any more hold nothing up. */
	if (run->failures_over)
		failure = 0;
	return (uint64_t)(result * (double)waiting(record->results, run->results) +
			  failure * (double)waiting(record->next_failure, run->failures));
}

static void look_at_unread(struct run_job *run);

static void on_paused(void *arg, struct job *job, const struct error *err)
{
	struct run_job *run = arg;

	run->pausing = false;
	run->paused = job != NULL && job_state(job) == JOB_PAUSED;
	look_at_unread(run);
	look_if_over(run);
}

static void look_at_unread(struct run_job *run)
{
	uint64_t unread = unread_bytes(run);
	struct error err;
	int failed = 0;

	if (run->pausing || run->results_over || run->code != EXIT_OK || job_is_done(run->job))
		return;
	if (!run->paused && unread > UNREAD_MAX)
		failed = job_pause(run->job, on_paused, run, &err);
	else if (run->paused && unread < UNREAD_MAX / 2)
		failed = job_resume(run->job, on_paused, run, &err);
	else
		return;
	run->pausing = failed == 0;
}

/* ---- input ---- */

static void on_invalid(void *arg, const char *where, const struct error *err)
{
	struct run_job *run = arg;

	run->invalid++;
	say(run, "%s: %s%s", where, err->text,
		run->input.skip_invalid ? ""
					: " (the input ends here; --skip-invalid goes on)");
}

static void on_fed(void *arg, const struct error *err)
{
	struct run_job *run = arg;

	run->feed_over = true;
	if (err != NULL && run->code == EXIT_OK && !job_is_done(run->job)) {
		say(run, "%s", err->text);
		give_up(run, err->code == ERR_BAD_REQUEST ? EXIT_USAGE : EXIT_FAILED);
	}
	look_if_over(run);
}

/* ---- output ---- */

static int render_failures(void *arg, const struct page *page, struct buf *to)
{
	struct run_job *run = arg;
	const struct definition *definition = job_definition(run->job);
	struct failure_view failure;
	char where[512] = "";

	for (size_t i = 0; i < page->run_count; i++) {
		const struct page_run *at = &page->runs[i];
		const char *stage = "?";
		int failed;

		if (failure_view(page->bytes.data + at->at, at->len, &failure, NULL) < 0)
			continue; /* cannot be: it never left this process's memory */
		if (failure.head.stage < definition->stage_count)
			stage = definition->stages[failure.head.stage].name;
		if (run->feed != NULL)
			feed_where(run->feed, failure.head.item, where, sizeof(where));
		failed = run->failures_json ? failure_to_json(&failure, stage, where, to)
					    : failure_to_text(&failure, stage, where, to);
		if (failed < 0)
			return -1;
	}
	if (run->progressing && !run->failures_json)
		progress_clear(&run->progress);
	return 0;
}

static void on_wrote(void *arg)
{
	look_at_unread(arg);
}

static void on_results_over(void *arg, const struct error *err, int code)
{
	struct run_job *run = arg;

	run->results_over = true;
	if (code == EPIPE) {
		give_up(run, EXIT_SIGNAL + SIGPIPE); /* as every filter does, without a word */
	} else if (err != NULL) {
		say(run, "%s", err->text);
		give_up(run, EXIT_FAILED);
	}
	look_if_over(run);
}

static void on_failures_over(void *arg, const struct error *err, int code)
{
	struct run_job *run = arg;

	run->failures_over = true;
	if (err != NULL && code != EPIPE) {
		say(run, "%s", err->text);
		give_up(run, EXIT_FAILED);
	}
	look_if_over(run);
}

/* ---- the job ---- */

static void on_events(struct job_watch *watch, struct job *job, unsigned events)
{
	struct run_job *run = CONTAINER_OF(watch, struct run_job, watch);

	if (job_is_done(job) && run->feed != NULL && !run->feed_over)
		feed_stop(run->feed);
	if ((events & (JOB_EVENT_RESULTS | JOB_EVENT_STATE)) != 0) {
		if (!run->results_over)
			spout_wake(run->results);
		if (!run->failures_over)
			spout_wake(run->failures);
	}
	look_at_unread(run);
	look_if_over(run);
}

static void say_failed_job(struct run_job *run, const char *problem)
{
	json_auto_t *root = json_parse(problem, strlen(problem), 0, NULL);
	const char *detail = json_string_value(json_object_get(root, "detail"));
	const char *type = json_string_value(json_object_get(root, "type"));
	const char *stage_failed = error_info(ERR_JOB_STAGE)->slug;

	say(run, "the job failed: %s", detail != NULL ? detail : problem);
	if (run->code == EXIT_OK)
		run->code = type != NULL && strstr(type, stage_failed) != NULL ? EXIT_USAGE
									       : EXIT_FAILED;
}

static void write_report(struct run_job *run, const char *report)
{
	if (printf("%s\n", report) < 0 || fflush(stdout) != 0)
		if (run->code == EXIT_OK)
			run->code = EXIT_FAILED;
}

/* The last words: the report on stdout, what went wrong on stderr. */
static void sum_up(struct run_job *run)
{
	const struct job_record *record = job_record(run->job);

	if (record->report != NULL && run->code == EXIT_OK)
		write_report(run, record->report);
	if (record->failed > 0 && run->code == EXIT_OK)
		say(run, "%llu of %llu items failed", (unsigned long long)record->failed,
			(unsigned long long)record->received);
	if (job_state(run->job) == JOB_FAILED)
		say_failed_job(run, record->error != NULL ? record->error
							  : "{\"detail\":\"no reason given\"}");
	if (run->code == EXIT_OK && (record->failed > 0 || run->invalid > 0))
		run->code = EXIT_FAILED;
}

static void look_if_over(struct run_job *run)
{
	if (run->told || run->pausing || !run->created || !job_is_done(run->job) ||
		!run->feed_over || !run->results_over || !run->failures_over)
		return;
	run->told = true;
	uv_close((uv_handle_t *)&run->again, NULL);
	progress_end(&run->progress);
	run->progressing = false;
	sum_up(run);
	run->over(run->arg);
}

/* ---- start ---- */

static int open_spouts(struct run_job *run, struct error *err)
{
	struct spout_config results = { .loop = run->loop,
		.log = LEDGER_RESULTS,
		.fd = STDOUT_FILENO,
		.arg = run,
		.wrote = on_wrote,
		.ended = on_results_over };
	struct spout_config failures = { .loop = run->loop,
		.log = LEDGER_FAILURES,
		.fd = run->failures_fd,
		.arg = run,
		.render = render_failures,
		.wrote = on_wrote,
		.ended = on_failures_over };

	if (spout_open(&results, run->job, &run->results, err) < 0 ||
		spout_open(&failures, run->job, &run->failures, err) < 0)
		return -1;
	return 0;
}

static int start_feed(struct run_job *run, struct error *err)
{
	if (job_definition(run->job)->has_source) {
		run->feed_over = true;
		return 0;
	}
	run->input.arg = run;
	run->input.invalid = on_invalid;
	run->input.ended = on_fed;
	return feed_start(&run->input, run->job, &run->feed, err);
}

/* What could not be opened is over; the job is cancelled and ends by itself. */
static void start_failed(struct run_job *run, const struct error *err)
{
	say(run, "%s", err->text);
	run->feed_over = run->feed_over || run->feed == NULL;
	run->results_over = run->results == NULL;
	run->failures_over = run->failures == NULL;
	give_up(run, EXIT_FAILED);
}

static void on_created(void *arg, struct job *job, const struct error *err)
{
	struct run_job *run = arg;
	struct error why;

	if (err != NULL) {
		say(run, "%s", err->text);
		run->code = err->code == ERR_DEFINITION ? EXIT_USAGE : EXIT_FAILED;
		run->told = true;
		run->over(run->arg);
		return;
	}
	run->job = job_ref(job);
	run->created = true;
	uv_timer_init(run->loop, &run->again);
	progress_start(&run->progress, run->loop, look_at_counts, run);
	run->progressing = true;
	run->watch.fn = on_events;
	job_watch(job, &run->watch);
	if (open_spouts(run, &why) < 0 || start_feed(run, &why) < 0)
		start_failed(run, &why);
	else if (run->interrupts > 0)
		give_up(run, EXIT_SIGNAL + SIGINT);
	on_events(&run->watch, job, JOB_EVENT_RESULTS | JOB_EVENT_STATE);
}

int run_job_start(struct run_job *run, struct definition *definition, struct error *err)
{
	return engine_create(run->engine, definition, true, NULL, "", on_created, run, err);
}

void run_job_done(struct run_job *run)
{
	if (run->created)
		job_unwatch(&run->watch);
	feed_free(run->feed);
	spout_free(run->results);
	spout_free(run->failures);
	if (run->job != NULL)
		job_unref(run->job);
}
