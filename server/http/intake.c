#include "http/intake.h"

#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/metrics.h"

#define ERRORS_MAX 100 /* that are named */

enum work { WORK_MORE, WORK_FULL, WORK_FAILED };

static void go_on(struct intake *intake);

static struct traffic *traffic_of(const struct intake *intake)
{
	return engine_traffic(job_engine(intake->job));
}

/* ---- the end ---- */

static void become_over(struct intake *intake)
{
	if (intake->state == INTAKE_OVER)
		return;
	intake->state = INTAKE_OVER;
	intake->events.over(intake->events.arg, intake->failed ? &intake->err : NULL);
}

static void set_failed(struct intake *intake, const struct error *err)
{
	if (intake->failed)
		return;
	intake->failed = true;
	intake->err = *err;
}

/*
 * What was taken could not be stored. It stands in front of a mistake that was found meanwhile,
 * so it is what the client hears: who puts only the mistake right would lose it.
 */
static void not_stored(struct intake *intake, const struct error *err)
{
	intake->failed = true;
	intake->err = *err;
}

/* Whether all went well or not: first let the disk have what was taken. */
static void flush(struct intake *intake)
{
	struct error err;
	int result;

	if (intake->state >= INTAKE_FLUSHING)
		return;
	intake->state = INTAKE_FLUSHING;
	if (intake->upload == NULL) {
		become_over(intake);
		return;
	}
	result = intake->close_input && !intake->failed
			 ? upload_flush_and_close_input(intake->upload, &err)
			 : upload_flush(intake->upload, &err);
	if (result == 0)
		return;
	not_stored(intake, &err);
	become_over(intake);
}

void intake_fail(struct intake *intake, const struct error *err)
{
	if (intake->state >= INTAKE_FLUSHING)
		return;
	set_failed(intake, err);
	flush(intake);
}

/* ---- items ---- */

static void name_error(struct intake *intake, const struct split_item *item, const char *detail)
{
	if (json_array_size(intake->errors) < ERRORS_MAX)
		json_array_append_new(
			intake->errors, json_pack("{s:I, s:s}", "line", (json_int_t)item->line,
						"detail", detail));
}

static void duplicate(struct intake *intake)
{
	intake->duplicates++;
	traffic_of(intake)->duplicates++;
}

static int refuse(struct intake *intake, const struct split_item *item, const struct error *why)
{
	if (item->number <= intake->skip && !item->fatal) {
		duplicate(intake);
		return 0;
	}
	intake->rejected++;
	traffic_of(intake)->rejected++;
	name_error(intake, item, why->text);
	if (intake->skip_invalid && !item->fatal && why->code != ERR_NO_MEMORY)
		return 0;
	return error_set(&intake->err, why->code, "%s %llu: %s",
		intake->split.shape == SPLIT_JSON ? "element" : "line",
		(unsigned long long)item->line, why->text);
}

static int take(struct intake *intake, const struct split_item *item)
{
	uint64_t lines = item->number - intake->told;
	struct error why;

	if (item->number <= intake->skip) {
		duplicate(intake);
		return 0;
	}
	if (intake->split.shape != SPLIT_CSV &&
		json_check(intake->check, item->bytes, item->len, &why) < 0)
		return refuse(intake, item, &why);
	if (intake->upload == NULL)
		return error_set(&intake->err, ERR_INPUT_CLOSED,
			"the job's input was closed; line %llu is new to it",
			(unsigned long long)item->line);
	intake->told = item->number;
	return upload_line(intake->upload, item->bytes, item->len, lines, &intake->err);
}

static bool has_room(struct intake *intake)
{
	return intake->upload == NULL || upload_has_room(intake->upload);
}

/* Items out of what the splitter holds. */
static enum work take_items(struct intake *intake)
{
	enum split_result got = SPLIT_ITEM;
	struct split_item item;
	int result = 0;

	while (result == 0) {
		if (!has_room(intake))
			return WORK_FULL;
		got = split_next(&intake->split, &item);
		if (got == SPLIT_MORE)
			return WORK_MORE;
		if (got == SPLIT_NOMEM)
			result = error_no_memory(&intake->err);
		else
			result = got == SPLIT_ITEM ? take(intake, &item)
						   : refuse(intake, &item, &item.err);
	}
	return WORK_FAILED;
}

/* Everything that is in hand, as far as there is room. */
static enum work work(struct intake *intake)
{
	enum work result = take_items(intake);
	const char *piece;
	size_t len;
	int got;

	while (result == WORK_MORE) {
		got = body_next(&intake->body, &piece, &len, &intake->err);
		if (got < 0)
			return WORK_FAILED;
		if (got == 0)
			return WORK_MORE;
		split_feed(&intake->split, piece, len);
		result = take_items(intake);
	}
	return result;
}

/* ---- room ---- */

static void become_full(struct intake *intake)
{
	if (intake->full || intake->state >= INTAKE_FLUSHING)
		return;
	intake->full = true;
	traffic_of(intake)->waits++;
	traffic_of(intake)->waiting++;
	intake->armed = false;
	intake->blocked_ns = clock_mono_ns();
	intake->events.full(intake->events.arg);
}

/* It waits no longer, because there is room or because it is over. */
static void end_waiting(struct intake *intake)
{
	struct traffic *traffic = traffic_of(intake);
	uint64_t ns = clock_mono_ns() - intake->blocked_ns;

	intake->full = false;
	intake->waited_ns += ns;
	traffic->waiting--;
	traffic->waited_ns += ns;
}

static void become_free(struct intake *intake)
{
	if (!intake->full)
		return;
	end_waiting(intake);
	intake->events.go_on(intake->events.arg);
}

uint64_t intake_waited_ms(const struct intake *intake)
{
	uint64_t waited_ns = intake->waited_ns;

	if (intake->full)
		waited_ns += clock_mono_ns() - intake->blocked_ns;
	return waited_ns / NS_PER_MS;
}

/* The body is over: the last line has no newline, and the encoding must be complete. */
static void end_body(struct intake *intake)
{
	if (!intake->split_ended) {
		if (body_end(&intake->body, &intake->err) < 0) {
			intake->failed = true;
			flush(intake);
			return;
		}
		intake->split_ended = true;
		split_end(&intake->split);
		go_on(intake);
		return;
	}
	if (intake->upload != NULL && split_lines(&intake->split) > intake->told)
		upload_seen(intake->upload, split_lines(&intake->split) - intake->told);
	flush(intake);
}

static void go_on(struct intake *intake)
{
	if (intake->state >= INTAKE_FLUSHING)
		return;
	switch (work(intake)) {
	case WORK_FULL:
		become_full(intake);
		break;
	case WORK_FAILED:
		intake->failed = true;
		flush(intake);
		break;
	case WORK_MORE:
		become_free(intake);
		if (intake->state == INTAKE_ENDING)
			end_body(intake);
		break;
	}
}

/* What the piece still holds goes aside: its memory is the library's. */
static int put_aside(struct intake *intake)
{
	const char *bytes = intake->body.at;
	size_t len = intake->body.left;

	/* As it is, a piece lies either in the body still or in the splitter. */
	if (intake->body.encoding == BODY_IDENTITY && len == 0) {
		len = split_rest(&intake->split, &bytes);
		split_feed(&intake->split, NULL, 0);
	}
	buf_clear(&intake->rest);
	if (buf_append(&intake->rest, bytes, len) < 0)
		return error_no_memory(&intake->err);
	intake->body.at = intake->rest.data;
	intake->body.left = len;
	return 0;
}

bool intake_feed(struct intake *intake, const char *bytes, size_t len)
{
	enum work result;

	if (intake->state != INTAKE_OPEN || intake->full)
		return false;
	body_feed(&intake->body, bytes, len);
	intake->fed++;
	result = work(intake);
	if (result == WORK_FULL && put_aside(intake) < 0)
		result = WORK_FAILED;
	if (result == WORK_FULL) {
		become_full(intake);
	} else if (result == WORK_FAILED) {
		intake->failed = true;
		flush(intake);
	}
	return true;
}

void intake_finish(struct intake *intake, bool close_input)
{
	if (intake->state != INTAKE_OPEN)
		return;
	intake->state = INTAKE_ENDING;
	intake->close_input = close_input;
	if (!intake->full)
		go_on(intake);
}

bool intake_at_rest(const struct intake *intake)
{
	return intake->full || split_at_rest(&intake->split);
}

bool intake_wants_timer(struct intake *intake)
{
	if (intake->armed || intake->full || intake->state != INTAKE_OPEN)
		return false;
	intake->armed = true;
	intake->noticed = intake->fed;
	return true;
}

bool intake_on_timer(struct intake *intake)
{
	intake->armed = false;
	if (intake->fed != intake->noticed)
		return intake_wants_timer(intake);
	if (intake->upload != NULL && intake->state == INTAKE_OPEN)
		upload_nudge(intake->upload);
	return false;
}

/* ---- what the upload says ---- */

static void on_room(void *arg)
{
	go_on(arg);
}

static void on_broken(void *arg, const struct error *err)
{
	struct intake *intake = arg;

	not_stored(intake, err);
	become_over(intake);
}

static void on_flushed(void *arg, const struct error *err)
{
	struct intake *intake = arg;

	if (err != NULL)
		not_stored(intake, err);
	become_over(intake);
}

/* ---- life ---- */

/*
 * The reply to an upload got lost and the input has been closed since: the same command again
 * is no error, as long as nothing in it is new.
 */
static int open_again(
	struct intake *intake, const struct intake_options *options, struct error *err)
{
	if (err->code != ERR_INPUT_CLOSED || options->key == NULL)
		return -1;
	intake->known_lines = job_key_lines(intake->job, options->key);
	/* A client that has asked for its offset may have nothing left to send. */
	if (intake->known_lines == 0 || intake->known_lines < options->offset)
		return -1;
	intake->skip = intake->known_lines - options->offset;
	return 0;
}

static int open_upload(
	struct intake *intake, const struct intake_options *options, struct error *err)
{
	const struct upload_events events = { intake, on_room, on_broken, on_flushed,
		options->impatient };

	if (upload_open(intake->job, options->key, options->offset, &events, &intake->upload,
		    err) < 0)
		return open_again(intake, options, err);
	intake->skip = intake->told = upload_skip(intake->upload);
	return 0;
}

static void init_split(struct intake *intake, const struct intake_options *options)
{
	size_t item_max = engine_config(job_engine(intake->job))->item_max;

	if (options->shape == SPLIT_CSV)
		split_init_csv(&intake->split, &options->csv, item_max);
	else
		split_init(&intake->split, options->shape, item_max);
}

int intake_open(struct intake *intake, struct job *job, const struct intake_options *options,
	const struct intake_events *events, struct error *err)
{
	size_t memory = body_memory(options->encoding);

	*intake = (struct intake){ .events = *events, .check = options->check };
	if (memory > 0 && engine_needs_memory(job_engine(job), memory, err) < 0)
		return -1;
	if (body_open(&intake->body, options->encoding, options->ratio_max, err) < 0)
		return -1;
	intake->skip_invalid = options->skip_invalid;
	intake->errors = json_array();
	intake->job = job_ref(job);
	init_split(intake, options);
	if (intake->errors == NULL)
		error_no_memory(err);
	else if (open_upload(intake, options, err) == 0)
		return 0;
	intake_close(intake);
	return -1;
}

void intake_close(struct intake *intake)
{
	if (intake->job == NULL)
		return;
	intake->state = INTAKE_OVER;
	if (intake->full)
		end_waiting(intake);
	if (intake->upload != NULL)
		upload_close(intake->upload);
	body_close(&intake->body);
	split_done(&intake->split);
	buf_done(&intake->rest);
	json_decref(intake->errors);
	job_unref(intake->job);
	intake->job = NULL;
}

json_t *intake_to_json(const struct intake *intake)
{
	struct upload_counts counts = { .next_offset = intake->known_lines };

	if (intake->upload != NULL)
		upload_counts(intake->upload, &counts);
	return json_pack("{s:I, s:I, s:I, s:O, s:I, s:I}", "accepted",
		(json_int_t)counts.accepted, "duplicates", (json_int_t)intake->duplicates,
		"rejected", (json_int_t)intake->rejected, "errors", intake->errors,
		"next_offset", (json_int_t)counts.next_offset, "waited_ms",
		(json_int_t)intake_waited_ms(intake));
}
