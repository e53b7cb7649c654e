#include "ledger/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "job/record.h"

struct audited {
	struct id id;
	bool has_definition, has_record, is_over, is_excused, has_lost;
	bool retries; /* parts of items run again: what is counted are items */
	uint64_t unfinished;
	uint64_t results_due;
	bool results_begun, results_gap;
	uint64_t results_next;
	uint64_t pending; /* found in the input */
	uint64_t failures, failures_due, keys, keys_due;
	bool has_state;
};

struct audit {
	struct audited *jobs; /* by id, as they come */
	size_t count, capacity;
};

int audit_new(struct audit **ret, struct error *err)
{
	*ret = mem_zalloc(sizeof(**ret));
	return *ret == NULL ? error_no_memory(err) : 0;
}

void audit_free(struct audit *audit)
{
	if (audit != NULL)
		mem_free(audit->jobs);
	mem_free(audit);
}

static int by_id(const void *a, const void *b)
{
	return memcmp(((const struct audited *)a)->id.bytes,
		((const struct audited *)b)->id.bytes, ID_BYTES);
}

static struct audited *find(const struct audit *audit, const struct id *id)
{
	struct audited wanted = { .id = *id };

	if (audit->count == 0)
		return NULL;
	return bsearch(&wanted, audit->jobs, audit->count, sizeof(wanted), by_id);
}

bool audit_has_job(const struct audit *audit, const struct id *job)
{
	const struct audited *found = find(audit, job);

	return found != NULL && found->has_definition && found->has_record;
}

/* Ids ascend, except where a key was put right. */
static struct audited *add(struct audit *audit, const struct id *id)
{
	struct audited *found = find(audit, id);

	if (found != NULL)
		return found;
	if (audit->count == audit->capacity) {
		size_t capacity = audit->capacity * 2 + 64;
		struct audited *jobs =
			mem_realloc(audit->jobs, capacity * sizeof(audit->jobs[0]));

		if (jobs == NULL)
			return NULL;
		audit->jobs = jobs;
		audit->capacity = capacity;
	}
	found = &audit->jobs[audit->count++];
	*found = (struct audited){ .id = *id };
	if (audit->count > 1 && by_id(&found[-1], found) > 0) {
		qsort(audit->jobs, audit->count, sizeof(audit->jobs[0]), by_id);
		found = find(audit, id);
	}
	return found;
}

static int take_record(struct audited *job, const void *bytes, size_t len)
{
	struct job_record record;
	struct error why;

	if (job_record_decode(bytes, len, &record, &why) < 0)
		return why.code == ERR_NO_MEMORY ? -1 : 0;
	job->has_record = true;
	job->is_over = job_state_is_done((enum job_state)record.state);
	job->is_excused = record.expired || record.erasing || record.ephemeral ||
			  (record.error != NULL && strstr(record.error, AUDIT_KNOWN) != NULL);
	job->results_due = record.results;
	job->failures_due = record.failed;
	job->keys_due = record.uploads;
	job->unfinished = record.received - job_record_finished(&record);
	job_record_done(&record);
	return 0;
}

static void take_input(struct audited *job, const void *bytes, size_t len)
{
	struct block_head head;

	if (block_check(bytes, len, &head, NULL) < 0)
		job->has_lost = true;
	else if (head.kind == BLOCK_RETRIES)
		job->retries = true;
	else
		job->pending += head.count;
}

static void take_done(struct audited *job, const uint8_t *bytes, size_t len)
{
	for (size_t at = 0; at < len; at++)
		job->pending -= MIN(job->pending, (uint64_t)__builtin_popcount(bytes[at]));
}

static void take_results(struct audited *job, uint64_t number, const void *bytes, size_t len)
{
	struct result_view view;

	if (result_view(bytes, len, &view, NULL) < 0) {
		job->has_lost = true;
		return;
	}
	job->results_gap = job->results_gap || number != job->results_next;
	job->results_next = number + view.count;
}

int audit_value(struct audit *audit, unsigned table, const struct lmdb_key *key,
	const void *bytes, size_t len)
{
	uint64_t number = be64_get(key->number);
	struct failure_view failure;
	struct audited *job;
	struct id id;

	memcpy(id.bytes, key->job, ID_BYTES);
	job = table == TABLE_JOBS ? add(audit, &id) : find(audit, &id);
	if (job == NULL)
		return table == TABLE_JOBS ? -1 : 0;
	switch (table) {
	case TABLE_JOBS:
		if (number == JOB_RECORD)
			return take_record(job, bytes, len);
		job->has_definition = true;
		break;
	case TABLE_INPUT:
		take_input(job, bytes, len);
		break;
	case TABLE_DONE:
		take_done(job, bytes, len);
		break;
	case TABLE_RESULTS:
		take_results(job, number, bytes, len);
		break;
	case TABLE_FAILURES:
		if (failure_view(bytes, len, &failure, NULL) < 0)
			job->has_lost = true;
		job->failures++;
		break;
	case TABLE_KEYS:
		job->keys++;
		break;
	case TABLE_STATE:
		job->has_state = true;
		break;
	}
	return 0;
}

void audit_lost(struct audit *audit, const struct id *id)
{
	struct audited *job = find(audit, id);

	if (job != NULL)
		job->has_lost = true;
}

/*
 * What may be missing without a trace. Without an idempotency key items sent again would be
 * taken twice, without its state a source would begin again: such a job must not go on.
 */
static const char *may_have_lost(const struct audited *job, const bool torn[static TABLE_COUNT])
{
	if (torn[TABLE_FAILURES] && job->failures < job->failures_due)
		return "not all of its failures are there";
	if (job->is_over)
		return NULL;
	if (torn[TABLE_KEYS] && job->keys < job->keys_due)
		return "not all of its idempotency keys are there";
	if (torn[TABLE_STATE] && !job->has_state)
		return "the state of its source or sink may be lost";
	/* Where there are retries the input cannot be counted. */
	return (torn[TABLE_INPUT] || torn[TABLE_DONE]) && job->retries
		       ? "parts of its input may be lost"
		       : NULL;
}

/* What is missing, in words; false: nothing. */
static bool describe(
	const struct audited *job, const bool torn[static TABLE_COUNT], char *text, size_t size)
{
	const char *maybe = may_have_lost(job, torn);

	if (!job->has_record || !job->has_definition) {
		snprintf(text, size, "its %s is lost",
			job->has_record ? "definition" : "record");
		return true;
	}
	if (job->is_excused)
		return false;
	if (!job->is_over && !job->retries && job->pending != job->unfinished) {
		snprintf(text, size,
			"%" PRIu64 " items have no outcome, but its input holds %" PRIu64
			" of them",
			job->unfinished, job->pending);
		return true;
	}
	if (job->results_gap || job->results_next != job->results_due) {
		snprintf(text, size, "not all of its %" PRIu64 " results are there",
			job->results_due);
		return true;
	}
	snprintf(text, size, "%s", maybe != NULL ? maybe : "a part of it is damaged");
	return job->has_lost || maybe != NULL;
}

void audit_end(
	struct audit *audit, const bool torn[static TABLE_COUNT], keeping_tell tell, void *arg)
{
	char text[128];

	for (size_t at = 0; at < audit->count; at++)
		if (describe(&audit->jobs[at], torn, text, sizeof(text)))
			tell(arg, FINDING_LOSS, &audit->jobs[at].id, text);
}
