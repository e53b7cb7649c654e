/*
 * intake: whatever the pieces, the encoding and the moments without room, every line arrives
 * once and in order. The upload behind it is the test's own.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/mem.h"
#include "engine/metrics.h"
#include "http/intake.h"

/* ---- an upload that has room when it pleases ---- */

struct upload {
	struct upload_events events;
	struct buf lines; /* what arrived, a line each */
	uint64_t accepted, position, skip;
	bool flushed, closed_input;
};

static struct upload *upload;
static uint64_t skip, known;
static int room_chance; /* in a hundred, for each question */
static struct error open_error;

int upload_open(struct job *job, const char *key, uint64_t offset,
	const struct upload_events *events, struct upload **ret, struct error *err)
{
	if (open_error.code != ERR_NONE) {
		*err = open_error;
		return -1;
	}
	*ret = upload = mem_zalloc(sizeof(*upload));
	upload->events = *events;
	upload->skip = skip;
	upload->position = offset + skip;
	return 0;
}

uint64_t upload_skip(const struct upload *at)
{
	return at->skip;
}

bool upload_has_room(struct upload *at)
{
	return rand() % 100 < room_chance;
}

int upload_line(
	struct upload *at, const char *json, size_t len, uint64_t lines, struct error *err)
{
	cr_assert_gt(lines, 0);
	at->accepted++;
	at->position += lines;
	buf_append(&at->lines, json, len);
	return buf_append(&at->lines, "\n", 1);
}

void upload_seen(struct upload *at, uint64_t lines)
{
	at->position += lines;
}

int upload_flush(struct upload *at, struct error *err)
{
	at->flushed = true;
	return 0;
}

int upload_flush_and_close_input(struct upload *at, struct error *err)
{
	at->closed_input = true;
	return upload_flush(at, err);
}

void upload_nudge(struct upload *at)
{
}

void upload_counts(const struct upload *at, struct upload_counts *ret)
{
	*ret = (struct upload_counts){ at->accepted, at->position };
}

void upload_close(struct upload *at)
{
	buf_done(&at->lines);
	mem_free(at);
}

uint64_t job_key_lines(struct job *job, const char *key)
{
	return known;
}

struct job *job_ref(struct job *job)
{
	return job;
}

void job_unref(struct job *job)
{
}

struct engine *job_engine(const struct job *job)
{
	return NULL;
}

static struct traffic traffic;

struct traffic *engine_traffic(struct engine *engine)
{
	return &traffic;
}

const struct engine_config *engine_config(const struct engine *engine)
{
	static const struct engine_config config = { .item_max = 1000 };

	return &config;
}

static bool memory_is_full;

int engine_needs_memory(struct engine *engine, uint64_t bytes, struct error *err)
{
	cr_assert_gt(bytes, 0);
	return memory_is_full ? error_set(err, ERR_BUSY, "memory-max") : 0;
}

/* ---- an intake and what it tells ---- */

static struct intake intake;
static struct json_check *check;
static bool full, over;
static struct error failure;

static void on_full(void *arg)
{
	full = true;
}

static void on_go_on(void *arg)
{
	full = false;
}

static void on_over(void *arg, const struct error *err)
{
	cr_assert_not(over);
	over = true;
	if (err != NULL)
		failure = *err;
}

static int open_intake(const struct intake_options *options)
{
	static char job;
	const struct intake_events events = { NULL, on_full, on_go_on, on_over };
	struct intake_options all = *options;
	struct error err;

	if (check == NULL)
		cr_assert_eq(json_check_new(&check, &err), 0);
	full = over = false;
	failure.code = ERR_NONE;
	all.check = check;
	all.ratio_max = 1000;
	if (intake_open(&intake, (struct job *)&job, &all, &events, &err) == 0)
		return 0;
	failure = err;
	return -1;
}

static void find_room(void)
{
	while (full)
		upload->events.room(upload->events.arg);
}

/* Send the body in pieces, as the library would: a refused piece is offered again. */
static void send_body(const char *body, size_t len, size_t piece)
{
	for (size_t at = 0; at < len && !over; at += piece) {
		size_t part = MIN(piece, len - at);
		char *copy = malloc(part);

		memcpy(copy, body + at, part);
		while (!intake_feed(&intake, copy, part) && !over && !upload->flushed)
			find_room();
		free(copy);
	}
}

static void finish(bool close_input)
{
	intake_finish(&intake, close_input);
	find_room();
	if (!over && upload->flushed)
		upload->events.flushed(upload->events.arg, NULL);
	cr_assert(over);
}

static void tear_down(void)
{
	intake_close(&intake);
	json_check_free(check);
	check = NULL;
}

TestSuite(intake, .fini = tear_down);

static struct buf numbered(int count)
{
	struct buf body = BUF_INIT;

	for (int item = 0; item < count; item++)
		buf_printf(&body, "{\"n\":%d}\n", item);
	return body;
}

static struct buf packed(const struct buf *body, const char *encoding)
{
	struct buf out = BUF_INIT;
	z_stream stream = { 0 };

	buf_reserve(&out, body->len + 1000);
	if (strcmp(encoding, "zstd") == 0) {
		out.len = ZSTD_compress(out.data, out.capacity, body->data, body->len, 3);
		return out;
	}
	deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
	stream.next_in = (Bytef *)body->data;
	stream.avail_in = (uInt)body->len;
	stream.next_out = (Bytef *)out.data;
	stream.avail_out = (uInt)out.capacity;
	deflate(&stream, Z_FINISH);
	out.len = stream.total_out;
	deflateEnd(&stream);
	return out;
}

Test(intake, takes_every_line_once_whatever_the_room)
{
	static const char *const encodings[] = { NULL, "gzip", "zstd" };
	static const size_t pieces[] = { 1, 7, 100, 3000, 1000000 };
	static const int chances[] = { 100, 99, 50, 5 };
	struct buf body = numbered(2000);

	for (int run = 0; run < 60; run++) {
		const char *encoding = encodings[run % 3];
		struct buf sent = encoding == NULL ? body : packed(&body, encoding);

		srand((unsigned)run);
		room_chance = chances[run / 3 % 4];
		cr_assert_eq(open_intake(&(struct intake_options){ .encoding = encoding }), 0);
		send_body(sent.data, sent.len, pieces[run / 12]);
		finish(true);
		cr_assert_eq(failure.code, ERR_NONE, "%s", failure.text);
		cr_assert(upload->closed_input);
		cr_assert_eq(
			upload->lines.len, body.len, "run %d: %zu", run, upload->lines.len);
		cr_assert_eq(memcmp(upload->lines.data, body.data, body.len), 0);
		cr_assert_eq(upload->position, 2000);
		intake_close(&intake);
		if (encoding != NULL)
			buf_done(&sent);
	}
	buf_done(&body);
}

Test(intake, stops_at_a_bad_line_and_keeps_what_came_before)
{
	room_chance = 100;
	open_intake(&(struct intake_options){ 0 });
	send_body("1\n\n2\nbad\n3\n", 11, 4);
	cr_assert(upload->flushed);
	upload->events.flushed(upload->events.arg, NULL);
	cr_assert(over);
	cr_assert_eq(failure.code, ERR_ITEM_INVALID);
	cr_assert(strstr(failure.text, "line 4: ") == failure.text, "%s", failure.text);
	cr_assert_eq(upload->accepted, 2);
	cr_assert_eq(intake.rejected, 1);
}

Test(intake, skips_bad_lines_and_counts_them_for_the_offset)
{
	json_t *json;

	room_chance = 100;
	open_intake(&(struct intake_options){ .skip_invalid = true });
	send_body("1\nbad\n\n2\nworse\n\n", 16, 3);
	finish(false);
	cr_assert_eq(failure.code, ERR_NONE);
	cr_assert_not(upload->closed_input);
	cr_assert_eq(upload->position, 6);
	json = intake_to_json(&intake);
	cr_assert_eq(json_integer_value(json_object_get(json, "rejected")), 2);
	cr_assert_eq(json_integer_value(json_object_get(
			     json_array_get(json_object_get(json, "errors"), 1), "line")),
		5);
	json_decref(json);
}

Test(intake, passes_over_lines_that_were_taken_before)
{
	room_chance = 100;
	skip = 3;
	open_intake(&(struct intake_options){ .key = "k", .offset = 10 });
	send_body("1\n\n2\n\n3\n4\n", 10, 2);
	finish(false);
	cr_assert_eq(upload->accepted, 2);
	cr_assert_eq(intake.duplicates, 2);
	cr_assert_eq(upload->position, 16);
	cr_assert_eq(memcmp(upload->lines.data, "3\n4\n", 4), 0);
}

Test(intake, takes_a_repeated_body_for_a_closed_input_if_nothing_is_new)
{
	error_set(&open_error, ERR_INPUT_CLOSED, "closed");
	known = 3;
	cr_assert_eq(open_intake(&(struct intake_options){ .key = "k" }), 0);
	intake_feed(&intake, "1\n2\n3\n", 6);
	intake_finish(&intake, true);
	cr_assert(over);
	cr_assert_eq(failure.code, ERR_NONE);
	cr_assert_eq(intake.duplicates, 3);
	intake_close(&intake);

	cr_assert_eq(open_intake(&(struct intake_options){ .key = "k" }), 0);
	intake_feed(&intake, "1\n2\n3\n4\n", 8);
	cr_assert(over);
	cr_assert_eq(failure.code, ERR_INPUT_CLOSED);
	intake_close(&intake);

	known = 0;
	cr_assert_eq(open_intake(&(struct intake_options){ .key = "k" }), -1);
	cr_assert_eq(failure.code, ERR_INPUT_CLOSED);
}

Test(intake, says_how_the_body_was_cut_off)
{
	struct buf body = numbered(100), sent = packed(&body, "gzip");

	room_chance = 100;
	open_intake(&(struct intake_options){ .encoding = "gzip" });
	send_body(sent.data, sent.len - 4, 10);
	finish(true);
	cr_assert_eq(failure.code, ERR_BODY_CORRUPT);
	cr_assert_not(upload->closed_input);
	cr_assert_eq(upload->accepted, 100);
	buf_done(&body);
	buf_done(&sent);
}

Test(intake, ends_when_it_is_told_to_while_it_waits)
{
	struct error why;

	room_chance = 0;
	open_intake(&(struct intake_options){ 0 });
	cr_assert(intake_feed(&intake, "1\n2\n", 4));
	cr_assert(full);
	cr_assert_not(intake_feed(&intake, "3\n", 2));
	error_set(&why, ERR_QUEUE_FULL, "full");
	intake_fail(&intake, &why);
	cr_assert(upload->flushed);
	upload->events.flushed(upload->events.arg, NULL);
	cr_assert(over);
	cr_assert_eq(failure.code, ERR_QUEUE_FULL);
	cr_assert_not(intake_feed(&intake, "3\n", 2));
}
