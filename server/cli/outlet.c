#include "cli/outlet.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/role.h"
#include "cli/pool_io.h"

#define PAGE_BYTES (512u << 10)

struct outlet {
	struct outlet_config config;
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

static void end(struct outlet *outlet, const struct error *err, int code)
{
	if (outlet->over)
		return;
	outlet->over = true;
	if (outlet->reader != NULL)
		reader_close(TAKE(outlet->reader));
	outlet->config.ended(outlet->config.arg, err, code);
}

static void end_without_memory(struct outlet *outlet)
{
	struct error err;

	error_no_memory(&err);
	end(outlet, &err, 0);
}

static int lines_as_they_are(struct outlet *outlet, const struct page *page)
{
	if (page->run_count > outlet->part_max) {
		struct iovec *parts =
			mem_realloc(outlet->parts, page->run_count * sizeof(*parts));

		if (parts == NULL)
			return -1;
		outlet->parts = parts;
		outlet->part_max = (unsigned)page->run_count;
	}
	for (size_t i = 0; i < page->run_count; i++)
		outlet->parts[i] =
			(struct iovec){.iov_base = page->bytes.data + page->runs[i].at,
				.iov_len = page->runs[i].len};
	pool_io_write(&outlet->io, outlet->parts, (unsigned)page->run_count);
	return 0;
}

static int rendered(struct outlet *outlet, const struct page *page)
{
	buf_clear(&outlet->text);
	if (outlet->config.render(outlet->config.arg, page, &outlet->text) < 0)
		return -1;
	outlet->io.single =
		(struct iovec){.iov_base = outlet->text.data, .iov_len = outlet->text.len};
	pool_io_write(&outlet->io, &outlet->io.single, 1);
	return 0;
}

static void on_page(void *arg, const struct page *page, const struct error *err)
{
	struct outlet *outlet = arg;
	int failed;

	outlet->fetching = false;
	if (err != NULL) {
		end(outlet, err, 0);
		return;
	}
	if (page->count == 0) {
		if (reader_at_end(outlet->reader))
			end(outlet, NULL, 0);
		else if (outlet->again)
			outlet_wake(outlet);
		return;
	}
	outlet->coming = page->next;
	failed = outlet->config.render != NULL ? rendered(outlet, page)
					       : lines_as_they_are(outlet, page);
	if (failed < 0)
		end_without_memory(outlet);
}

static void write_failed(struct outlet *outlet, int code)
{
	struct error err;

	error_set(&err, ERR_INTERNAL, "the output cannot be written: %s", strerror(code));
	end(outlet, &err, code);
}

/* What was written is not needed any more; that it cannot be trimmed harms only memory. */
static void trim(struct outlet *outlet)
{
	struct error err;

	if (outlet->config.log == LEDGER_RESULTS)
		job_trim_results(outlet->job, outlet->written, &err);
}

static void on_written(void *arg, ssize_t result)
{
	struct outlet *outlet = arg;

	if (outlet->stopped)
		end(outlet, NULL, 0);
	else if (result < 0)
		write_failed(outlet, (int)-result);
	if (outlet->over)
		return;
	outlet->written = outlet->coming;
	trim(outlet);
	outlet_wake(outlet);
	if (outlet->config.wrote != NULL)
		outlet->config.wrote(outlet->config.arg);
}

void outlet_wake(struct outlet *outlet)
{
	struct error err;

	assert_on(ROLE_LOOP);
	outlet->again = true;
	if (outlet->over || outlet->fetching || outlet->io.busy)
		return;
	outlet->again = false;
	outlet->fetching = true;
	if (reader_fetch(outlet->reader, UINT64_MAX, PAGE_BYTES, on_page, outlet, &err) < 0) {
		outlet->fetching = false;
		end(outlet, &err, 0);
	}
}

void outlet_stop(struct outlet *outlet)
{
	outlet->stopped = true;
	if (outlet->io.busy)
		pool_stop_now(&outlet->stop);
	else
		end(outlet, NULL, 0);
}

int outlet_open(const struct outlet_config *config, struct job *job, struct outlet **ret,
	struct error *err)
{
	struct outlet *outlet = mem_zalloc(sizeof(*outlet));

	if (outlet == NULL)
		return error_no_memory(err);
	outlet->config = *config;
	outlet->job = job_ref(job);
	outlet->stop.fd = -1;
	outlet->io = (struct pool_io){.loop = config->loop,
		.stop = &outlet->stop,
		.fd = config->fd,
		.arg = outlet,
		.done = on_written};
	if (pool_stop_init(&outlet->stop, err) < 0 ||
		reader_open(job, config->log, 0, &outlet->reader, err) < 0) {
		outlet_free(outlet);
		return -1;
	}
	*ret = outlet;
	return 0;
}

void outlet_free(struct outlet *outlet)
{
	if (outlet == NULL)
		return;
	assert(!outlet->io.busy);
	if (outlet->reader != NULL)
		reader_close(outlet->reader);
	pool_stop_done(&outlet->stop);
	buf_done(&outlet->text);
	mem_free(outlet->parts);
	job_unref(outlet->job);
	mem_free(outlet);
}

uint64_t outlet_next(const struct outlet *outlet)
{
	return outlet->written;
}
