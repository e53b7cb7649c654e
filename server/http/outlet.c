#include "http/outlet.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/metrics.h"
#include "http/request.h"

#define PAGE_MIN     ((size_t)64 << 10)
#define PAGE_MAX     ((size_t)1 << 20)
#define RENDER_CHUNK ((size_t)32 << 10)
#define FAST_NS      (100 * NS_PER_MS) /* a page read that quickly may be larger next time */

static void go_on(struct outlet *outlet);

/* ---- life ---- */

static uint64_t committed(const struct outlet *outlet)
{
	const struct job_record *record = job_record(outlet->render.job);

	return outlet->render.log == LEDGER_RESULTS ? record->results : record->next_failure;
}

static void on_event(struct job_watch *watch, struct job *job, unsigned events)
{
	struct outlet *outlet = CONTAINER_OF(watch, struct outlet, watch);

	if ((events & JOB_EVENT_DELETED) != 0)
		outlet_finish(outlet);
	else if ((events & (JOB_EVENT_RESULTS | JOB_EVENT_STATE)) != 0 && outlet->dry)
		go_on(outlet);
}

int outlet_open(struct outlet *outlet, uint64_t next, struct error *err)
{
	struct job *job = (struct job *)(uintptr_t)outlet->render.job;

	if (reader_open(job, outlet->render.log, next, &outlet->reader, err) < 0)
		return -1;
	job_ref(job);
	outlet->watch = (struct job_watch){ .fn = on_event };
	outlet->until = UINT64_MAX;
	outlet->left = outlet->limit;
	outlet->page_bytes = PAGE_MIN;
	job_watch(job, &outlet->watch);
	return 0;
}

void outlet_close(struct outlet *outlet)
{
	render_done(&outlet->render);
	if (outlet->reader == NULL)
		return;
	job_unwatch(&outlet->watch);
	reader_close(outlet->reader);
	outlet->reader = NULL;
	buf_done(&outlet->out);
	job_unref((struct job *)(uintptr_t)outlet->render.job);
}

void outlet_finish(struct outlet *outlet)
{
	outlet->over = true;
	outlet->wake(outlet->arg);
}

/* ---- pages ---- */

/* Something was committed that has not been read. */
static bool has_news(const struct outlet *outlet)
{
	return !outlet->over && outlet->left > 0 &&
	       committed(outlet) > reader_next(outlet->reader);
}

static bool page_has_more(const struct outlet *outlet)
{
	return outlet->page != NULL && outlet->run < outlet->page->run_count;
}

bool outlet_is_started(const struct outlet *outlet)
{
	return outlet->page != NULL || outlet->dry || outlet->failed || outlet->over;
}

bool outlet_has_values(const struct outlet *outlet)
{
	return page_has_more(outlet);
}

bool outlet_is_at_end(const struct outlet *outlet)
{
	return !page_has_more(outlet) && reader_at_end(outlet->reader);
}

static void count_read(const struct outlet *outlet, uint64_t count)
{
	struct traffic *traffic = engine_traffic(job_engine(outlet->render.job));

	if (outlet->render.log == LEDGER_RESULTS)
		traffic->results_read += count;
	else
		traffic->failures_read += count;
}

static void take_page(struct outlet *outlet, const struct page *page)
{
	outlet->dry = page->count == 0;
	outlet->page = outlet->dry ? NULL : page;
	outlet->run = outlet->offset = 0;
	outlet->index = 0;
	outlet->sent += page->count;
	count_read(outlet, page->count);
	outlet->page_ns = clock_mono_ns();
	if (outlet->left != UINT64_MAX)
		outlet->left -= page->count;
	if (outlet->dry)
		reader_trim(outlet->reader);
}

static void on_page(void *arg, const struct page *page, const struct error *err)
{
	struct outlet *outlet = arg;

	outlet->fetching = false;
	if (err != NULL) {
		outlet->failed = true;
		outlet->err = *err;
	} else {
		take_page(outlet, page);
		if (outlet->dry && has_news(outlet)) {
			go_on(outlet);
			return;
		}
	}
	outlet->wake(outlet->arg);
}

/* The next one may be larger if this one was full and went out quickly. */
static void adapt(struct outlet *outlet)
{
	if (outlet->page == NULL)
		return;
	if (clock_mono_ns() - outlet->page_ns > FAST_NS)
		outlet->page_bytes = PAGE_MIN;
	else if (outlet->page->bytes.len >= outlet->page_bytes)
		outlet->page_bytes = MIN(outlet->page_bytes * 2, PAGE_MAX);
}

/* Who does not follow gets what was there when the first page was read. */
static void fix_end(struct outlet *outlet)
{
	if (outlet->follow || outlet->until != UINT64_MAX)
		return;
	outlet->until = committed(outlet);
	if (outlet->render.log == LEDGER_RESULTS)
		outlet->left = MIN(outlet->left, outlet->until - reader_next(outlet->reader));
}

static void fetch(struct outlet *outlet)
{
	adapt(outlet);
	fix_end(outlet);
	outlet->page = NULL;
	outlet->dry = false;
	if (reader_fetch(outlet->reader, outlet->left, outlet->page_bytes, on_page, outlet,
		    &outlet->err) == 0)
		outlet->fetching = true;
	else
		outlet->failed = true;
}

/* Fetch if there is something; else an owner that waits for the end wants to know. */
static void go_on(struct outlet *outlet)
{
	if (has_news(outlet)) {
		fetch(outlet);
		if (!outlet->failed)
			return;
	}
	outlet->dry = true;
	outlet->wake(outlet->arg);
}

static bool is_over(const struct outlet *outlet)
{
	if (outlet->over || outlet->left == 0)
		return true;
	if (outlet->follow)
		return reader_at_end(outlet->reader);
	/* No end was fixed: nothing was there to be fetched. */
	return outlet->until == UINT64_MAX || reader_next(outlet->reader) >= outlet->until;
}

void outlet_start(struct outlet *outlet)
{
	go_on(outlet);
}

/* ---- bytes ---- */

static bool is_raw(const struct outlet *outlet)
{
	const struct render *render = &outlet->render;

	return render->form == RENDER_LINES && render->log == LEDGER_RESULTS &&
	       !render->envelope;
}

/* Runs of lines as they are. */
static size_t copy_runs(struct outlet *outlet, char *to, size_t max)
{
	size_t done = 0, len;

	while (done < max && page_has_more(outlet)) {
		const struct page_run *run = &outlet->page->runs[outlet->run];

		len = MIN(run->len - outlet->offset, max - done);
		memcpy(to + done, outlet->page->bytes.data + run->at + outlet->offset, len);
		done += len;
		outlet->offset += len;
		if (outlet->offset == run->len) {
			outlet->run++;
			outlet->offset = 0;
		}
	}
	return done;
}

static int render_some(struct outlet *outlet)
{
	struct page_line line;

	buf_clear(&outlet->out);
	outlet->at = 0;
	while (outlet->out.len < RENDER_CHUNK && page_has_more(outlet) &&
		page_next_line(
			outlet->page, &outlet->run, &outlet->index, &outlet->offset, &line))
		if (render_value(&outlet->render, &line, &outlet->out) < 0)
			return -1;
	return 0;
}

static size_t copy_out(struct outlet *outlet, char *to, size_t max)
{
	size_t len = MIN(outlet->out.len - outlet->at, max);

	if (len > 0)
		memcpy(to, outlet->out.data + outlet->at, len);
	outlet->at += len;
	return len;
}

static int begin(struct outlet *outlet)
{
	if (outlet->begun)
		return 0;
	outlet->begun = true;
	return render_begin(&outlet->render, &outlet->out);
}

/* What stands behind the last value, once. */
static ssize_t end(struct outlet *outlet, char *to, size_t max)
{
	char cursor[CURSOR_TEXT_SIZE] = "";
	uint64_t next = reader_next(outlet->reader);
	size_t len;

	if (outlet->render.form == RENDER_PAGE) {
		buf_clear(&outlet->out);
		outlet->at = 0;
		if (next > 0)
			cursor_format(outlet->render.job, outlet->render.log, next - 1, cursor);
		if (render_end(&outlet->render, next > 0 ? cursor : NULL,
			    outlet_is_at_end(outlet), &outlet->out) < 0)
			return READ_CUT;
		outlet->render.form = RENDER_LINES; /* it is written */
	}
	len = copy_out(outlet, to, max);
	return len > 0 ? (ssize_t)len : READ_END;
}

/* The page is used up. */
static ssize_t read_on(struct outlet *outlet, char *to, size_t max)
{
	if (outlet->failed)
		return READ_CUT;
	if (outlet->fetching)
		return READ_WAIT;
	if (is_over(outlet))
		return end(outlet, to, max);
	if (has_news(outlet)) {
		fetch(outlet);
		return outlet->failed ? READ_CUT : READ_WAIT;
	}
	if (!outlet->dry) {
		outlet->dry = true;
		outlet->page = NULL;
		reader_trim(outlet->reader);
		buf_done(&outlet->out);
		outlet->at = 0;
	}
	return READ_IDLE;
}

static ssize_t read_more(struct outlet *outlet, char *to, size_t max)
{
	size_t len = 0;

	while (len == 0 && page_has_more(outlet)) {
		if (is_raw(outlet)) {
			len = copy_runs(outlet, to, max);
		} else {
			if (render_some(outlet) < 0)
				return READ_CUT;
			len = copy_out(outlet, to, max);
		}
	}
	return len > 0 ? (ssize_t)len : read_on(outlet, to, max);
}

ssize_t outlet_read(struct outlet *outlet, char *to, size_t max)
{
	size_t done = 0;
	ssize_t more;

	if (!outlet->cut && begin(outlet) < 0)
		outlet->cut = true;
	if (outlet->cut)
		return READ_CUT;
	do {
		more = (ssize_t)copy_out(outlet, to + done, max - done);
		if (more == 0)
			more = read_more(outlet, to + done, max - done);
		if (more > 0)
			done += (size_t)more;
	} while (more > 0 && done < max);
	/* What stands before the cut goes out; half of a value is still in `out`. */
	outlet->cut = more == READ_CUT;
	return done > 0 ? (ssize_t)done : more;
}

void outlet_comment(struct outlet *outlet, const char *text)
{
	if (page_has_more(outlet) || outlet->at < outlet->out.len)
		return;
	buf_clear(&outlet->out);
	outlet->at = 0;
	if (buf_append_str(&outlet->out, text) == 0)
		outlet->wake(outlet->arg);
}
