#include "engine/append.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/role.h"
#include "engine/internal.h"

struct append *append_new(void)
{
	struct append *append = mem_zalloc(sizeof(*append));

	if (append != NULL)
		list_init(&append->op.link);
	return append;
}

int append_add(struct append *append, struct input *input)
{
	struct input **inputs =
		mem_realloc(append->inputs, (append->count + 1) * sizeof(*inputs));

	if (inputs == NULL)
		return -1;
	append->inputs = inputs;
	append->inputs[append->count++] = input;
	append->size += input->size;
	if (input->kind == BLOCK_LINES) {
		append->items += input->count;
		append->bytes += input->size - sizeof(struct block_head) - input->count;
	}
	return 0;
}

void append_free(struct append *append)
{
	if (append == NULL)
		return;
	for (unsigned at = 0; at < append->count; at++)
		input_unref_n(append->inputs[at], 1);
	buf_done(&append->state);
	mem_free(append->inputs);
	mem_free(append->dropped);
	if (append->pipeline != NULL)
		pipeline_unref(append->pipeline);
	if (append->job != NULL)
		job_unref(append->job);
	mem_free(append);
}

/* ---- commit thread ---- */

static void mark_refused(struct append *append)
{
	for (unsigned at = 0; at < append->count; at++)
		append->inputs[at]->refused = true;
}

static void append_refuse(struct commit_op *op, const struct error *err)
{
	struct append *append = CONTAINER_OF(op, struct append, op);

	(void)err;
	if (append->count > 0) /* what has no items leaves no gap */
		append->job->refused_epoch = append->epoch;
	mark_refused(append);
}

/*
 * Many uploads may have been let in at once, each with a block: together they must not take
 * what is kept for finishing. Retries take the place of failures.
 */
static bool finds_no_room(struct append *append)
{
	struct room *room = &append->job->engine->room;

	if (append->op.must || append->size == 0)
		return false;
	if (room_lacks(room, ROOM_UNDER_WAY, room->open + append->size))
		return true;
	room->open += append->size;
	return false;
}

static void apply_blocks(const struct append *append, struct job_record *next)
{
	for (unsigned at = 0; at < append->count; at++) {
		struct input *input = append->inputs[at];

		input_touch(append->job->engine, input);
		next->next_block = MAX(next->next_block, input->number + 1);
		if (input->kind == BLOCK_LINES)
			next->next_item =
				MAX(next->next_item, input->first_item + input->count);
	}
	next->received += append->items;
	next->bytes += append->bytes;
}

static int append_apply(struct commit_op *op, struct ledger *ledger, struct error *err)
{
	struct append *append = CONTAINER_OF(op, struct append, op);
	struct job *job = append->job;
	struct job_record *next = &job->next;
	struct item_totals before = totals_before(next);

	assert_on(ROLE_COMMIT);
	append->late = job_is_sealed(job);
	append->skipped = append->epoch != 0 && append->epoch == job->refused_epoch;
	if (append->skipped)
		mark_refused(append);
	append->full = !append->late && !append->skipped && finds_no_room(append);
	if (append->full)
		append_refuse(op, NULL);
	if (append->late || append->skipped || append->full)
		return 0;
	job_touch(job);
	apply_blocks(append, next);
	totals_after(&job->engine->totals, &before, next);
	next->failed -= MIN(next->failed, append->had_failed);
	next->failure_bytes -= MIN(next->failure_bytes, append->dropped_bytes);
	if (next->started_ms == 0 && append->items > 0)
		next->started_ms = clock_wall_ms();
	next->input_closed |= append->close;
	next->source_ended |= append->source_ended;
	for (size_t at = 0; at < append->dropped_count; at++)
		if (ledger->ops->drop_failure(ledger, &job->id, append->dropped[at], err) < 0)
			return -1;
	if (append->key != NULL && !fault_planted("key-forgotten") &&
		ledger->ops->put_key(ledger, &job->id, append->key->text, append->key->len,
			append->key_lines, err) < 0)
		return -1;
	FAULT_POINT("append-applied");
	if (append->has_state)
		return job_put_state(job, STATE_SOURCE, &append->state, err);
	return 0;
}

/* ---- back on the loop ---- */

/* Of a refused block, what was not fed yet is passed over when its turn comes; what was fed
 * comes back as outcomes and is dropped with the block. */
static void withdraw(struct pipeline *pipeline, struct input *input)
{
	if (!input->placed) {
		pipeline->backlog_bytes -= MIN(pipeline->backlog_bytes, (uint64_t)input->size);
		return;
	}
	/* One of whose parts only some were fed goes the whole way. */
	for (uint32_t index = input->fed + (input->fed_parts > 0); index < input->count;
		index++)
		input->fate[index] |= FATE_DONE | FATE_OVER;
}

static void hand_to_pipeline(struct pipeline *pipeline, struct input *input)
{
	input_ref_n(input, 1);
	input->placed = true;
	pipeline_add_input(pipeline, input);
}

/*
 * The first refusal of an epoch: all that was submitted behind it is passed over too, or lines
 * would be missing in the middle of what a client believes to be taken. What comes next begins
 * a new epoch, with the numbers that were not used. Lock held, loop.
 */
static void rewind_numbers(struct append *append)
{
	struct pipeline *pipeline = append->pipeline;
	struct job *job = append->job;

	if (append->epoch != job->epoch || append->count == 0)
		return;
	job->epoch++;
	pipeline->next_block = append->inputs[0]->number;
	for (unsigned at = append->count; at-- > 0;)
		if (append->inputs[at]->kind == BLOCK_LINES)
			pipeline->next_item = append->inputs[at]->first_item;
	if (pipeline->cold && pipeline->cold_from >= pipeline->next_block) {
		pipeline->cold_from = pipeline->next_block;
		pipeline->cold = false;
	}
}

static void settle(struct append *append, const struct error *err)
{
	struct pipeline *pipeline = append->pipeline;

	pipeline_lock(pipeline);
	pipeline->appending_bytes -= append->size;
	for (unsigned at = 0; at < append->count; at++) {
		struct input *input = append->inputs[at];

		if (err != NULL) {
			withdraw(pipeline, input);
			continue;
		}
		if (pipeline->sink != NULL &&
			(!pipeline->cold || input->number < pipeline->cold_from))
			hand_to_pipeline(pipeline, input);
		pipeline->stored_upto = MAX(pipeline->stored_upto, input->number + 1);
	}
	if (err != NULL)
		rewind_numbers(append);
	pipeline_unlock(pipeline, pipeline_wake_mask(pipeline));
}

static void append_done(struct commit_op *op, const struct error *err)
{
	struct append *append = CONTAINER_OF(op, struct append, op);
	struct job *job = append->job;
	struct error late;

	assert_on(ROLE_LOOP);
	if (err == NULL && append->late) {
		error_set(
			&late, ERR_STATE_CONFLICT, "the job has ended before this was stored");
		err = &late;
	} else if (err == NULL && append->skipped) {
		error_set(&late, ERR_STORE, "items before these could not be stored");
		err = &late;
	} else if (err == NULL && append->full) {
		room_error(&job->engine->room, &late);
		err = &late;
	}
	if (err == NULL) {
		job->engine->items_accepted += append->items;
		if (append->key != NULL)
			append->key->lines = MAX(append->key->lines, append->key_lines);
		job_committed(job);
	}
	settle(append, err);
	FAULT_POINT("append-home");
	if (append->done != NULL)
		append->done(append, err);
	append_free(append);
}

/* ---- submit ---- */

static void number_block(struct pipeline *pipeline, struct input *input)
{
	struct block_head *head = (struct block_head *)input->slab->data;

	input->job = pipeline->id;
	head->number = input->number = pipeline->next_block++;
	if (input->kind == BLOCK_LINES) {
		head->first_item = input->first_item = pipeline->next_item;
		pipeline->next_item += input->count;
	}
}

/* Hot or cold? Once one block is cold, all behind it are, until the reading has caught up. */
static void place(struct pipeline *pipeline, struct input *input)
{
	bool full = pipeline->inbox_bytes + input->size > hot_bytes(pipeline) &&
		    !list_empty(&pipeline->inbox);

	if (pipeline->sink != NULL)
		full = pipeline->appending_bytes + pipeline->inbox_bytes > hot_bytes(pipeline);
	if (!pipeline->cold && full) {
		pipeline->cold = true;
		pipeline->cold_from = input->number;
	}
	pipeline->backlog_bytes += input->size;
	atomic_fetch_add_explicit(
		&pipeline->engine->backlog_since, input->size, memory_order_relaxed);
	atomic_fetch_add_explicit(&pipeline->engine->room.owed_since,
		(uint64_t)input->count * ROOM_ITEM_COST, memory_order_relaxed);
	if (!pipeline->cold && pipeline->sink == NULL)
		hand_to_pipeline(pipeline, input);
}

uint64_t append_due_ns(const struct pipeline *pipeline)
{
	const struct append *oldest;

	if (list_empty(&pipeline->lazy))
		return 0;
	oldest = LIST_ENTRY(pipeline->lazy.next, struct append, op.link);
	return oldest->lazy_ns + engine_config(pipeline->engine)->flush_ms * NS_PER_MS;
}

void append_release(struct pipeline *pipeline, uint64_t number)
{
	while (!list_empty(&pipeline->lazy)) {
		struct append *append = LIST_ENTRY(pipeline->lazy.next, struct append, op.link);

		if (append->inputs[0]->number > number)
			return;
		list_remove(&append->op.link);
		committer_submit(pipeline->engine->committer, &append->op);
	}
}

/* Hold it back, or send it off behind those that were; lock held. */
static unsigned hold_or_send(struct pipeline *pipeline, struct append *append)
{
	if (append->lazy && append->count > 0 && !append->close && !pipeline->cold &&
		pipeline->sink == NULL && !pipeline->stopped) {
		append->lazy_ns = clock_mono_ns();
		list_append(&pipeline->lazy, &append->op.link);
		if (pipeline->dirty)
			return 0;
		engine_mark_dirty(pipeline);
		return WAKE_COMMIT;
	}
	append_release(pipeline, APPEND_ALL);
	committer_submit(pipeline->engine->committer, &append->op);
	return 0;
}

static bool submit(struct job *job, struct append *append, bool unless_stopped)
{
	struct pipeline *pipeline;
	unsigned wake;

	append->job = job_ref(job);
	if (append->pipeline == NULL)
		append->pipeline = pipeline_ref(job->pipeline);
	pipeline = append->pipeline;
	append->op.apply = append_apply;
	append->op.refuse = append_refuse;
	append->op.done = append_done;
	append->op.bytes = append->size + 512;
	pipeline_lock(pipeline);
	if (unless_stopped && pipeline->stopped) {
		pthread_mutex_unlock(&pipeline->lock);
		return false;
	}
	append->epoch = append->op.must ? 0 : job->epoch;
	for (unsigned at = 0; at < append->count; at++)
		number_block(pipeline, append->inputs[at]);
	/* The lock is held: no outcome of these blocks can come before they are on their way.
	 */
	for (unsigned at = 0; at < append->count; at++)
		place(pipeline, append->inputs[at]);
	pipeline->appending_bytes += append->size;
	wake = hold_or_send(pipeline, append);
	pipeline_unlock(pipeline, pipeline_wake_mask(pipeline) | wake);
	return true;
}

void append_submit(struct job *job, struct append *append)
{
	submit(job, append, false);
}

bool append_submit_unless_stopped(struct job *job, struct append *append)
{
	return submit(job, append, true);
}
