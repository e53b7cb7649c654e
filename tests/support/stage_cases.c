#include "stage_cases.h"

#include <stdlib.h>
#include <string.h>

#include "cli/case_file.h"
#include "stage_host.h"

/* Where a run stands, and what it made so far: one line an output or failure. */
struct run {
	const struct stage *stage;
	const struct stage_case *one;
	struct stage_host host;
	struct buf outputs, failures;
};

static void add_outputs(struct run *run)
{
	for (size_t i = 0; i < stage_host_emitted(&run->host); i++) {
		size_t len;
		const char *bytes = stage_host_output(&run->host, i, &len);

		case_list_add(&run->outputs, bytes, len);
	}
}

static void add_failure(struct run *run, uint64_t number)
{
	enum stage_failure kind;
	const char *error = stage_host_failure(&run->host, &kind);
	json_t *row = json_pack("{s:I, s:s, s:s}", "item", (json_int_t)number, "kind",
		kind == STAGE_TRANSIENT ? "transient" : "permanent", "error", error);
	char *text = json_dumps(row, JSON_COMPACT);

	case_list_add(&run->failures, text, strlen(text));
	free(text);
	json_decref(row);
}

static int open_host(struct run *run, const struct buf *state, struct error *err)
{
	return stage_host_open(&run->host, run->stage, run->one->params, state, err);
}

/* Close it and open it from what it saved, as after a crash. */
static int reopen(struct run *run, struct error *err)
{
	struct buf state = BUF_INIT;
	const struct buf *saved = stage_host_state(&run->host);
	int result;

	if (saved != NULL)
		buf_append(&state, saved->data, saved->len);
	stage_host_close(&run->host);
	result = open_host(run, saved != NULL ? &state : NULL, err);
	buf_done(&state);
	return result;
}

static int run_item(
	struct run *run, struct stage_slice item, uint64_t number, struct error *err)
{
	enum stage_result result = STAGE_FAILED;
	enum stage_failure kind = STAGE_TRANSIENT;

	for (unsigned attempt = 1; attempt <= run->one->attempts && result == STAGE_FAILED &&
				   kind == STAGE_TRANSIENT;
		attempt++) {
		result = stage_host_run(&run->host, item.at, item.len, number, attempt);
		if (result == STAGE_FAILED)
			stage_host_failure(&run->host, &kind);
	}
	if (result == STAGE_FAILED)
		add_failure(run, number);
	add_outputs(run);
	if (run->stage->kind != STAGE_SINK)
		return 0;
	if (stage_host_checkpoint(&run->host) != STAGE_OK)
		return error_set(err, ERR_INTERNAL, "the checkpoint failed");
	return reopen(run, err);
}

static int run_items(struct run *run, struct error *err)
{
	struct stage_slice item;
	struct stage_walk walk;
	uint64_t number = 0;

	if (!stage_walk_open(&walk, run->one->in, '['))
		return error_set(err, ERR_INTERNAL, "the case has no \"in\"");
	while (stage_walk_element(&walk, &item))
		if (run_item(run, item, number++, err) < 0)
			return -1;
	return 0;
}

/* Room for 1, 2, 3, 1, 2, … items. */
static int run_source(struct run *run, struct error *err)
{
	for (size_t turn = 0; turn < 1000; turn++) {
		enum stage_result result = stage_host_generate(&run->host, turn % 3 + 1);

		if (stage_host_emitted(&run->host) > turn % 3 + 1)
			return error_set(err, ERR_INTERNAL, "it emitted more than its room");
		add_outputs(run);
		if (result == STAGE_END)
			return 0;
		if (result != STAGE_OK || reopen(run, err) < 0)
			return error_set(err, ERR_INTERNAL, "the source failed");
	}
	return error_set(err, ERR_INTERNAL, "the source does not end");
}

static int check_report(struct run *run, struct error *err)
{
	struct stage_slice wanted = run->one->report;
	const char *got;
	size_t len;

	if (run->stage->report == NULL)
		return 0;
	if (stage_host_report(&run->host) != STAGE_OK || stage_host_emitted(&run->host) != 1)
		return error_set(err, ERR_INTERNAL, "there is no report");
	got = stage_host_output(&run->host, 0, &len);
	if (wanted.at == NULL || wanted.len != len || memcmp(wanted.at, got, len) != 0)
		return error_set(err, ERR_INTERNAL, "report: got %.*s", (int)len, got);
	return 0;
}

static int check_refused(struct run *run, struct error *err)
{
	struct error why = { 0 };

	if (open_host(run, NULL, &why) == 0) {
		stage_host_close(&run->host);
		return error_set(err, ERR_INTERNAL, "it was not refused");
	}
	if (strcmp(why.text, json_string_value(run->one->refused)) != 0)
		return error_set(err, ERR_INTERNAL, "refused with: %s", why.text);
	return 0;
}

static int check_run(struct run *run, struct error *err)
{
	int result;

	if (open_host(run, NULL, err) < 0)
		return -1;
	result = run->stage->kind == STAGE_SOURCE ? run_source(run, err) : run_items(run, err);
	if (result == 0)
		result = case_compare("out", run->one->out, &run->outputs, err);
	if (result == 0)
		result = case_compare("failures", run->one->failures, &run->failures, err);
	if (result == 0)
		result = check_report(run, err);
	stage_host_close(&run->host);
	return result;
}

static int run_case(const struct stage *stage, const struct stage_case *one, struct error *err)
{
	struct run run = { .stage = stage, .one = one };
	int result = one->refused != NULL ? check_refused(&run, err) : check_run(&run, err);

	buf_done(&run.outputs);
	buf_done(&run.failures);
	return result;
}

int stage_cases_run(const struct stage *stage, const char *file, FILE *out, int *ret_count)
{
	struct case_file cases;
	struct stage_case one;
	struct error err = { 0 };
	int bad = 0, more;

	*ret_count = 0;
	if (case_file_open(&cases, file, &err) < 0)
		return -1;
	while ((more = case_file_next(&cases, &one, &err)) > 0) {
		++*ret_count;
		if (run_case(stage, &one, &err) < 0) {
			fprintf(out, "%s: line %u: %s\n", stage->name, cases.number, err.text);
			bad++;
		}
		stage_case_done(&one);
	}
	if (more < 0) {
		fprintf(out, "%s\n", err.text);
		bad++;
	}
	case_file_close(&cases);
	return bad;
}
