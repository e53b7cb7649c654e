#include "engine/flush.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/role.h"
#include "engine/internal.h"

#define SMALL_ITEMS 16
#define SMALL_LINES 2048

struct flush *flush_new(struct pipeline *pipeline)
{
	struct flush *flush = mem_zalloc(sizeof(*flush));

	if (flush == NULL)
		return NULL;
	list_init(&flush->op.link);
	flush->pipeline = pipeline;
	flush->failures_end = &flush->failures;
	flush->first_ns = clock_mono_ns();
	return flush;
}

static void unref_outcomes(struct flush *flush)
{
	for (uint32_t at = 0; at < flush->outcome_count;) {
		struct input *input = flush->outcomes[at].input;
		uint32_t run = 0;

		for (; at < flush->outcome_count && flush->outcomes[at].input == input; at++)
			run++;
		input_unref_n(input, run);
	}
}

static void free_chunks(struct result_chunk *chunk)
{
	while (chunk != NULL) {
		struct result_chunk *next = chunk->next;

		slab_unref(chunk->slab);
		chunk = next;
	}
}

static void free_parts(struct flush *flush)
{
	free_chunks(flush->chunks);
	while (flush->failures != NULL) {
		struct failure_rec *next = flush->failures->next;

		mem_free(flush->failures);
		flush->failures = next;
	}
}

void flush_free(struct flush *flush)
{
	unref_outcomes(flush);
	free_parts(flush);
	items_done(&flush->sunk);
	buf_done(&flush->state);
	mem_free(flush->outcomes);
	mem_free(flush->stages);
	mem_free(flush);
}

int flush_outcome(struct flush *flush, struct input *input, uint32_t index, uint8_t fate,
	uint32_t results, uint32_t failures)
{
	if (flush->outcome_count == flush->outcome_capacity) {
		uint32_t capacity =
			flush->outcome_capacity == 0 ? 16 : flush->outcome_capacity * 2;
		struct outcome *outcomes =
			mem_realloc(flush->outcomes, capacity * sizeof(*outcomes));

		if (outcomes == NULL)
			return -1;
		flush->outcomes = outcomes;
		flush->outcome_capacity = capacity;
	}
	flush->last_block = MAX(flush->last_block, input->number);
	flush->outcomes[flush->outcome_count++] = (struct outcome){ .input = input,
		.index = index,
		.results = results,
		.failures = failures,
		.fate = fate };
	return 0;
}

/* ---- results ---- */

static struct result_chunk *chunk_new(struct flush *flush, uint32_t len)
{
	bool small = flush->chunks == NULL && len < SMALL_LINES;
	uint32_t items = small ? SMALL_ITEMS : BLOCK_ITEMS_MAX;
	size_t fixed = sizeof(struct result_chunk) + items * sizeof(uint64_t);
	size_t size =
		small ? fixed + SMALL_LINES : MAX((size_t)BLOCK_SIZE_MAX, fixed + len + 1);
	struct slab *slab = slab_new(size);
	struct result_chunk *chunk;

	if (slab == NULL)
		return NULL;
	chunk = (struct result_chunk *)slab->data;
	*chunk = (struct result_chunk){
		.slab = slab, .items_size = items, .lines_size = (uint32_t)(slab->size - fixed)
	};
	if (flush->last_chunk == NULL)
		flush->chunks = chunk;
	else
		flush->last_chunk->next = chunk;
	flush->last_chunk = chunk;
	return chunk;
}

static char *chunk_lines(struct result_chunk *chunk)
{
	return (char *)(chunk->items + chunk->items_size);
}

/* Where its item numbers are: sealing moves them. */
static const uint64_t *chunk_items(struct result_chunk *chunk)
{
	return chunk->sealed ? chunk->items + chunk->items_size - chunk->count : chunk->items;
}

int flush_result(struct flush *flush, uint64_t item, const char *text, uint32_t len)
{
	struct result_chunk *chunk = flush->last_chunk;
	char *to;

	if (chunk == NULL || chunk->count == chunk->items_size ||
		chunk->lines_size - chunk->lines_len < len + 1)
		chunk = chunk_new(flush, len);
	if (chunk == NULL)
		return -1;
	to = chunk_lines(chunk) + chunk->lines_len;
	memcpy(to, text, len);
	to[len] = '\n';
	chunk->lines_len += len + 1;
	chunk->items[chunk->count++] = item;
	flush->bytes += len + 1 + sizeof(item);
	return 0;
}

int flush_failure_at(
	struct flush *flush, struct failure_rec ***place, const void *record, size_t len)
{
	struct failure_rec *failure = mem_alloc(sizeof(*failure) + len);

	if (failure == NULL)
		return -1;
	failure->next = **place;
	failure->len = len;
	memcpy(failure->bytes, record, len);
	**place = failure;
	*place = &failure->next;
	if (failure->next == NULL)
		flush->failures_end = &failure->next;
	flush->bytes += len;
	return 0;
}

int flush_failure(struct flush *flush, const void *record, size_t len)
{
	struct failure_rec **end = flush->failures_end;

	return flush_failure_at(flush, &end, record, len);
}

/* ---- on the commit thread ---- */

/* The stored form needs head, items and lines side by side: the items move up to the lines. */
static const char *chunk_seal(struct result_chunk *chunk, size_t *ret_len)
{
	size_t items_len = chunk->count * sizeof(uint64_t);
	char *lines = chunk_lines(chunk);
	char *items = lines - items_len;
	struct result_head head = { .version = BLOCK_VERSION, .count = chunk->count };

	if (!chunk->sealed) {
		/* When all places are taken the head comes to lie in chunk->head, made for it.
		 */
		memmove(items, chunk->items, items_len);
		head.checksum = block_checksum(items, items_len + chunk->lines_len);
		memcpy(items - sizeof(head), &head, sizeof(head));
		chunk->sealed = true;
	}
	*ret_len = sizeof(head) + items_len + chunk->lines_len;
	return items - sizeof(head);
}

static int apply_results(struct flush *flush, struct ledger *ledger, struct error *err)
{
	struct job *job = flush->pipeline->job;
	struct result_chunk *chunk;

	for (chunk = flush->chunks; chunk != NULL; chunk = chunk->next) {
		size_t len;
		const char *bytes;

		if (chunk->count == 0 ||
			(chunk != flush->chunks && fault_planted("lost-results")))
			continue;
		bytes = chunk_seal(chunk, &len);
		FAULT_POINT("write-results");
		if (ledger->ops->append(ledger, &job->id, LEDGER_RESULTS, job->next.results,
			    bytes, len, err) < 0)
			return -1;
		job->next.results += chunk->count;
		job->next.result_bytes += chunk->lines_len;
	}
	return 0;
}

static int apply_failures(struct flush *flush, struct ledger *ledger, struct error *err)
{
	struct job *job = flush->pipeline->job;
	struct failure_rec *failure;

	for (failure = flush->failures; failure != NULL; failure = failure->next) {
		FAULT_POINT("write-failure");
		if (ledger->ops->append(ledger, &job->id, LEDGER_FAILURES,
			    job->next.next_failure++, failure->bytes, failure->len, err) < 0)
			return -1;
		job->next.failure_bytes += failure->len;
	}
	return 0;
}

static void apply_outcome(struct job *job, const struct outcome *outcome)
{
	struct input *input = outcome->input;

	if (outcome->fate & FATE_FAILED)
		job->next.failed++;
	else if (outcome->fate & FATE_RESULTS)
		job->next.succeeded++;
	else
		job->next.filtered += fault_planted("counted-twice") ? 2 : 1;
	if (outcome->index % 100 != 0 || !fault_planted("unmarked"))
		bitmap_set(input->next, outcome->index);
	input->next_count++;
	input_touch(job->engine, input);
}

/* Where a walk over the results of a flush stands. */
struct walk {
	struct result_chunk *chunk;
	uint32_t index;
	const char *line;
};

static void walk_next(
	struct walk *walk, uint64_t *ret_item, const char **ret_line, uint32_t *ret_len)
{
	while (walk->index == walk->chunk->count) {
		walk->chunk = walk->chunk->next;
		walk->index = 0;
		walk->line = NULL;
	}
	if (walk->line == NULL)
		walk->line = chunk_lines(walk->chunk);
	*ret_item = chunk_items(walk->chunk)[walk->index++];
	*ret_line = walk->line;
	*ret_len = (uint32_t)((const char *)rawmemchr(walk->line, '\n') - walk->line);
	walk->line += *ret_len + 1;
}

/* Copy the results of those that stay into chunks of their own; -1 without memory. */
static int copy_kept(struct flush *flush, struct result_chunk *from)
{
	struct walk walk = { .chunk = from };
	const char *line;
	uint64_t item;
	uint32_t len;

	for (uint32_t at = 0; at < flush->outcome_count; at++) {
		const struct outcome *outcome = &flush->outcomes[at];

		for (uint32_t n = 0; n < outcome->results; n++) {
			walk_next(&walk, &item, &line, &len);
			if (!outcome->input->refused &&
				flush_result(flush, item, line, len) < 0)
				return -1;
		}
	}
	return 0;
}

/* Results lie in the order of the outcomes. */
static int drop_results(struct flush *flush)
{
	struct result_chunk *old = flush->chunks, *old_last = flush->last_chunk;

	flush->chunks = flush->last_chunk = NULL;
	if (copy_kept(flush, old) < 0) {
		free_chunks(flush->chunks);
		flush->chunks = old;
		flush->last_chunk = old_last;
		return -1;
	}
	free_chunks(old);
	return 0;
}

static void drop_failures(struct flush *flush)
{
	struct failure_rec **at_failure = &flush->failures;

	for (uint32_t at = 0; at < flush->outcome_count; at++) {
		const struct outcome *outcome = &flush->outcomes[at];

		for (uint32_t n = 0; n < outcome->failures; n++) {
			struct failure_rec *failure = *at_failure;

			if (outcome->input->refused) {
				*at_failure = failure->next;
				mem_free(failure);
			} else {
				at_failure = &failure->next;
			}
		}
	}
	flush->failures_end = at_failure;
}

/*
 * Some of the blocks never reached the disk (it was full, the client heard 507): what became
 * of their items must not stand either. -1 without memory, nothing changed.
 */
static int drop_refused(struct flush *flush)
{
	uint32_t kept = 0;

	if (drop_results(flush) < 0)
		return -1;
	drop_failures(flush);
	for (uint32_t at = 0; at < flush->outcome_count; at++) {
		if (flush->outcomes[at].input->refused)
			input_unref_n(flush->outcomes[at].input, 1);
		else
			flush->outcomes[kept++] = flush->outcomes[at];
	}
	flush->outcome_count = kept;
	return 0;
}

static bool any_refused(const struct flush *flush)
{
	for (uint32_t at = 0; at < flush->outcome_count; at++)
		if (flush->outcomes[at].input->refused)
			return true;
	return false;
}

static int flush_apply(struct commit_op *op, struct ledger *ledger, struct error *err)
{
	struct flush *flush = CONTAINER_OF(op, struct flush, op);
	struct job *job = flush->pipeline->job;
	struct item_totals before = totals_before(&job->next);

	assert_on(ROLE_COMMIT);
	if (job_is_sealed(job))
		return 0; /* cancelled or failed between gathering and this: its counts are
			     final */
	if (any_refused(flush) && !fault_planted("refused-kept") && drop_refused(flush) < 0)
		return error_no_memory(err);
	job_touch(job);
	if (apply_results(flush, ledger, err) < 0 || apply_failures(flush, ledger, err) < 0)
		return -1;
	FAULT_POINT("flush-written");
	for (uint32_t at = 0; at < flush->outcome_count; at++)
		apply_outcome(job, &flush->outcomes[at]);
	totals_after(&job->engine->totals, &before, &job->next);
	if (flush->stages != NULL) {
		job->next.retries = 0;
		for (unsigned at = 0; at < flush->pipeline->count; at++) {
			job->next.stages[at] = flush->stages[at];
			job->next.retries += flush->stages[at].retries;
		}
	}
	FAULT_POINT("flush-applied");
	if (flush->has_state)
		return job_put_state(job, STATE_SINK, &flush->state, err);
	return 0;
}

static void flush_done(struct commit_op *op, const struct error *err)
{
	struct flush *flush = CONTAINER_OF(op, struct flush, op);
	struct pipeline *pipeline = flush->pipeline;
	struct job *job = pipeline->job;

	assert_on(ROLE_LOOP);
	FAULT_POINT("flush-home");
	if (err == NULL) {
		job->engine->items_finished += flush->outcome_count;
		job->results_new = true;
		job_committed(job);
	}
	atomic_fetch_sub_explicit(
		&job->engine->room.in_hand, flush->in_hand, memory_order_relaxed);
	pipeline_lock(pipeline);
	pipeline->flush_bytes -= MIN(pipeline->flush_bytes, flush->accounted);
	pipeline->settled += flush->settles;
	pipeline->flushes--;
	pipeline_unlock(pipeline, pipeline_wake_mask(pipeline));
	flush_free(flush);
	pipeline_unref(pipeline);
}

bool flush_finds_room(const struct flush *flush, const struct job_record *record)
{
	const struct room *room = &flush->pipeline->engine->room;
	enum room_for what = ROOM_LASTING_RESULTS;

	if (room->max == 0)
		return true;
	if (room_outgrows(record, flush->bytes, flush->outcome_count))
		what = ROOM_OUTGROWING_RESULTS;
	return !room_lacks(room, what,
		flush->bytes + atomic_load_explicit(&room->in_hand, memory_order_relaxed));
}

void flush_arm(struct flush *flush)
{
	pipeline_ref(flush->pipeline);
	flush->op.apply = flush_apply;
	flush->op.done = flush_done;
	flush->op.must = true;
	flush->op.bytes = flush->bytes + flush->outcome_count / 8 + 256;
	flush->in_hand = flush->op.bytes;
	atomic_fetch_add_explicit(
		&flush->pipeline->engine->room.in_hand, flush->in_hand, memory_order_relaxed);
	flush->accounted = flush->bytes;
	flush->settles = flush->outcome_count;
}

void flush_drop(struct flush *flush)
{
	struct pipeline *pipeline = flush->pipeline;

	atomic_fetch_sub_explicit(
		&pipeline->engine->room.in_hand, flush->in_hand, memory_order_relaxed);
	flush_free(flush);
	pipeline_unref(pipeline);
}
