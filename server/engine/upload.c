#include "engine/upload.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/role.h"
#include "engine/append.h"
#include "engine/builder.h"
#include "engine/internal.h"

#define APPENDING_MAX \
	(4u << 20) /* of a job, not yet on disk: the disk is slower than the net */

struct upload {
	struct list link; /* of the job */
	struct job *job;  /* a reference */
	struct upload_events events;
	struct builder builder;
	struct key *key;
	uint64_t skip;
	uint64_t lines;              /* physical lines dealt with, sent off or not */
	uint64_t offered;            /* that had been dealt with before the item at hand */
	struct upload_counts counts; /* on disk */
	unsigned pending;            /* appends not yet answered */
	bool credit;                 /* room was found since the last block went off */
	bool waiting;                /* for room */
	bool flushing, closed, zombie;
	struct error broken; /* code 0: it is not */
};

/* ---- ends ---- */

static void upload_free(struct upload *upload)
{
	list_remove(&upload->link);
	builder_done(&upload->builder);
	job_unref(upload->job);
	mem_free(upload);
}

/* Nothing more is taken. */
static void set_broken(struct upload *upload, const struct error *why)
{
	upload->broken = *why;
	builder_done(&upload->builder);
	upload->builder.count = 0;
	if (upload->key != NULL && upload->key->upload == upload)
		upload->key->upload = NULL;
}

/* Told once the blocks under way have come home: then its counts are final. While it flushes
 * all of it has been sent off, and its fate is the commit's to tell. */
static void break_with(struct upload *upload, const struct error *why)
{
	if (upload->broken.code != ERR_NONE || upload->zombie || upload->flushing)
		return;
	set_broken(upload, why);
	if (upload->pending == 0)
		upload->events.broken(upload->events.arg, why);
}

void uploads_break(struct job *job, const struct error *why)
{
	LIST_EACH(&job->uploads, link)
	{
		break_with(LIST_ENTRY(link, struct upload, link), why);
	}
}

static int send_block(struct upload *upload, bool close, bool lazy);

static void drain_others(struct job *job, const struct upload *but, const struct error *why)
{
	LIST_EACH(&job->uploads, link)
	{
		struct upload *upload = LIST_ENTRY(link, struct upload, link);

		if (upload != but && upload->broken.code == ERR_NONE && !upload->zombie &&
			!upload->flushing) {
			send_block(upload, false, true);
			break_with(upload, why);
		}
	}
}

void uploads_drain(struct job *job, const struct error *why)
{
	drain_others(job, NULL, why);
}

/* ---- sending off ---- */

static void tell_flushed(struct upload *upload)
{
	upload->flushing = false;
	FAULT_POINT("upload-acknowledged");
	upload->events.flushed(
		upload->events.arg, upload->broken.code == ERR_NONE ? NULL : &upload->broken);
}

static void block_refused(struct upload *upload, struct append *append, const struct error *err)
{
	if (append->close)
		upload->job->closing = false;
	if (append->key != NULL && append->key->taken > append->key->lines)
		append->key->taken = append->key->lines;
	/* A newer one has begun behind these lines, believing them taken. */
	if (append->key != NULL && append->key->upload != NULL && append->key->upload != upload)
		break_with(append->key->upload, err);
	if (upload->broken.code == ERR_NONE)
		set_broken(upload, err);
}

static void block_done(struct append *append, const struct error *err)
{
	struct upload *upload = append->arg;

	upload->pending--;
	if (err == NULL) {
		upload->counts.accepted += append->items;
		upload->counts.next_offset = append->key_lines;
	} else {
		block_refused(upload, append, err);
	}
	if (upload->pending > 0)
		return;
	if (upload->zombie)
		upload_free(upload);
	else if (upload->flushing)
		tell_flushed(upload);
	else if (upload->broken.code != ERR_NONE)
		upload->events.broken(upload->events.arg, &upload->broken);
}

static int add_block(struct upload *upload, struct append *append, struct error *err)
{
	struct input *input;

	if (upload->builder.slab == NULL)
		return 0;
	input = builder_finish(&upload->builder, BLOCK_LINES);
	if (input == NULL)
		return error_no_memory(err);
	if (append_add(append, input) < 0) {
		input_unref_n(input, 1);
		return error_no_memory(err);
	}
	return 0;
}

/* Out of memory here: the upload breaks; what it had sent off stays, the client resumes. */
static int send_block(struct upload *upload, bool close, bool lazy)
{
	struct append *append = append_new();
	struct error err;

	if (append == NULL) {
		error_no_memory(&err);
		set_broken(upload, &err);
		return -1;
	}
	if (upload->job->pipeline == NULL) {
		error_set(&err, ERR_STATE_CONFLICT, "the job is %s",
			job_state_name(job_state(upload->job)));
		append_free(append);
		set_broken(upload, &err);
		return -1;
	}
	if (add_block(upload, append, &err) < 0) {
		append_free(append);
		set_broken(upload, &err);
		return -1;
	}
	append->key = upload->key;
	append->key_lines = upload->offered;
	if (upload->key != NULL)
		upload->key->taken = upload->offered;
	append->close = close;
	append->lazy = lazy;
	append->done = block_done;
	append->arg = upload;
	upload->pending++;
	upload->credit = false;
	if (close) {
		error_set(&err, ERR_INPUT_CLOSED, "another upload has closed the job's input");
		drain_others(upload->job, upload, &err); /* what they have taken comes before */
		upload->job->closing = true;
	}
	append_submit(upload->job, append);
	return 0;
}

/* ---- the caller's side ---- */

static int may_open(struct job *job, struct error *err)
{
	if (job->deleted)
		return error_set(err, ERR_JOB_NOT_FOUND, "the job was deleted");
	if (job->state == JOB_CANCELLED || job->state == JOB_FAILED)
		return error_set(err, ERR_STATE_CONFLICT,
			"the job is %s: it takes no more items", job_state_name(job->state));
	if (job->state == JOB_SUCCEEDED)
		return error_set(err, ERR_INPUT_CLOSED,
			"the job's input is closed: it takes no more items");
	if (job->closing || job->record.input_closed)
		return error_set(err, ERR_INPUT_CLOSED,
			"the job's input is closed: it takes no more items");
	if (job->def->has_source)
		return error_set(err, ERR_STATE_CONFLICT,
			"the job makes its own items (source '%s'): it takes none by HTTP",
			job->def->stages[0].name);
	if (job->pipeline == NULL)
		return error_set(err, ERR_STATE_CONFLICT, "the job cannot run here: %s",
			job->stalled_reason);
	return engine_admits(job->engine, err) ? 0 : -1;
}

/* The newest upload with a key goes on, one that hangs on a dead connection ends. */
static int take_key(struct upload *upload, const char *text, uint64_t offset, struct error *err)
{
	struct job *job = upload->job;
	struct key *key = job_key(job, text, strlen(text), false);
	uint64_t taken = key == NULL ? 0 : key->taken;
	struct error superseded;

	if (offset > taken)
		return error_set(err, ERR_OFFSET_GAP,
			"offset is %llu, but only %llu lines were taken under this key: send from there",
			(unsigned long long)offset, (unsigned long long)taken);
	if (key == NULL && job->key_count >= job->engine->config.keys_max)
		return error_set(err, ERR_BUSY,
			"the job knows %u idempotency keys, which is all it may (keys-max)",
			job->key_count);
	if (key == NULL && (key = job_key(job, text, strlen(text), true)) == NULL)
		return error_no_memory(err);
	if (key->upload != NULL) {
		error_set(&superseded, ERR_SUPERSEDED,
			"another upload with the same Idempotency-Key has begun");
		break_with(key->upload, &superseded);
	}
	key->upload = upload;
	upload->key = key;
	upload->skip = taken - offset;
	upload->lines = upload->offered = taken;
	return 0;
}

int upload_open(struct job *job, const char *key, uint64_t offset,
	const struct upload_events *events, struct upload **ret, struct error *err)
{
	struct upload *upload;

	assert_on(ROLE_LOOP);
	/* Perhaps it is this very upload, sent again, while the end of its first sending is on
	 * its way to the disk: what that took is known only when it is there. */
	if (key != NULL && job->closing && !job->record.input_closed && !job->deleted)
		return error_set(err, ERR_SUPERSEDED,
			"the end of the job's input is just being stored; send this again");
	if (may_open(job, err) < 0)
		return -1;
	upload = mem_zalloc(sizeof(*upload));
	if (upload == NULL)
		return error_no_memory(err);
	upload->job = job_ref(job);
	upload->events = *events;
	upload->lines = upload->offered = offset;
	list_init(&upload->link);
	if (key != NULL && take_key(upload, key, offset, err) < 0) {
		upload_free(upload);
		return -1;
	}
	/* What an earlier upload has under way may yet be refused. */
	upload->counts.next_offset = upload->key == NULL ? offset : upload->key->lines;
	list_append(&job->uploads, &upload->link);
	*ret = upload;
	return 0;
}

uint64_t upload_skip(const struct upload *upload)
{
	return upload->skip;
}

static bool find_room(struct upload *upload)
{
	struct pipeline *pipeline = upload->job->pipeline;
	const bool full = budget_is_full(&upload->job->engine->budget) ||
			  engine_backlog_is_full(upload->job->engine);
	bool room;

	if (pipeline == NULL)
		return false;
	pipeline_lock(pipeline);
	room = !full && pipeline->backlog_bytes < pipeline->def->backlog_bytes &&
	       pipeline->appending_bytes < APPENDING_MAX &&
	       (upload->events.impatient || !pipeline_worth_waiting(pipeline));
	pipeline->room_wanted = !room;
	pipeline_unlock(pipeline, pipeline_timer_is_late(pipeline) ? WAKE_LOOP : 0);
	return room;
}

bool upload_has_room(struct upload *upload)
{
	struct error why;

	if (upload->broken.code != ERR_NONE)
		return false;
	if (upload->credit)
		return true;
	if (!engine_admits(upload->job->engine, &why)) {
		break_with(upload, &why);
		return false;
	}
	upload->credit = find_room(upload);
	upload->waiting = !upload->credit;
	upload->job->engine->budget.waits +=
		upload->waiting && budget_is_full(&upload->job->engine->budget);
	return upload->credit;
}

void uploads_check_room(struct job *job)
{
	LIST_EACH(&job->uploads, link)
	{
		struct upload *upload = LIST_ENTRY(link, struct upload, link);

		if (!upload->waiting || upload->broken.code != ERR_NONE || upload->zombie)
			continue;
		if (!find_room(upload))
			return;
		upload->waiting = false;
		upload->credit = true;
		upload->events.room(upload->events.arg);
	}
}

int upload_line(
	struct upload *upload, const char *json, size_t len, uint64_t lines, struct error *err)
{
	if (upload->broken.code != ERR_NONE) {
		*err = upload->broken;
		return -1;
	}
	if (!builder_fits(&upload->builder, len) && send_block(upload, false, true) < 0) {
		*err = upload->broken;
		return -1;
	}
	if (builder_add(&upload->builder, json, len, 0) < 0)
		return error_no_memory(err);
	upload->lines += lines;
	upload->offered = upload->lines;
	return 0;
}

void upload_seen(struct upload *upload, uint64_t lines)
{
	upload->lines += lines;
	upload->offered = upload->lines;
}

static int flush(struct upload *upload, bool close, struct error *err)
{
	if (upload->broken.code != ERR_NONE) {
		*err = upload->broken;
		return -1;
	}
	/* Also with nothing to store: the answer comes from the loop, behind all before it, and
	 * lines that became no item are remembered under the key. */
	if (send_block(upload, close, false) < 0) {
		*err = upload->broken;
		return -1;
	}
	upload->flushing = true;
	return 0;
}

int upload_flush(struct upload *upload, struct error *err)
{
	return flush(upload, false, err);
}

int upload_flush_and_close_input(struct upload *upload, struct error *err)
{
	return flush(upload, true, err);
}

void upload_nudge(struct upload *upload)
{
	if (upload->broken.code != ERR_NONE || upload->builder.count == 0 ||
		send_block(upload, false, true) == 0)
		return;
	if (upload->pending == 0 && !upload->zombie)
		upload->events.broken(upload->events.arg, &upload->broken);
}

void upload_counts(const struct upload *upload, struct upload_counts *ret)
{
	*ret = upload->counts;
}

void upload_close(struct upload *upload)
{
	if (upload == NULL)
		return;
	upload->zombie = true; /* nobody is told any more */
	upload_nudge(upload);
	if (upload->key != NULL && upload->key->upload == upload)
		upload->key->upload = NULL;
	if (upload->pending == 0)
		upload_free(upload);
}
