#include "driver_parts.h"

#include <stdio.h>

#include "base/clock.h"
#include "engine/internal.h"
#include "probes.h"

#define STUCK_NS (20 * NS_PER_S)
#define CHANCES  200 /* steps in which something may be done to the job */

/* ---- life ---- */

static void share_lines(struct driver *driver)
{
	unsigned first = 0, count = driver->plan.line_count;

	driver->sender_count =
		driver->plan.source
			? 0
			: (unsigned)rng_below(&driver->rng, driver->rules.senders) + 1;
	for (unsigned at = 0; at < driver->sender_count; at++) {
		unsigned upto =
			at + 1 == driver->sender_count
				? count
				: first + (unsigned)rng_below(&driver->rng, count - first + 1);

		sender_init(&driver->senders[at], driver, first, upto);
		first = upto;
	}
}

void driver_init(struct driver *driver, struct rig *rig, uint64_t seed,
	const struct driver_rules *rules, unsigned slot)
{
	*driver = (struct driver){ .rig = rig, .rng = { seed }, .rules = *rules };
	plan_make(&driver->plan, &driver->rng, &rules->plan, slot);
	model_init(&driver->model, &driver->plan);
	driver->blanks = rng_percent(&driver->rng, 30);
	driver->want_cancel = rules->cancels && rng_percent(&driver->rng, 10);
	driver->want_delete = rules->cancels && rng_percent(&driver->rng, 10);
	driver->numbered = rules->plan.numbered;
	driver->lost = rules->faults;
	driver->chances = CHANCES;
	driver->moved_at_ns = clock_mono_ns();
	atomic_store(&probe_healed[slot], false);
	share_lines(driver);
}

static void forget_read(struct driver *driver)
{
	for (size_t at = 0; at < driver->result_count; at++)
		free(driver->results[at].text);
	for (size_t at = 0; at < driver->failure_count; at++)
		free(driver->failures[at].input);
	free(driver->results);
	free(driver->failures);
	driver->results = NULL;
	driver->failures = NULL;
	driver->result_count = driver->failure_count = 0;
	driver->reading_failures = driver->read_all = false;
}

void driver_done(struct driver *driver)
{
	forget_read(driver);
	model_done(&driver->model);
	plan_done(&driver->plan);
}

bool driver_is_over(const struct driver *driver)
{
	return driver->state == DRIVER_OVER;
}

static void enter(struct driver *driver, enum driver_state state)
{
	driver->state = state;
	driver->moved_at_ns = clock_mono_ns();
}

static struct job *find_job(const struct driver *driver)
{
	return driver->has_id && driver->rig->engine != NULL
		       ? engine_find(driver->rig->engine, &driver->id)
		       : NULL;
}

/* ---- what may go wrong ---- */

bool driver_forgives(const struct driver *driver, const struct error *why)
{
	if (driver->rig->engine == NULL || why->code == ERR_DRAINING)
		return driver->restarted;
	return driver->rules.faults &&
	       (why->code == ERR_DISK_FULL || why->code == ERR_STORE ||
		       why->code == ERR_NO_MEMORY || why->code == ERR_JOB_STAGE);
}

bool driver_job_is_ending(const struct driver *driver)
{
	const struct job *job = find_job(driver);

	return job == NULL ? driver->cancelled
			   : job_is_done(job) || job_state(job) == JOB_FINISHING;
}

static void must_forgive(const struct driver *driver, const struct error *why)
{
	MUST(driver_forgives(driver, why), "%d: %s", why->code, why->text);
}

/* ---- create ---- */

static struct definition *make_definition(struct driver *driver)
{
	json_t *json = plan_definition(&driver->plan);
	struct definition *definition = NULL;
	struct mistakes mistakes;
	struct error err;

	mistakes_init(&mistakes);
	if (definition_parse(json, registry_catalog(driver->rig->registry),
		    &definition_rules_default, &mistakes, &definition, &err) < 0) {
		MUST(mistakes.count == 0, "%s %s", mistakes.items[0].pointer,
			mistakes.items[0].detail);
		must_forgive(driver, &err);
		definition = NULL;
	}
	mistakes_done(&mistakes);
	json_decref(json);
	return definition;
}

static void on_created(void *arg, struct job *job, const struct error *err)
{
	struct driver *driver = arg;

	driver->asked--;
	if (err != NULL) {
		/* A stage may have found no memory when it was opened. */
		MUST(driver_forgives(driver, err) ||
				(driver->rules.faults && err->code == ERR_DEFINITION),
			"%d: %s", err->code, err->text);
		enter(driver, DRIVER_NEW);
		return;
	}
	driver->id = *job_id(job);
	driver->has_id = true;
	enter(driver, DRIVER_SENDING);
}

static bool create(struct driver *driver)
{
	struct definition *definition = make_definition(driver);
	struct error err;

	if (definition == NULL)
		return false;
	enter(driver, DRIVER_CREATING);
	driver->asked++;
	if (engine_create(driver->rig->engine, definition, false, NULL, "", on_created, driver,
		    &err) == 0)
		return true;
	driver->asked--;
	enter(driver, DRIVER_NEW);
	must_forgive(driver, &err);
	return false;
}

/* ---- while it runs ---- */

static void on_reply(void *arg, struct job *job, const struct error *err)
{
	struct driver *driver = arg;

	driver->asked--;
	if (err != NULL)
		must_forgive(driver, err);
}

/* What a call to the job says when the job has just ended by itself is no mistake. */
static void asked(struct driver *driver, int done, const struct error *err)
{
	if (done == 0)
		driver->asked++;
	else if (err->code != ERR_STATE_CONFLICT)
		must_forgive(driver, err);
}

static void patch(struct driver *driver, struct job *job)
{
	const struct plan_stage *stage =
		&driver->plan.stages[rng_below(&driver->rng, driver->plan.count)];
	json_t *json = json_pack("{s:{s:{s:i}}}", "stages", stage->name, "workers",
		(int)RNG_PICK(&driver->rng, 1, 2, 5, 16));
	struct mistakes mistakes;
	struct error err;

	mistakes_init(&mistakes);
	driver->patched = true;
	asked(driver, job_patch(job, json, &mistakes, on_reply, driver, &err), &err);
	mistakes_done(&mistakes);
	json_decref(json);
}

static void on_peeked(void *arg, const struct page *page, const struct error *err)
{
	struct driver *driver = arg;

	driver->fetching = false;
	if (err != NULL)
		must_forgive(driver, err);
	reader_close(driver->reader);
	driver->reader = NULL;
}

/* Read a page somewhere; sometimes the reader goes away before it comes. */
static void peek(struct driver *driver, struct job *job)
{
	uint64_t next = rng_below(&driver->rng, job_record(job)->results + 1);
	struct error err;

	if (driver->reader != NULL)
		return;
	if (reader_open(job, LEDGER_RESULTS, next, &driver->reader, &err) < 0) {
		driver->reader = NULL;
		must_forgive(driver, &err);
		return;
	}
	driver->fetching = reader_fetch(driver->reader, 5, 1000, on_peeked, driver, &err) == 0;
	if (!driver->fetching)
		must_forgive(driver, &err);
	if (!driver->fetching || rng_percent(&driver->rng, 30)) {
		reader_close(driver->reader);
		driver->reader = NULL;
		driver->fetching = false;
	}
}

static void cancel(struct driver *driver, struct job *job)
{
	struct error err;
	int done = job_cancel(job, on_reply, driver, &err);

	driver->cancelled |= done == 0;
	asked(driver, done, &err);
}

static void on_deleted(void *arg, struct job *job, const struct error *err)
{
	struct driver *driver = arg;

	on_reply(driver, job, err);
	MUST(err != NULL || engine_find(driver->rig->engine, &driver->id) == NULL);
}

static void delete (struct driver *driver, struct job *job)
{
	struct error err;
	int done = job_delete(job, on_deleted, driver, &err);

	if (done == 0)
		enter(driver, DRIVER_DELETING);
	asked(driver, done, &err);
}

/* In the middle of it all: what it held must go, and nobody may write behind it. */
static void delete_early(struct driver *driver, struct job *job)
{
	delete (driver, job);
	for (unsigned at = 0; at < driver->sender_count; at++)
		sender_drop(&driver->senders[at]);
}

static void chaos(struct driver *driver, struct job *job)
{
	struct error err;

	driver->chances--;
	switch (rng_below(&driver->rng, 40)) {
	case 0:
		asked(driver, job_pause(job, on_reply, driver, &err), &err);
		break;
	case 1:
	case 2:
	case 3:
		if (job_state(job) == JOB_PAUSED)
			asked(driver, job_resume(job, on_reply, driver, &err), &err);
		break;
	case 4:
		patch(driver, job);
		break;
	case 5:
		peek(driver, job);
		break;
	case 6:
		if (driver->plan.source && rng_percent(&driver->rng, 10))
			asked(driver, job_close_input(job, on_reply, driver, &err), &err);
		break;
	case 7:
		if (driver->want_cancel && !driver->cancelled)
			cancel(driver, job);
		break;
	case 8:
		if (driver->want_delete && driver->asked == 0)
			delete_early(driver, job);
		break;
	default:
		break;
	}
}

static void live(struct driver *driver, struct job *job)
{
	struct error err;

	if (rng_percent(&driver->rng, 20))
		check_look(driver, job);
	if (driver->rules.chaos && !job_is_done(job) && driver->chances > 0)
		chaos(driver, job);
	else if (job_state(job) == JOB_PAUSED && driver->asked == 0)
		asked(driver, job_resume(job, on_reply, driver, &err), &err);
}

/* ---- send, close, wait ---- */

static bool senders_step(struct driver *driver, struct job *job)
{
	unsigned from = driver->sender_count == 0
				? 0
				: (unsigned)rng_below(&driver->rng, driver->sender_count);
	bool finished = true, moved = false;

	for (unsigned n = 0; n < driver->sender_count; n++) {
		struct sender *sender = &driver->senders[(from + n) % driver->sender_count];

		moved |= sender_step(sender, job);
		finished &= sender->finished;
	}
	if (finished)
		enter(driver, driver->plan.source ? DRIVER_WAITING : DRIVER_CLOSING);
	return moved || finished;
}

static bool close_input(struct driver *driver, struct job *job)
{
	struct error err;

	if (driver->asked > 0)
		return false;
	enter(driver, DRIVER_WAITING);
	asked(driver, job_close_input(job, on_reply, driver, &err), &err);
	return true;
}

static bool wait_for_end(struct driver *driver, struct job *job)
{
	if (job != NULL && !job_is_done(job)) {
		/* The store refused to write that the input is closed. */
		if (driver->rules.faults && driver->asked == 0 && !driver->plan.source &&
			job_state(job) == JOB_RUNNING && !job_record(job)->input_closed)
			enter(driver, DRIVER_CLOSING);
		return false;
	}
	if (driver->asked > 0 || driver->reader != NULL)
		return false;
	for (unsigned at = 0; at < driver->sender_count; at++)
		sender_drop(&driver->senders[at]);
	forget_read(driver);
	enter(driver, DRIVER_READING);
	return true;
}

/* ---- read ---- */

static void take_result(struct driver *driver, const struct page_line *line)
{
	driver->results = realloc(
		driver->results, (driver->result_count + 1) * sizeof(driver->results[0]));
	driver->results[driver->result_count++] =
		(struct model_result){ line->item, strndup(line->text, line->len) };
}

static void take_failure(struct driver *driver, const struct page_line *line)
{
	struct failure_view view;
	struct error err;

	MUST(failure_view(line->text, line->len, &view, &err) == 0, "%s", err.text);
	driver->failures = realloc(
		driver->failures, (driver->failure_count + 1) * sizeof(driver->failures[0]));
	driver->failures[driver->failure_count++] =
		(struct model_failure){ .item = view.head.item,
			.part = view.head.part,
			.span_bits = view.head.span_bits,
			.stage = view.head.stage,
			.attempts = view.head.attempts,
			.kind = view.head.kind,
			.had_results = view.head.had_results,
			.input = strndup(view.input, view.head.input_len) };
}

static void on_page(void *arg, const struct page *page, const struct error *err)
{
	struct driver *driver = arg;
	struct page_line line;
	size_t run = 0, offset = 0;
	uint32_t index = 0;

	driver->fetching = false;
	if (err != NULL) {
		must_forgive(driver, err);
		return;
	}
	while (page_next_line(page, &run, &index, &offset, &line)) {
		if (driver->reading_failures)
			take_failure(driver, &line);
		else
			take_result(driver, &line);
	}
}

static void on_retried(void *arg, struct job *job, uint64_t retried, const struct error *err)
{
	struct driver *driver = arg;

	driver->asked--;
	if (err != NULL)
		must_forgive(driver, err);
	else
		driver->retried = true;
	enter(driver, DRIVER_WAITING);
}

static void retry(struct driver *driver, struct job *job)
{
	uint64_t *items = NULL;
	size_t count = 0;
	struct error err;

	/* All of them, by name or not; what has not failed is passed over. */
	if (rng_percent(&driver->rng, 50)) {
		items = calloc(driver->failure_count + 2, sizeof(*items));
		for (; count < driver->failure_count; count++)
			items[count] = driver->failures[count].item;
		items[count++] = 1000000;
	}
	forget_read(driver);
	atomic_store(&probe_healed[driver->plan.slot], true);
	if (!driver->model.healed)
		model_retry(&driver->model);
	enter(driver, DRIVER_RETRYING);
	driver->asked++;
	if (job_retry(job, items, count, on_retried, driver, &err) < 0) {
		driver->asked--;
		must_forgive(driver, &err);
		enter(driver, DRIVER_WAITING);
	}
	free(items);
}

/* All is read: is it right, and what next? */
static void conclude(struct driver *driver, struct job *job)
{
	bool again = driver->rules.retries && !driver->retried &&
		     (driver->model.healed || driver->failure_count > 0) &&
		     job_record(job)->state == JOB_SUCCEEDED;

	if (!driver->model.healed || driver->retried)
		check_outcome(driver, job);
	if (again)
		retry(driver, job);
	else if (rng_percent(&driver->rng, 30))
		delete (driver, job);
	else
		enter(driver, DRIVER_OVER);
}

static void open_reader(struct driver *driver, struct job *job)
{
	struct error err;

	if (reader_open(job, driver->reading_failures ? LEDGER_FAILURES : LEDGER_RESULTS, 0,
		    &driver->reader, &err) == 0)
		return;
	driver->reader = NULL;
	must_forgive(driver, &err);
}

/* It is done, so it may be in the ledger alone. */
static void on_fetched(void *arg, struct job *job, const struct error *err)
{
	struct driver *driver = arg;

	driver->asked--;
	if (err != NULL)
		must_forgive(driver, err);
	else if (!job_is_done(job))
		enter(driver, DRIVER_WAITING);
	else if (driver->read_all)
		conclude(driver, job);
	else
		open_reader(driver, job);
}

static void with_job(struct driver *driver)
{
	struct error err;

	driver->asked++;
	if (engine_fetch(driver->rig->engine, &driver->id, on_fetched, driver, &err) == 0)
		return;
	driver->asked--;
	must_forgive(driver, &err);
}

static bool read_on(struct driver *driver)
{
	struct error err;

	if (driver->fetching || driver->asked > 0)
		return false;
	if (driver->reader == NULL) {
		with_job(driver);
		return false;
	}
	if (!reader_at_end(driver->reader)) {
		driver->fetching = reader_fetch(driver->reader,
					   RNG_PICK(&driver->rng, 1, 10, 1000, 100000),
					   RNG_PICK(&driver->rng, 1, 1000, 100000), on_page,
					   driver, &err) == 0;
		if (!driver->fetching)
			must_forgive(driver, &err);
		return false;
	}
	reader_close(driver->reader);
	driver->reader = NULL;
	driver->read_all = driver->reading_failures;
	driver->reading_failures = true;
	return true;
}

/* ---- delete ---- */

static bool wait_for_erasing(struct driver *driver)
{
	struct ledger *ledger = driver->rig->ledger;
	struct buf definition = BUF_INIT, record = BUF_INIT;
	struct error err;
	bool gone = driver->asked == 0 &&
		    ledger->ops->get_job(ledger, &driver->id, &definition, &record, &err) < 0 &&
		    err.code == ERR_JOB_NOT_FOUND;

	buf_done(&definition);
	buf_done(&record);
	/* Without memory for the erasing itself the next start does it. */
	gone |= driver->rules.faults && driver->asked == 0;
	if (gone)
		enter(driver, DRIVER_OVER);
	return gone;
}

/* ---- steps ---- */

bool driver_step(struct driver *driver)
{
	struct job *job = find_job(driver);

	if (job != NULL && driver->state < DRIVER_READING)
		live(driver, job);
	switch (driver->state) {
	case DRIVER_NEW:
		return create(driver);
	case DRIVER_SENDING:
		if (job != NULL)
			return senders_step(driver, job);
		enter(driver, DRIVER_WAITING);
		return true;
	case DRIVER_CLOSING:
		if (job != NULL)
			return close_input(driver, job);
		enter(driver, DRIVER_WAITING);
		return true;
	case DRIVER_WAITING:
		return wait_for_end(driver, job);
	case DRIVER_READING:
		return read_on(driver);
	case DRIVER_DELETING:
		return wait_for_erasing(driver);
	default:
		return false;
	}
}

/* ---- the engine is closed under it ---- */

static void drop_reader(struct driver *driver)
{
	if (driver->reader != NULL)
		reader_close(driver->reader);
	driver->reader = NULL;
	driver->fetching = false;
}

void driver_before_close(struct driver *driver)
{
	driver->restarted = driver->lost = true;
	for (unsigned at = 0; at < driver->sender_count; at++)
		if (rng_percent(&driver->rng, 50))
			sender_drop(&driver->senders[at]);
	drop_reader(driver);
}

void driver_after_close(struct driver *driver)
{
	MUST(driver->asked == 0, "%u replies never came", driver->asked);
	drop_reader(driver); /* a reply that came at the very end may have opened one */
	for (unsigned at = 0; at < driver->sender_count; at++) {
		sender_drop(&driver->senders[at]);
		if (driver->state <= DRIVER_SENDING)
			driver->senders[at].finished = false;
	}
	if (driver->state == DRIVER_READING)
		forget_read(driver);
	if (driver->state == DRIVER_CLOSING || driver->state == DRIVER_WAITING)
		enter(driver, driver->plan.source || driver->retried || driver->model.healed
				      ? DRIVER_WAITING
				      : DRIVER_CLOSING);
}

/* ---- when it does not go on ---- */

void driver_watch(const struct driver *driver)
{
	if (driver->state != DRIVER_OVER && clock_mono_ns() - driver->moved_at_ns > STUCK_NS)
		rig_die("nothing has happened for %llu s",
			(unsigned long long)(STUCK_NS / NS_PER_S));
}

static void print_pipeline(struct pipeline *pipeline)
{
	pipeline_lock(pipeline);
	printf("# fed %llu begun %llu over %llu released %llu settled %llu in_hand %llu delayed %u\n"
	       "# inbox %s bytes %llu backlog %llu appending %llu cold %d from %llu stored %llu next %llu\n"
	       "# flush %d bytes %llu dirty %d held %llu paused %d stopped %d no_feed %d failure %s\n",
		(unsigned long long)pipeline->fed, (unsigned long long)pipeline->begun,
		(unsigned long long)pipeline->over, (unsigned long long)pipeline->over_released,
		(unsigned long long)pipeline->settled, (unsigned long long)pipeline->in_hand,
		pipeline->delayed_count, list_empty(&pipeline->inbox) ? "empty" : "filled",
		(unsigned long long)pipeline->inbox_bytes,
		(unsigned long long)pipeline->backlog_bytes,
		(unsigned long long)pipeline->appending_bytes, pipeline->cold,
		(unsigned long long)pipeline->cold_from,
		(unsigned long long)pipeline->stored_upto,
		(unsigned long long)pipeline->next_block, pipeline->flush != NULL,
		(unsigned long long)pipeline->flush_bytes, pipeline->dirty,
		(unsigned long long)pipeline->held_bytes, pipeline->paused, pipeline->stopped,
		pipeline->no_feed, pipeline->failure.text);
	for (unsigned at = 0; at < pipeline->count; at++) {
		struct stage_run *run = &pipeline->stages[at];

		printf("# stage %u: queue %u reserved %u delayed %u bytes %llu active %u overflow %u/%u threads %u idle %u\n",
			at, run->queue.count, run->queue.reserved, run->queue.delayed,
			(unsigned long long)run->queue.bytes, run->active, run->overflow_at,
			run->overflow.count, run->threads, run->idle_threads);
	}
	pthread_mutex_unlock(&pipeline->lock);
}

void driver_print(const struct driver *driver)
{
	json_t *definition = plan_definition(&driver->plan), *json;
	struct job *job = find_job(driver);

	printf("# plan: ");
	json_dumpf(definition, stdout, JSON_COMPACT);
	printf("\n# driver: state %d asked %u lines %u reading %d/%d retried %d restarted %d\n",
		driver->state, driver->asked, driver->plan.line_count, driver->fetching,
		driver->reading_failures, driver->retried, driver->restarted);
	for (unsigned at = 0; at < driver->sender_count; at++) {
		const struct sender *sender = &driver->senders[at];

		printf("# sender %u: %u of %u lines, acked %llu%s%s%s%s%s\n", at, sender->at,
			sender->lines, (unsigned long long)sender->acked,
			sender->upload ? " open" : "", sender->flushing ? " flushing" : "",
			sender->broken ? " broken" : "", sender->waits ? " waits" : "",
			sender->finished ? " finished" : "");
	}
	json_decref(definition);
	if (job == NULL)
		return;
	json = job_to_json(job);
	printf("# job: ");
	json_dumpf(json, stdout, JSON_COMPACT);
	printf("\n# job: state %d closing %d reading %d retrying %u resetting %d\n", job->state,
		job->closing, job->reading, job->retrying, job->resetting);
	if (job->pipeline != NULL)
		print_pipeline(job->pipeline);
}
