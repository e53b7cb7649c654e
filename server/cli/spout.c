#include "cli/spout.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/role.h"
#include "cli/pool_io.h"

#define PAGE_BYTES (512u << 10)

struct spout {
	struct spout_config config;
	struct job *job;
	struct reader *reader;
	struct pool_io io;
	struct pool_stop stop;
	struct buf text;     /* what was rendered */
	struct iovec *parts; /* the lines of a page as they are */
	unsigned part_max;
	uint64_t written, coming; /* numbers of the next value, and of that behind the page */
	bool fetching, again, over, stopped;
};

static void end(struct spout *spout, const struct error *err, int code)
{
	if (spout->over)
		return;
	spout->over = true;
	if (spout->reader != NULL)
		reader_close(TAKE(spout->reader));
	spout->config.ended(spout->config.arg, err, code);
}

static void end_without_memory(struct spout *spout)
{
	struct error err;

	error_no_memory(&err);
	end(spout, &err, 0);
}

static int lines_as_they_are(struct spout *spout, const struct page *page)
{
	if (page->run_count > spout->part_max) {
		struct iovec *parts =
			mem_realloc(spout->parts, page->run_count * sizeof(*parts));

		if (parts == NULL)
			return -1;
		spout->parts = parts;
		spout->part_max = (unsigned)page->run_count;
	}
	for (size_t i = 0; i < page->run_count; i++)
		spout->parts[i] =
			(struct iovec){ .iov_base = page->bytes.data + page->runs[i].at,
				.iov_len = page->runs[i].len };
	pool_io_write(&spout->io, spout->parts, (unsigned)page->run_count);
	return 0;
}

static int rendered(struct spout *spout, const struct page *page)
{
	buf_clear(&spout->text);
	if (spout->config.render(spout->config.arg, page, &spout->text) < 0)
		return -1;
	spout->io.single =
		(struct iovec){ .iov_base = spout->text.data, .iov_len = spout->text.len };
	pool_io_write(&spout->io, &spout->io.single, 1);
	return 0;
}

static void on_page(void *arg, const struct page *page, const struct error *err)
{
	struct spout *spout = arg;
	int failed;

	spout->fetching = false;
	if (err != NULL) {
		end(spout, err, 0);
		return;
	}
	if (page->count == 0) {
		if (reader_at_end(spout->reader))
			end(spout, NULL, 0);
		else if (spout->again)
			spout_wake(spout);
		return;
	}
	spout->coming = page->next;
	failed = spout->config.render != NULL ? rendered(spout, page)
					      : lines_as_they_are(spout, page);
	if (failed < 0)
		end_without_memory(spout);
}

static void write_failed(struct spout *spout, int code)
{
	struct error err;

	error_set(&err, ERR_INTERNAL, "the output cannot be written: %s", strerror(code));
	end(spout, &err, code);
}

/* What was written is not needed any more; that it cannot be trimmed harms only memory. */
static void trim(struct spout *spout)
{
	uint64_t from = spout->written;
	struct error err;

	spout->written = spout->coming;
	if (spout->config.log == LEDGER_RESULTS)
		job_trim_results(spout->job, spout->written, &err);
	else
		job_trim_failures(spout->job, from, spout->written, &err);
}

static void on_written(void *arg, ssize_t result)
{
	struct spout *spout = arg;

	if (spout->stopped)
		end(spout, NULL, 0);
	else if (result < 0)
		write_failed(spout, (int)-result);
	if (spout->over)
		return;
	trim(spout);
	spout_wake(spout);
	if (spout->config.wrote != NULL)
		spout->config.wrote(spout->config.arg);
}

void spout_wake(struct spout *spout)
{
	struct error err;

	assert_on(ROLE_LOOP);
	spout->again = true;
	if (spout->over || spout->fetching || spout->io.busy)
		return;
	spout->again = false;
	spout->fetching = true;
	if (reader_fetch(spout->reader, UINT64_MAX, PAGE_BYTES, on_page, spout, &err) < 0) {
		spout->fetching = false;
		end(spout, &err, 0);
	}
}

void spout_stop(struct spout *spout)
{
	spout->stopped = true;
	if (spout->io.busy)
		pool_stop_now(&spout->stop);
	else
		end(spout, NULL, 0);
}

int spout_open(const struct spout_config *config, struct job *job, struct spout **ret,
	struct error *err)
{
	struct spout *spout = mem_zalloc(sizeof(*spout));

	if (spout == NULL)
		return error_no_memory(err);
	spout->config = *config;
	spout->job = job_ref(job);
	spout->stop.fd = -1;
	spout->io = (struct pool_io){ .loop = config->loop,
		.stop = &spout->stop,
		.fd = config->fd,
		.arg = spout,
		.done = on_written };
	if (pool_stop_init(&spout->stop, err) < 0 ||
		reader_open(job, config->log, 0, &spout->reader, err) < 0) {
		spout_free(spout);
		return -1;
	}
	*ret = spout;
	return 0;
}

void spout_free(struct spout *spout)
{
	if (spout == NULL)
		return;
	assert(!spout->io.busy);
	if (spout->reader != NULL)
		reader_close(spout->reader);
	pool_stop_done(&spout->stop);
	buf_done(&spout->text);
	mem_free(spout->parts);
	job_unref(spout->job);
	mem_free(spout);
}

uint64_t spout_next(const struct spout *spout)
{
	return spout->written;
}
