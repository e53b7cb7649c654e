#include "engine/flush.h"

#include "base/clock.h"
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

static void free_parts(struct flush *flush)
{
	while (flush->chunks != NULL) {
		struct result_chunk *next = flush->chunks->next;

		slab_unref(flush->chunks->slab);
		flush->chunks = next;
	}
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
		uint32_t capacity = flush->outcome_capacity == 0 ? 16 : flush->outcome_capacity * 2;
		struct outcome *outcomes =
			mem_realloc(flush->outcomes, capacity * sizeof(*outcomes));

		if (outcomes == NULL)
			return -1;
		flush->outcomes = outcomes;
		flush->outcome_capacity = capacity;
	}
	flush->outcomes[flush->outcome_count++] = (struct outcome){
		.input = input, .index = index, .results = results, .failures = failures, .fate = fate
	};
	return 0;
}

/* ---- results ---- */

static struct result_chunk *chunk_new(struct flush *flush, uint32_t len)
{
	bool small = flush->chunks == NULL && len < SMALL_LINES;
	uint32_t items = small ? SMALL_ITEMS : BLOCK_ITEMS_MAX;
	size_t fixed = sizeof(struct result_chunk) + items * sizeof(uint64_t);
	size_t size = small ? fixed + SMALL_LINES : MAX((size_t)BLOCK_SIZE_MAX, fixed + len + 1);
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

int flush_failure_at(struct flush *flush, struct failure_rec ***place, const void *record,
	size_t len)
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
		/* When all places are taken the head comes to lie in chunk->head, made for it. */
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

		if (chunk->count == 0)
			continue;
		bytes = chunk_seal(chunk, &len);
		if (ledger->ops->append(ledger, &job->id, LEDGER_RESULTS, job->next.results, bytes,
			    len, err) < 0)
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

	for (failure = flush->failures; failure != NULL; failure = failure->next)
		if (ledger->ops->append(ledger, &job->id, LEDGER_FAILURES, job->next.next_failure++,
			    failure->bytes, failure->len, err) < 0)
			return -1;
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
		job->next.filtered++;
	bitmap_set(input->next, outcome->index);
	input->next_count++;
	input_touch(job->engine, input);
}

/*
 * Some of the blocks never reached the disk (it was full, the client heard 507): what became
 * of their items must not stand either. Results lie in the order of the outcomes.
 */
static void drop_refused(struct flush *flush)
{
	struct result_chunk *old = flush->chunks;
	struct failure_rec *failure = flush->failures, *next_failure;
	uint32_t kept = 0, at_result = 0;
	const char *line = old == NULL ? NULL : chunk_lines(old);

	flush->chunks = flush->last_chunk = NULL;
	flush->failures = NULL;
	flush->failures_end = &flush->failures;
	for (uint32_t at = 0; at < flush->outcome_count; at++) {
		struct outcome *outcome = &flush->outcomes[at];
		bool keep = !outcome->input->refused;

		for (uint32_t n = 0; n < outcome->results && old != NULL; n++) {
			size_t len;

			while (old != NULL && at_result == old->count) {
				struct result_chunk *next = old->next;

				slab_unref(old->slab);
				old = next;
				at_result = 0;
				line = old == NULL ? NULL : chunk_lines(old);
			}
			if (old == NULL)
				break;
			len = (size_t)((const char *)rawmemchr(line, '\n') - line);
			if (keep && flush_result(flush, chunk_items(old)[at_result], line, (uint32_t)len) < 0)
				pipeline_lost(flush->pipeline);
			line += len + 1;
			at_result++;
		}
		for (uint32_t n = 0; n < outcome->failures && failure != NULL; n++) {
			next_failure = failure->next;
			failure->next = NULL;
			if (keep) {
				*flush->failures_end = failure;
				flush->failures_end = &failure->next;
			} else {
				mem_free(failure);
			}
			failure = next_failure;
		}
		if (keep)
			flush->outcomes[kept++] = *outcome;
		else
			input_unref_n(outcome->input, 1);
	}
	if (old != NULL)
		slab_unref(old->slab);
	flush->outcome_count = kept;
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

	assert_on(ROLE_COMMIT);
	if (job_is_sealed(job))
		return 0; /* cancelled or failed between gathering and this: its counts are final */
	if (any_refused(flush))
		drop_refused(flush);
	job_touch(job);
	if (apply_results(flush, ledger, err) < 0 || apply_failures(flush, ledger, err) < 0)
		return -1;
	for (uint32_t at = 0; at < flush->outcome_count; at++)
		apply_outcome(job, &flush->outcomes[at]);
	if (flush->stages != NULL) {
		job->next.retries = 0;
		for (unsigned at = 0; at < flush->pipeline->count; at++) {
			job->next.stages[at] = flush->stages[at];
			job->next.retries += flush->stages[at].retries;
		}
	}
	if (flush->has_state)
		return ledger->ops->put_state(ledger, &job->id, flush->state.data, flush->state.len,
			err);
	return 0;
}

static void flush_done(struct commit_op *op, const struct error *err)
{
	struct flush *flush = CONTAINER_OF(op, struct flush, op);
	struct pipeline *pipeline = flush->pipeline;
	struct job *job = pipeline->job;

	assert_on(ROLE_LOOP);
	if (err == NULL) {
		job->engine->items_finished += flush->outcome_count;
		job->results_new = true;
		job_committed(job);
	}
	pipeline_lock(pipeline);
	pipeline->flush_bytes -= MIN(pipeline->flush_bytes, flush->accounted);
	pipeline->settled += flush->settles;
	pipeline->flushes--;
	pipeline_unlock(pipeline, pipeline_wake_mask(pipeline));
	flush_free(flush);
	pipeline_unref(pipeline);
}

void flush_arm(struct flush *flush)
{
	pipeline_ref(flush->pipeline);
	flush->op.apply = flush_apply;
	flush->op.done = flush_done;
	flush->op.must = true;
	flush->op.bytes = flush->bytes + flush->outcome_count / 8 + 256;
	flush->accounted = flush->bytes;
	flush->settles = flush->outcome_count;
}

void flush_drop(struct flush *flush)
{
	struct pipeline *pipeline = flush->pipeline;

	flush_free(flush);
	pipeline_unref(pipeline);
}
