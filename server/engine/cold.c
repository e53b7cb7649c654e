/*
 * Reading cold blocks back: what was accepted while the inbox was full, and, after a start,
 * everything that has no outcome yet. One read a job is under way at a time; it fetches as
 * much as the inbox may hold and runs on libuv's pool, never on the loop.
 */
#include "base/log.h"
#include "base/role.h"
#include "engine/internal.h"

struct cold_read {
	uv_work_t work;
	struct job *job;
	struct pipeline *pipeline;
	struct ledger *ledger;
	uint64_t from, upto,
		budget; /* blocks from..upto are in the log, refused ones excepted */
	struct input *inputs[64];
	unsigned count;
	bool at_end; /* the log holds no more */
	int failed;
	struct error err;
};

static void read_blocks(uv_work_t *work)
{
	struct cold_read *read = work->data;
	struct buf bytes = BUF_INIT, bitmap = BUF_INIT;
	uint64_t block, size = 0;
	int found = 1;

	while (read->count < ARRAY_SIZE(read->inputs) && size < read->budget) {
		struct input *input;

		found = read->ledger->ops->next_input(read->ledger, &read->job->id, read->from,
			&block, &bytes, &bitmap, &read->err);
		if (found > 0 && block >= read->upto)
			found = 0; /* committed, but the loop has not heard of it yet */
		if (found <= 0)
			break;
		found = input_decode(bytes.data, bytes.len, (const uint8_t *)bitmap.data,
			bitmap.len, &input, &read->err);
		if (found < 0)
			break;
		found = 1;
		read->from = block + 1;
		input->job = read->job->id;
		read->inputs[read->count++] = input;
		size += input->size;
	}
	read->failed = found < 0;
	read->at_end = found == 0;
	buf_done(&bytes);
	buf_done(&bitmap);
}

/* Lock held. */
static void take_blocks(struct cold_read *read)
{
	struct pipeline *pipeline = read->pipeline;

	for (unsigned at = 0; at < read->count; at++)
		pipeline_add_input(pipeline, read->inputs[at]);
	pipeline->cold_from = read->at_end ? MAX(read->from, read->upto) : read->from;
	pipeline->cold = pipeline->cold_from < pipeline->next_block;
}

static void read_done(uv_work_t *work, int status)
{
	struct cold_read *read = work->data;
	struct job *job = read->job;
	struct engine *engine = job->engine;

	(void)status;
	engine->reads--;
	job->reading = false;
	pipeline_lock(read->pipeline);
	take_blocks(read);
	pipeline_unlock(read->pipeline, pipeline_wake_mask(read->pipeline));
	if (read->failed) {
		job->cold_failed = read->err.code == ERR_STORE;
		log_error("input_unreadable", JOB_LOG " err=\"%s\"", JOB_LOG_ARGS(job),
			read->err.text);
		if (job->cold_failed)
			job_fail(job, &read->err);
	}
	pipeline_unref(read->pipeline);
	job_unref(job);
	engine_check_drained(engine);
	mem_free(read);
}

/* When memory is full only a job of which nothing is in memory reads, so that it goes on. */
static bool may_take_memory(const struct pipeline *pipeline)
{
	return !budget_is_full(&pipeline->engine->budget) ||
	       (list_empty(&pipeline->inbox) && pipeline->fed == pipeline->settled);
}

/* Lock held. Blocks that are still being appended are not there to be read yet. */
bool cold_is_due(const struct pipeline *pipeline)
{
	return pipeline->cold && !pipeline->stopped && !pipeline->no_feed &&
	       pipeline->cold_from < pipeline->stored_upto &&
	       pipeline->inbox_bytes < hot_bytes(pipeline) / 2 && may_take_memory(pipeline);
}

static bool begin(struct cold_read *read)
{
	bool due;

	pipeline_lock(read->pipeline);
	due = cold_is_due(read->pipeline);
	read->from = read->pipeline->cold_from;
	read->upto = read->pipeline->stored_upto;
	pthread_mutex_unlock(&read->pipeline->lock);
	return due;
}

void cold_check(struct job *job)
{
	struct pipeline *pipeline = job->pipeline;
	struct cold_read *read;

	if (pipeline == NULL || job->reading || job->cold_failed)
		return;
	read = mem_zalloc(sizeof(*read));
	if (read == NULL)
		return; /* the next look tries again */
	read->pipeline = pipeline;
	if (!begin(read)) {
		mem_free(read);
		return;
	}
	read->work.data = read;
	read->job = job_ref(job);
	pipeline_ref(pipeline);
	read->ledger = job->engine->ledger;
	read->budget = hot_bytes(pipeline) / 2;
	job->reading = true;
	job->engine->reads++;
	uv_queue_work(job->engine->loop, &read->work, read_blocks, read_done);
}
