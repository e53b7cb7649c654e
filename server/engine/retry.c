/*
 * Failed items run again.
 *
 * The failure log is read in pages on libuv's pool; what is chosen goes, in one transaction a
 * page, out of the failure log and into the input log as a block of retries, and the count
 * of failed items goes down by as many. So a crash in the middle leaves each item failed or
 * pending, never both and never neither. A retried part starts at the stage that failed it,
 * with the input that it had there: what other parts of the item have left stays.
 */
#include <stdlib.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/role.h"
#include "engine/append.h"
#include "engine/builder.h"
#include "engine/internal.h"

#define PAGE_ITEMS 512
#define PAGE_BYTES (1u << 20)

struct retry_job {
	uv_work_t work;
	struct job *job; /* a reference */
	uint64_t *items; /* sorted; NULL: all */
	size_t item_count;
	uint64_t next, end; /* of the failure log */
	uint64_t page_from;
	uint64_t retried;
	void (*reply)(void *arg, struct job *job, uint64_t retried, const struct error *err);
	void *reply_arg;

	struct append *append; /* being filled by the page */
	struct builder builder;
	uint64_t page_items, page_bytes, last_item;
	bool any, more;
	int failed;
	struct error err;
};

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool chosen(const struct retry_job *retry, uint64_t item)
{
	return retry->items == NULL ||
	       bsearch(&item, retry->items, retry->item_count, sizeof(item), compare) != NULL;
}

/* ---- one page; pool thread ---- */

static int close_block(struct retry_job *retry)
{
	struct input *input;

	if (retry->builder.slab == NULL)
		return 0;
	input = builder_finish(&retry->builder, BLOCK_RETRIES);
	if (input == NULL)
		return -1;
	if (append_add(retry->append, input) < 0) {
		input_unref_n(input, 1);
		return -1;
	}
	return 0;
}

static int note_dropped(struct append *append, uint64_t seq)
{
	uint64_t *dropped;

	if ((append->dropped_count & (append->dropped_count - 1)) == 0) {
		dropped = mem_realloc(
			append->dropped, (append->dropped_count * 2 + 1) * sizeof(*dropped));
		if (dropped == NULL)
			return -1;
		append->dropped = dropped;
	}
	append->dropped[append->dropped_count++] = seq;
	return 0;
}

static int take_failure(struct retry_job *retry, uint64_t seq, const struct failure_view *view)
{
	const struct failure_head *failure = &view->head;
	struct retry_head head = {
		.item = failure->item,
		.part = failure->part,
		.len = failure->input_len,
		.stage = failure->stage,
		.span_bits = failure->span_bits,
		.had_results = failure->had_results,
	};
	bool same = retry->any && failure->item == retry->last_item;

	/* Parts of one item stay in one block: they are one item there. */
	if (!same &&
		(retry->builder.count >= BLOCK_ITEMS_MAX / 2 ||
			!builder_fits(&retry->builder, sizeof(head) + head.len + 1)) &&
		close_block(retry) < 0)
		return -1;
	if (builder_grow(&retry->builder, sizeof(head) + head.len + 1) < 0 ||
		builder_add_retry(&retry->builder, head, view->input) < 0 ||
		note_dropped(retry->append, seq) < 0)
		return -1;
	if (!same) {
		retry->append->had_failed++;
		retry->page_items++;
	}
	retry->page_bytes += head.len;
	retry->last_item = failure->item;
	retry->any = true;
	return 0;
}

static bool visit(void *arg, uint64_t seq, const void *bytes, size_t len)
{
	struct retry_job *retry = arg;
	struct failure_view view;

	if (seq >= retry->end)
		return false;
	if (failure_view(bytes, len, &view, &retry->err) < 0) {
		retry->failed = 1;
		return false;
	}
	if ((retry->page_items >= PAGE_ITEMS || retry->page_bytes >= PAGE_BYTES) &&
		view.head.item != retry->last_item) {
		retry->more = true;
		return false;
	}
	retry->next = seq + 1;
	if (!chosen(retry, view.head.item))
		return true;
	if (take_failure(retry, seq, &view) == 0) {
		retry->append->dropped_bytes += len;
	} else {
		retry->failed = 1;
		error_no_memory(&retry->err);
	}
	return !retry->failed;
}

static void read_page(uv_work_t *work)
{
	struct retry_job *retry = work->data;
	struct ledger *ledger = retry->job->engine->ledger;

	retry->more = false;
	if (ledger->ops->each_value(ledger, &retry->job->id, LEDGER_FAILURES, retry->next,
		    visit, retry, &retry->err) < 0)
		retry->failed = 1;
	if (!retry->failed && close_block(retry) < 0) {
		retry->failed = 1;
		error_no_memory(&retry->err);
	}
}

/* ---- between pages; loop ---- */

static void finish(struct retry_job *retry, const struct error *err)
{
	struct job *job = retry->job;

	job->retrying--;
	job_refresh(job);
	if (job_is_done(job) && job_state_is_done(job->state) && job->retrying == 0)
		job_retire(job); /* it came to nothing: the pipeline made for it goes again */
	retry->reply(retry->reply_arg, job, retry->retried, err);
	job_check_end(job);
	builder_done(&retry->builder);
	append_free(retry->append);
	mem_free(retry->items);
	job_unref(job);
	mem_free(retry);
}

static void next_page(struct retry_job *retry);
static int restart(struct retry_job *retry, struct error *err);

/* The program ends: what has not begun is left to the next start. */
static bool stop_closing(struct retry_job *retry)
{
	struct error err;

	if (!retry->job->engine->closing)
		return false;
	error_set(&err, ERR_DRAINING, "the server is shutting down");
	finish(retry, &err);
	return true;
}

/* Was the job cancelled, failed or deleted meanwhile? */
static bool lost_pipeline(struct retry_job *retry)
{
	struct job *job = retry->job;

	if (!job->deleted && !job_state_is_done(job->state))
		return false;
	error_set(&retry->err, ERR_STATE_CONFLICT, "the job has ended");
	return true;
}

/* The job was just ending when this was asked for, and has let go of its pipeline since. */
static void start_over(struct retry_job *retry)
{
	append_free(TAKE(retry->append));
	builder_done(&retry->builder);
	retry->builder.count = 0;
	retry->next = retry->page_from;
	if (restart(retry, &retry->err) < 0)
		finish(retry, &retry->err);
}

static void page_written(struct append *append, const struct error *err)
{
	struct retry_job *retry = append->arg;

	FAULT_POINT("retry-written");
	if (err == NULL)
		retry->retried += append->had_failed;
	if (err != NULL || !retry->more)
		finish(retry, err);
	else
		next_page(retry);
}

static void page_read(uv_work_t *work, int status)
{
	struct retry_job *retry = work->data;
	struct append *append = retry->append;
	struct engine *engine = retry->job->engine;

	(void)status;
	engine->reads--;
	if (retry->failed || lost_pipeline(retry)) {
		finish(retry, &retry->err);
	} else if (retry->job->pipeline == NULL) {
		start_over(retry);
	} else if (append->dropped_count == 0) {
		finish(retry, NULL);
	} else {
		append->done = page_written;
		append->arg = retry;
		retry->append = NULL;
		FAULT_POINT("retry-read");
		append_submit(retry->job, append);
	}
	engine_check_drained(engine);
}

static void next_page(struct retry_job *retry)
{
	struct error err;

	if (stop_closing(retry))
		return;
	retry->append = append_new();
	if (retry->append == NULL) {
		error_no_memory(&err);
		finish(retry, &err);
		return;
	}
	retry->page_items = retry->page_bytes = 0;
	retry->page_from = retry->next;
	retry->any = false;
	retry->work.data = retry;
	retry->job->engine->reads++;
	uv_queue_work(retry->job->engine->loop, &retry->work, read_page, page_read);
}

/* ---- the job must be at work ---- */

static void running(void *arg, struct job *job, const struct error *err)
{
	struct retry_job *retry = arg;

	if (err != NULL) {
		finish(retry, err);
		return;
	}
	/* From among those that are done back to the living. */
	if (job->listed)
		engine_unlist_job(job);
	engine_list_job(job);
	next_page(retry);
}

static void begin(struct retry_job *retry)
{
	struct job *job = retry->job;
	struct error err;

	if (stop_closing(retry))
		return;
	if (job->state == JOB_RUNNING || job->state == JOB_PAUSED)
		next_page(retry);
	else if (job_move(job, JOB_RUNNING, (struct job_op){ .reply = running, .arg = retry },
			 &err) < 0)
		finish(retry, &err);
}

/* Back among the living: in the table of those, with a pipeline. */
static void restarted(struct job *job, void *arg, const struct error *err)
{
	struct retry_job *retry = arg;

	if (err != NULL) {
		finish(retry, err);
		return;
	}
	begin(retry);
}

struct state_read {
	uv_work_t work;
	struct retry_job *retry;
	struct buf state;
	struct error err;
	int failed;
};

static void read_state(uv_work_t *work)
{
	struct state_read *read = work->data;
	struct job *job = read->retry->job;

	read->failed = job->engine->ledger->ops->get_state(
			       job->engine->ledger, &job->id, &read->state, &read->err) < 0;
}

static void state_read(uv_work_t *work, int status)
{
	struct state_read *read = work->data;
	struct retry_job *retry = read->retry;

	(void)status;
	retry->job->engine->reads--;
	if (retry->job->pipeline != NULL)
		begin(retry); /* another request was faster */
	else if (read->failed ||
		 job_start_pipeline(retry->job, &read->state, restarted, retry, &read->err) < 0)
		finish(retry, &read->err);
	buf_done(&read->state);
	mem_free(read);
}

static int restart(struct retry_job *retry, struct error *err)
{
	struct state_read *read = mem_zalloc(sizeof(*read));

	if (read == NULL)
		return error_no_memory(err);
	read->work.data = read;
	read->retry = retry;
	retry->job->engine->reads++;
	uv_queue_work(retry->job->engine->loop, &read->work, read_state, state_read);
	return 0;
}

static int copy_items(struct retry_job *retry, const uint64_t *items, size_t count)
{
	if (items == NULL)
		return 0;
	retry->items = mem_alloc((count + 1) * sizeof(items[0]));
	if (retry->items == NULL)
		return -1;
	memcpy(retry->items, items, count * sizeof(items[0]));
	qsort(retry->items, count, sizeof(items[0]), compare);
	retry->item_count = count;
	return 0;
}

int job_retry(struct job *job, const uint64_t *items, size_t count,
	void (*reply)(void *arg, struct job *job, uint64_t retried, const struct error *err),
	void *arg, struct error *err)
{
	struct retry_job *retry;

	assert_on(ROLE_LOOP);
	if (job->state == JOB_FAILED || job->state == JOB_CANCELLED || job->deleted)
		return error_set(err, ERR_STATE_CONFLICT,
			"a job that is %s runs nothing again: make a new one",
			job_state_name(job->state));
	/* Two at once would read the same failures and run them twice. */
	if (job->retrying > 0)
		return error_set(err, ERR_STATE_CONFLICT,
			"failures of this job are being run again at this moment");
	if (job->record.expired)
		return error_set(
			err, ERR_RESULTS_EXPIRED, "retention has removed the failures");
	if (!engine_admits(job->engine, err))
		return -1;
	retry = mem_zalloc(sizeof(*retry));
	if (retry == NULL)
		return error_no_memory(err);
	retry->job = job_ref(job);
	retry->end = job->record.next_failure;
	retry->reply = reply;
	retry->reply_arg = arg;
	if (copy_items(retry, items, count) < 0 ||
		(job->pipeline == NULL && restart(retry, err) < 0)) {
		job_unref(job);
		mem_free(retry->items);
		mem_free(retry);
		return error_no_memory(err);
	}
	job->retrying++;
	if (job->pipeline != NULL)
		begin(retry);
	return 0;
}
