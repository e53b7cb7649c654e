#include "stage_cases.h"

#include <stdlib.h>
#include <string.h>

#include "stage_host.h"
#include "stages/stage_slice.h"

/* Where a run stands, and what it made so far: one line an output or failure. */
struct run {
	const struct stage *stage;
	struct stage_slice line; /* the case */
	json_t *params;
	unsigned attempts;
	struct stage_host host;
	struct buf outputs, failures;
};

static struct stage_slice member(const struct run *run, const char *name)
{
	return stage_slice_member(run->line, name);
}

static void add(struct buf *to, const char *bytes, size_t len)
{
	if (to->len > 0)
		buf_append_str(to, ",");
	buf_append(to, bytes, len);
}

static void add_outputs(struct run *run)
{
	for (size_t i = 0; i < stage_host_emitted(&run->host); i++) {
		size_t len;
		const char *bytes = stage_host_output(&run->host, i, &len);

		add(&run->outputs, bytes, len);
	}
}

static void add_failure(struct run *run, uint64_t number)
{
	enum stage_failure kind;
	const char *error = stage_host_failure(&run->host, &kind);
	json_t *row = json_pack("{s:I, s:s, s:s}", "item", (json_int_t)number, "kind",
		kind == STAGE_TRANSIENT ? "transient" : "permanent", "error", error);
	char *text = json_dumps(row, JSON_COMPACT);

	add(&run->failures, text, strlen(text));
	free(text);
	json_decref(row);
}

static int open_host(struct run *run, const struct buf *state, struct error *err)
{
	return stage_host_open(&run->host, run->stage, run->params, state, err);
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

	for (unsigned attempt = 1;
		attempt <= run->attempts && result == STAGE_FAILED && kind == STAGE_TRANSIENT;
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

	if (!stage_walk_open(&walk, member(run, "in"), '['))
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

static int compare(
	const char *what, struct stage_slice wanted, const struct buf *got, struct error *err)
{
	struct buf list = BUF_INIT;
	struct stage_slice value;
	struct stage_walk walk;
	int same;

	if (stage_walk_open(&walk, wanted, '['))
		while (stage_walk_element(&walk, &value))
			add(&list, value.at, value.len);
	same = list.len == got->len &&
	       (got->len == 0 || memcmp(list.data, got->data, got->len) == 0);
	if (!same)
		error_set(err, ERR_INTERNAL, "%s: wanted [%.*s], got [%.*s]", what,
			(int)list.len, list.data != NULL ? list.data : "", (int)got->len,
			got->data != NULL ? got->data : "");
	buf_done(&list);
	return same ? 0 : -1;
}

static int check_report(struct run *run, struct error *err)
{
	struct stage_slice wanted = member(run, "report");
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

static int check_refused(struct run *run, struct stage_slice refused, struct error *err)
{
	json_t *wanted = json_loadb(refused.at, refused.len, JSON_DECODE_ANY, NULL);
	struct error why = { 0 };
	int result = 0;

	if (open_host(run, NULL, &why) == 0) {
		stage_host_close(&run->host);
		result = error_set(err, ERR_INTERNAL, "it was not refused");
	} else if (strcmp(why.text, json_string_value(wanted)) != 0) {
		result = error_set(err, ERR_INTERNAL, "refused with: %s", why.text);
	}
	json_decref(wanted);
	return result;
}

static int check_run(struct run *run, struct error *err)
{
	int result;

	if (open_host(run, NULL, err) < 0)
		return -1;
	result = run->stage->kind == STAGE_SOURCE ? run_source(run, err) : run_items(run, err);
	if (result == 0)
		result = compare("out", member(run, "out"), &run->outputs, err);
	if (result == 0)
		result = compare("failures", member(run, "failures"), &run->failures, err);
	if (result == 0)
		result = check_report(run, err);
	stage_host_close(&run->host);
	return result;
}

static int run_case(const struct stage *stage, const char *line, size_t len, struct error *err)
{
	struct run run = { .stage = stage, .line = { line, len }, .attempts = 1 };
	struct stage_slice params = member(&run, "params"), refused = member(&run, "refused");
	struct stage_slice attempts = member(&run, "attempts");
	int result;

	if (params.at == NULL)
		return error_set(err, ERR_INTERNAL, "the case has no \"params\"");
	run.params = json_loadb(params.at, params.len, 0, NULL);
	if (attempts.at != NULL)
		run.attempts = (unsigned)strtoul(attempts.at, NULL, 10);
	result = refused.at != NULL ? check_refused(&run, refused, err) : check_run(&run, err);
	json_decref(run.params);
	buf_done(&run.outputs);
	buf_done(&run.failures);
	return result;
}

int stage_cases_run(const struct stage *stage, const char *file, FILE *out, int *ret_count)
{
	FILE *in = fopen(file, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int bad = 0;

	*ret_count = 0;
	if (in == NULL)
		return -1;
	while ((len = getline(&line, &size, in)) > 0) {
		struct stage_slice name;
		struct error err = { 0 };

		line[len - (line[len - 1] == '\n')] = '\0';
		++*ret_count;
		if (run_case(stage, line, strlen(line), &err) == 0)
			continue;
		name = stage_slice_member((struct stage_slice){ line, strlen(line) }, "case");
		fprintf(out, "%s: %.*s: %s\n", stage->name, (int)name.len,
			name.at != NULL ? name.at : "", err.text);
		bad++;
	}
	free(line);
	fclose(in);
	return bad;
}
