/*
 * Operations on the ledger: how a job's record changes, and what rides along in every
 * transaction (counters of touched jobs, bits of touched blocks).
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/role.h"
#include "engine/append.h"
#include "engine/flush.h"
#include "engine/internal.h"
#include "engine/output.h"

#define NO_ROOM_NS (50 * NS_PER_MS) /* between two looks whether there is some */

/* ---- the transaction's side; commit thread ---- */

void job_touch(struct job *job)
{
	assert_on(ROLE_COMMIT);
	if (!list_empty(&job->touched))
		return;
	job->next.version++;
	list_append(&job->engine->touched_jobs, &job->touched);
}

bool job_is_sealed(const struct job *job)
{
	return job->next.erasing || job_state_is_done((enum job_state)job->next.state);
}

int job_put_state(struct job *job, enum state_of of, const struct buf *state, struct error *err)
{
	job_touch(job);
	return states_put(&job->states, of, state->data, state->len) < 0 ? error_no_memory(err)
									 : 0;
}

void input_touch(struct engine *engine, struct input *input)
{
	if (list_empty(&input->touched))
		list_append(&engine->touched_inputs, &input->touched);
}

/*
 * A block that is done needs no record; one that was never stored and is done already is not
 * written at all, which at full speed saves half of the disk's work.
 */
static int write_input(struct engine *engine, struct ledger *ledger, const struct id *job,
	struct input *input, struct error *err)
{
	const struct ledger_ops *ops = ledger->ops;

	(void)engine;
	if (input->next_count == input->count) {
		input->stored_next = false;
		return input->stored ? ops->drop_input(ledger, job, input->number, err) : 0;
	}
	if (!input->stored && ops->put_input(ledger, job, input->number, input->slab->data,
				      input->size, err) < 0)
		return -1;
	input->stored_next = true;
	if (input->next_count == 0)
		return 0;
	return ops->put_done(
		ledger, job, input->number, input->next, bitmap_size(input->count), err);
}

/* What pass_text() had to move. */
static int have_text(char **to, const char *from)
{
	if (*to == NULL && from != NULL)
		*to = mem_strdup(from);
	return *to == NULL && from != NULL ? -1 : 0;
}

static int write_record(struct job *job, struct ledger *ledger, struct error *err)
{
	struct buf record = BUF_INIT;
	int done;

	if (have_text(&job->next.error, job->stable.error) < 0 ||
		have_text(&job->next.report, job->stable.report) < 0 ||
		job_record_encode(&job->next, &record) < 0)
		done = error_no_memory(err);
	else
		done = ledger->ops->put_job(
			ledger, &job->id, NULL, 0, record.data, record.len, err);
	buf_done(&record);
	return done;
}

static int write_states(struct job *job, struct ledger *ledger, struct error *err)
{
	struct buf stored = BUF_INIT;
	int done;

	if (!states_changed(&job->states))
		return 0;
	if (states_encode(&job->states, &stored) < 0)
		done = error_no_memory(err);
	else
		done = ledger->ops->put_state(ledger, &job->id, stored.data, stored.len, err);
	buf_done(&stored);
	return done;
}

static int before_commit(void *arg, struct ledger *ledger, struct error *err)
{
	struct engine *engine = arg;

	LIST_EACH(&engine->touched_inputs, link)
	{
		struct input *input = LIST_ENTRY(link, struct input, touched);

		if (write_input(engine, ledger, &input->job, input, err) < 0)
			return -1;
	}
	FAULT_POINT("inputs-written");
	LIST_EACH(&engine->touched_jobs, link)
	{
		struct job *job = LIST_ENTRY(link, struct job, touched);

		if (write_record(job, ledger, err) < 0 || write_states(job, ledger, err) < 0)
			return -1;
		FAULT_POINT("record-written");
	}
	return 0;
}

/* A text that cannot be copied for want of memory is moved: write_record() takes it back. */
static void pass_text(char **to, char **from)
{
	char *copy;

	if (*from == NULL || (*to != NULL && strcmp(*to, *from) == 0))
		return;
	copy = mem_strdup(*from);
	mem_free(*to);
	*to = copy != NULL ? copy : TAKE(*from);
}

/* A commit has happened, so this cannot fail. Texts are set and replaced, never unset. */
static void copy_record(struct job_record *to, struct job_record *from)
{
	char *error = TAKE(from->error), *report = TAKE(from->report);
	char *to_error = TAKE(to->error), *to_report = TAKE(to->report);

	job_record_copy(to, from); /* without texts it needs no memory */
	from->error = error;
	from->report = report;
	to->error = to_error;
	to->report = to_report;
	pass_text(&to->error, &from->error);
	pass_text(&to->report, &from->report);
}

static void on_commit(void *arg)
{
	struct engine *engine = arg;

	LIST_EACH(&engine->touched_inputs, link)
	{
		struct input *input = LIST_ENTRY(link, struct input, touched);

		memcpy(input->done, input->next, bitmap_size(input->count));
		input->done_count = input->next_count;
		input->stored = input->stored_next;
		list_remove(link);
	}
	LIST_EACH(&engine->touched_jobs, link)
	{
		struct job *job = LIST_ENTRY(link, struct job, touched);

		copy_record(&job->stable, &job->next);
		states_commit(&job->states);
		pthread_mutex_lock(&job->record_lock);
		copy_record(&job->committed, &job->stable);
		pthread_mutex_unlock(&job->record_lock);
		list_remove(link);
	}
	totals_commit(&engine->totals);
	engine->room.open = 0;
	room_look(engine);
	FAULT_POINT("memory-follows");
}

static void on_abort(void *arg)
{
	struct engine *engine = arg;

	LIST_EACH(&engine->touched_inputs, link)
	{
		struct input *input = LIST_ENTRY(link, struct input, touched);

		memcpy(input->next, input->done, bitmap_size(input->count));
		input->next_count = input->done_count;
		input->stored_next = input->stored;
		list_remove(link);
	}
	LIST_EACH(&engine->touched_jobs, link)
	{
		struct job *job = LIST_ENTRY(link, struct job, touched);

		copy_record(&job->next, &job->stable);
		states_abort(&job->states);
		list_remove(link);
	}
	totals_abort(&engine->totals);
	engine->room.open = 0;
}

static void sooner(uint64_t *again_ns, uint64_t due_ns)
{
	if (due_ns != 0 && (*again_ns == 0 || due_ns < *again_ns))
		*again_ns = due_ns;
}

/* Results for which there is no room stay where they are, so that they hold up nobody else's.
 */
static bool must_wait(struct pipeline *pipeline)
{
	bool waits;

	if (pipeline->flush == NULL || pipeline->stopped)
		return false;
	waits = !flush_finds_room(pipeline->flush, &pipeline->job->next);
	atomic_store_explicit(&pipeline->no_room, waits, memory_order_relaxed);
	return waits;
}

/* Lock held: what is due of one pipeline; it stays on the list while there is more. */
static void gather_from(
	struct pipeline *pipeline, uint64_t now_ns, struct list *ops, uint64_t *again_ns)
{
	struct flush *flush;
	bool waits;

	if (append_due_ns(pipeline) <= now_ns)
		append_release(pipeline, APPEND_ALL);
	waits = must_wait(pipeline);
	flush = pipeline->stopped || waits ? NULL : tail_take(pipeline, now_ns, false);
	if (flush != NULL)
		list_append(ops, &flush->op.link);
	if (!list_empty(&pipeline->lazy))
		sooner(again_ns, append_due_ns(pipeline));
	if (waits && now_ns != UINT64_MAX)
		sooner(again_ns, now_ns + NO_ROOM_NS);
	else if (pipeline->flush != NULL && !pipeline->stopped && pipeline->sink == NULL &&
		 !waits)
		sooner(again_ns, MAX(tail_due_ns(pipeline), 1ull));
	else if (list_empty(&pipeline->lazy))
		return;
	engine_mark_dirty(pipeline);
}

/* Take the flushes that are due; say when to be asked again. */
static uint64_t gather(void *arg, uint64_t now_ns, struct list *ops)
{
	struct engine *engine = arg;
	struct list dirty;
	uint64_t again_ns = 0;

	list_init(&dirty);
	pthread_mutex_lock(&engine->dirty_lock);
	list_move_all(&dirty, &engine->dirty);
	pthread_mutex_unlock(&engine->dirty_lock);
	for (struct list *link; (link = list_pop(&dirty)) != NULL;) {
		struct pipeline *pipeline = LIST_ENTRY(link, struct pipeline, dirty_link);

		pipeline_lock(pipeline);
		pipeline->dirty = false;
		gather_from(pipeline, now_ns, ops, &again_ns);
		pthread_mutex_unlock(&pipeline->lock);
		pipeline_unref(pipeline);
	}
	return again_ns;
}

/* ---- after a round; loop ---- */

void job_committed(struct job *job)
{
	if (!list_empty(&job->touched_loop))
		return;
	job_ref(job);
	list_append(&job->engine->touched_loop, &job->touched_loop);
}

void job_refresh(struct job *job)
{
	struct stored before = output_stored(job), after;
	struct stored *all = &job->engine->stored;

	pthread_mutex_lock(&job->record_lock);
	copy_record(&job->record, &job->committed);
	pthread_mutex_unlock(&job->record_lock);
	after = output_stored(job);
	if (after.results > before.results)
		all->results += after.results - before.results;
	if (after.failures > before.failures)
		all->failures += after.failures - before.failures;
}

static void round_over(void *arg)
{
	struct engine *engine = arg;
	struct list *link;

	assert_on(ROLE_LOOP);
	while ((link = list_pop(&engine->touched_loop)) != NULL) {
		struct job *job = LIST_ENTRY(link, struct job, touched_loop);

		job_refresh(job);
		job_tell(job, job->results_new ? JOB_EVENT_RESULTS : 0);
		job->results_new = false;
		uploads_check_room(job);
		job_check_end(job);
		job_unref(job);
	}
}

struct committer_hooks engine_hooks(struct engine *engine)
{
	return (struct committer_hooks){
		.arg = engine,
		.gather = gather,
		.before_commit = before_commit,
		.on_commit = on_commit,
		.on_abort = on_abort,
		.round = round_over,
	};
}

/* ---- changes of a job's record ---- */

struct submitted {
	struct commit_op op;
	struct list impatient;
	struct job *job; /* a reference */
	struct job_op what;
};

static int change_apply(struct commit_op *op, struct ledger *ledger, struct error *err)
{
	struct submitted *submitted = CONTAINER_OF(op, struct submitted, op);
	struct job *job = submitted->job;
	const char *definition = submitted->what.definition;
	struct item_totals before = totals_before(&job->next);

	if (job->next.erasing)
		return 0; /* its records go away, or are gone */
	job_touch(job);
	FAULT_POINT("change-applied");
	if (submitted->what.change != NULL &&
		submitted->what.change(&job->next, &submitted->what.args) < 0)
		return error_no_memory(err);
	totals_after(&job->engine->totals, &before, &job->next);
	if (job_state_is_done((enum job_state)job->next.state) && job->next.expires_ms == 0)
		job->next.expires_ms = job->next.finished_ms + job->def->retention_ms;
	if (definition == NULL)
		return 0;
	return ledger->ops->put_job(
		ledger, &job->id, definition, strlen(definition), NULL, 0, err);
}

static void submitted_free(struct submitted *submitted)
{
	mem_free(submitted->what.definition);
	mem_free(submitted->what.args.text);
	job_unref(submitted->job);
	mem_free(submitted);
}

static void change_done(struct commit_op *op, const struct error *err)
{
	struct submitted *submitted = CONTAINER_OF(op, struct submitted, op);
	struct job *job = submitted->job;

	assert_on(ROLE_LOOP);
	list_remove(&submitted->impatient);
	FAULT_POINT("change-home");
	if (err == NULL) {
		job_refresh(job);
		job_committed(job);
	}
	if (submitted->what.then != NULL)
		submitted->what.then(job, err);
	if (submitted->what.reply != NULL)
		submitted->what.reply(submitted->what.arg, job, err);
	submitted_free(submitted);
}

/*
 * What was asked for is done and will be stored, but that can take as long as the disk stays
 * full; a client that waits learns why, and by asking again it learns when.
 */
void ops_answer_impatient(struct engine *engine)
{
	struct error why, err;
	struct list *link;

	if (list_empty(&engine->impatient) || committer_is_healthy(engine->committer, &why))
		return;
	error_set(&err, why.code, "%s; what was asked for is in force, and is stored then",
		why.text);
	while ((link = list_pop(&engine->impatient)) != NULL) {
		struct submitted *submitted = LIST_ENTRY(link, struct submitted, impatient);
		job_reply reply = TAKE(submitted->what.reply);

		reply(submitted->what.arg, submitted->job, &err);
	}
}

static void release_appends(struct job *job)
{
	if (job->pipeline == NULL)
		return;
	pipeline_lock(job->pipeline);
	append_release(job->pipeline, APPEND_ALL);
	pthread_mutex_unlock(&job->pipeline->lock);
}

int job_submit(struct job *job, struct job_op op, struct error *err)
{
	struct submitted *submitted = mem_zalloc(sizeof(*submitted));

	assert_on(ROLE_LOOP);
	if (submitted == NULL) {
		mem_free(op.definition);
		mem_free(op.args.text);
		return error_no_memory(err);
	}
	list_init(&submitted->op.link);
	list_init(&submitted->impatient);
	submitted->op.apply = change_apply;
	submitted->op.done = change_done;
	submitted->op.bytes = 1024 + (op.definition == NULL ? 0 : strlen(op.definition));
	submitted->op.must = op.must;
	submitted->job = job_ref(job);
	submitted->what = op;
	if (op.impatient && op.reply != NULL)
		list_append(&job->engine->impatient, &submitted->impatient);
	release_appends(job); /* what was taken comes before what is asked for later */
	if (op.stops)
		job_stop_pipeline(job);
	committer_submit(job->engine->committer, &submitted->op);
	return 0;
}
