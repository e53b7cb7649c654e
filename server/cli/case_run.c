#include "cli/case_run.h"

#include <string.h>

#include "base/json_text.h"
#include "base/mem.h"
#include "engine/reader.h"
#include "engine/upload.h"

#define PAGE_BYTES (1u << 20)

struct case_run {
	const struct case_rig *rig;
	const struct stage_case *one;
	struct job *job;
	bool answered, refused; /* the reply that is waited for; what it was */
	struct error why;
	struct buf results, failures; /* as elements of an array */
};

/* ---- waiting ---- */

static int wait_for_answer(struct case_run *run, struct error *err)
{
	while (!run->answered)
		uv_run(run->rig->loop, UV_RUN_ONCE);
	run->answered = false;
	if (!run->refused)
		return 0;
	run->refused = false;
	*err = run->why;
	return -1;
}

static void answer(struct case_run *run, const struct error *err)
{
	run->answered = true;
	run->refused = err != NULL;
	if (err != NULL)
		run->why = *err;
}

static void on_job(void *arg, struct job *job, const struct error *err)
{
	struct case_run *run = arg;

	if (job != NULL && run->job == NULL)
		run->job = job_ref(job);
	answer(run, err);
}

/* ---- the job ---- */

static json_t *definition_json(const struct case_run *run)
{
	return json_pack("{s:s, s:[{s:s, s:O, s:{s:i, s:i, s:i}}]}", "order", "input", "stages",
		"use", run->rig->stage->name, "params", run->one->params, "retry", "attempts",
		run->one->attempts, "backoff_ms", 1, "max_backoff_ms", 1);
}

/* As the stage's author thinks of them: without the job around them. */
static const char *without_job(const char *text)
{
	static const char *const prefixes[] = { "/stages/0/params/", "/stages/0/" };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
			return text + strlen(prefixes[i]) - 1;
	return text;
}

static int make_definition(
	const struct case_run *run, struct definition **ret, struct error *err)
{
	json_auto_t *root = definition_json(run);
	struct mistakes mistakes;
	int result;

	if (root == NULL)
		return error_no_memory(err);
	mistakes_init(&mistakes);
	result = definition_parse(root, registry_catalog(run->rig->registry), run->rig->rules,
		&mistakes, ret, err);
	if (result < 0 && err->code == ERR_DEFINITION && mistakes.count > 0)
		error_set(err, ERR_DEFINITION, "/params%s: %s",
			without_job(mistakes.items[0].pointer), mistakes.items[0].detail);
	mistakes_done(&mistakes);
	return result;
}

static int check(struct case_run *run, struct error *err)
{
	struct definition *definition = NULL;

	if (make_definition(run, &definition, err) < 0 ||
		engine_check(run->rig->engine, definition, on_job, run, err) < 0)
		return -1;
	return wait_for_answer(run, err);
}

static int create(struct case_run *run, struct error *err)
{
	struct definition *definition = NULL;

	if (make_definition(run, &definition, err) < 0 ||
		engine_create(run->rig->engine, definition, true, NULL, "", on_job, run, err) <
			0)
		return -1;
	return wait_for_answer(run, err);
}

/* ---- items in ---- */

static void on_room(void *arg)
{
	/* The loop has turned: that is all that is waited for. */
}

static void on_flushed(void *arg, const struct error *err)
{
	answer(arg, err);
}

static int send_items(struct case_run *run, struct upload *upload, struct error *err)
{
	struct stage_slice item;
	struct stage_walk walk;

	if (stage_walk_open(&walk, run->one->in, '['))
		while (stage_walk_element(&walk, &item)) {
			while (!upload_has_room(upload))
				uv_run(run->rig->loop, UV_RUN_ONCE);
			if (upload_line(upload, item.at, item.len, 1, err) < 0)
				return -1;
		}
	if (upload_flush_and_close_input(upload, err) < 0)
		return -1;
	return wait_for_answer(run, err);
}

static int feed(struct case_run *run, struct error *err)
{
	struct upload_events events = {
		.arg = run, .room = on_room, .broken = on_flushed, .flushed = on_flushed
	};
	struct upload *upload;
	int result;

	if (run->rig->stage->kind == STAGE_SOURCE)
		return 0;
	if (upload_open(run->job, NULL, 0, &events, &upload, err) < 0)
		return -1;
	result = send_items(run, upload, err);
	upload_close(upload);
	return result;
}

/* ---- what came of it ---- */

static int add_result(struct case_run *run, const struct page_line *line)
{
	return case_list_add(&run->results, line->text, line->len);
}

static int add_failure(struct case_run *run, const struct page_line *line)
{
	struct failure_view failure;
	json_auto_t *row = NULL;
	_auto_free_ char *text = NULL;

	if (failure_view(line->text, line->len, &failure, NULL) < 0)
		return -1;
	row = json_pack("{s:I, s:s, s:s%}", "item", (json_int_t)failure.head.item, "kind",
		failure_kind_name(failure.head.kind), "error", failure.error,
		(size_t)failure.head.error_len);
	text = json_text(row, JSON_COMPACT);
	return text == NULL ? -1 : case_list_add(&run->failures, text, strlen(text));
}

struct reading {
	struct case_run *run;
	int (*add)(struct case_run *run, const struct page_line *line);
};

static void on_page(void *arg, const struct page *page, const struct error *err)
{
	const struct reading *reading = arg;
	struct error no_memory;
	struct page_line line;
	size_t at = 0, offset = 0;
	uint32_t index = 0;

	while (err == NULL && page_next_line(page, &at, &index, &offset, &line))
		if (reading->add(reading->run, &line) < 0) {
			error_no_memory(&no_memory);
			err = &no_memory;
		}
	answer(reading->run, err);
}

static int read_log(struct case_run *run, enum ledger_log log,
	int (*take)(struct case_run *run, const struct page_line *line), struct error *err)
{
	struct reading reading = { run, take };
	struct reader *reader;
	int result = 0;

	if (reader_open(run->job, log, 0, &reader, err) < 0)
		return -1;
	while (result == 0 && !reader_at_end(reader)) {
		result = reader_fetch(reader, UINT64_MAX, PAGE_BYTES, on_page, &reading, err);
		if (result == 0)
			result = wait_for_answer(run, err);
	}
	reader_close(reader);
	return result;
}

/* ---- as wanted? ---- */

static int compare_report(const struct case_run *run, struct error *err)
{
	const char *report = job_record(run->job)->report;
	struct stage_slice wanted = run->one->report;

	if (wanted.at == NULL && report == NULL)
		return 0;
	if (report != NULL && wanted.at != NULL && strlen(report) == wanted.len &&
		memcmp(report, wanted.at, wanted.len) == 0)
		return 0;
	return error_set(err, ERR_INTERNAL, "report: wanted %.*s, got %s", (int)wanted.len,
		wanted.at != NULL ? wanted.at : "none", report != NULL ? report : "none");
}

static int compare_all(struct case_run *run, struct error *err)
{
	const char *error = job_record(run->job)->error;

	if (job_state(run->job) != JOB_SUCCEEDED)
		return error_set(err, ERR_INTERNAL, "the job %s: %s",
			job_state_name(job_state(run->job)), error != NULL ? error : "?");
	if (read_log(run, LEDGER_RESULTS, add_result, err) < 0 ||
		read_log(run, LEDGER_FAILURES, add_failure, err) < 0 ||
		case_compare("out", run->one->out, &run->results, err) < 0 ||
		case_compare("failures", run->one->failures, &run->failures, err) < 0)
		return -1;
	return compare_report(run, err);
}

/* ---- a case ---- */

static int run_through(struct case_run *run, struct error *err)
{
	if (create(run, err) < 0 || feed(run, err) < 0)
		return -1;
	while (!job_is_done(run->job) ||
		job_record(run->job)->state != (unsigned)job_state(run->job))
		uv_run(run->rig->loop, UV_RUN_ONCE);
	return compare_all(run, err);
}

/* The reason as the table of parameters words it, or as the stage's `open` does. */
static int run_refused(struct case_run *run, struct error *err)
{
	const char *wanted = json_string_value(run->one->refused);
	struct error why;

	if (check(run, &why) == 0)
		return error_set(err, ERR_INTERNAL, "it was not refused");
	if (strcmp(without_job(why.text), wanted) == 0)
		return 0;
	return error_set(
		err, ERR_INTERNAL, "refused: wanted %s, got %s", wanted, without_job(why.text));
}

static void remove_job(struct case_run *run)
{
	struct error err;

	if (run->job == NULL)
		return;
	run->answered = false;
	if (job_delete(run->job, on_job, run, &err) == 0)
		wait_for_answer(run, &err);
	job_unref(run->job);
}

int case_run(const struct case_rig *rig, const struct stage_case *one, struct error *err)
{
	struct case_run run = { .rig = rig, .one = one };
	int result = one->refused != NULL ? run_refused(&run, err) : run_through(&run, err);

	remove_job(&run);
	buf_done(&run.results);
	buf_done(&run.failures);
	return result;
}
