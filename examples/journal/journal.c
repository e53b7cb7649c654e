/* journal: items are appended to a file and pass on once they are on the disk: one sync a
 * batch. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "stage.h"

struct journal_config {
	const char *file;
};

static const struct stage_param journal_config_rows[] = {
	{ "file", STAGE_STRING, .doc = "where the lines are appended",
		.offset = offsetof(struct journal_config, file) },
	{ 0 },
};

struct journal_worker {
	int fd;
};

static enum stage_result journal_open(void *instance, struct stage_ctx *ctx)
{
	const struct journal_config *config = stage_config(ctx);

	if (config->file == NULL)
		return stage_fail(ctx, STAGE_PERMANENT,
			"the server has no file for it (journal.json in stages-d: {\"file\":…})");
	return STAGE_OK;
}

static enum stage_result journal_worker_open(void *instance, struct stage_ctx *ctx)
{
	const struct journal_config *config = stage_config(ctx);
	struct journal_worker *worker = stage_worker(ctx);

	worker->fd = open(config->file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (worker->fd < 0)
		return stage_fail(
			ctx, STAGE_TRANSIENT, "the journal's file: %s", strerror(errno));
	return STAGE_OK;
}

static void journal_worker_close(void *instance, struct stage_ctx *ctx)
{
	const struct journal_worker *worker = stage_worker(ctx);

	close(worker->fd);
}

/* ---- the file ---- */

static int write_whole(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t written = write(fd, text, len);

		if (written < 0 && errno != EINTR)
			return -1;
		if (written > 0) {
			text += written;
			len -= (size_t)written;
		}
	}
	return 0;
}

/* All of it, or nothing: a disk that fills up leaves no half a line behind. */
static int append(int fd, const char *text, size_t len)
{
	int result = -1, why;
	off_t end;

	if (flock(fd, LOCK_EX) < 0) /* other workers write there, too */
		return -1;
	end = lseek(fd, 0, SEEK_END);
	if (end >= 0 && write_whole(fd, text, len) == 0 && fdatasync(fd) == 0)
		result = 0;
	why = errno;
	if (result < 0 && end >= 0 && ftruncate(fd, end) < 0)
		stage_log(NULL, "journal: a part of a batch may stand in the file");
	flock(fd, LOCK_UN);
	errno = why;
	return result;
}

/* ---- the items ---- */

/* In run_batch there are many; in run, ctx is the item's own. */
static size_t count_of(struct stage_ctx *ctx)
{
	return stage_batch_count(ctx) == 0 ? 1 : stage_batch_count(ctx);
}

static struct stage_ctx *item_of(struct stage_ctx *ctx, size_t at)
{
	return stage_batch_count(ctx) == 0 ? ctx : stage_batch_item(ctx, at);
}

#define LINE_SIZE(id_len, len) ((id_len) + (len) + sizeof("{\"item\":\"\",\"value\":}\n"))

static size_t size_of_lines(struct stage_ctx *ctx)
{
	size_t size = 0, len;

	for (size_t at = 0; at < count_of(ctx); at++) {
		stage_input(item_of(ctx, at), &len);
		size += LINE_SIZE(strlen(stage_item_id(item_of(ctx, at))), len);
	}
	return size;
}

static size_t put_lines(struct stage_ctx *ctx, char *lines, size_t size)
{
	size_t used = 0;

	for (size_t at = 0; at < count_of(ctx); at++)
		used += (size_t)snprintf(lines + used, size - used,
			"{\"item\":\"%s\",\"value\":%s}\n", stage_item_id(item_of(ctx, at)),
			stage_input(item_of(ctx, at), NULL));
	return used;
}

static enum stage_result journal_run(void *instance, struct stage_ctx *ctx)
{
	const struct journal_worker *worker = stage_worker(ctx);
	size_t size = size_of_lines(ctx);
	char *lines = stage_scratch(ctx, size);

	if (lines == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "out of memory");
	if (append(worker->fd, lines, put_lines(ctx, lines, size)) < 0)
		return stage_fail(
			ctx, STAGE_TRANSIENT, "the journal's file: %s", strerror(errno));
	for (size_t at = 0; at < count_of(ctx); at++)
		stage_emit_input(item_of(ctx, at)); /* one that cannot has failed by that */
	return STAGE_OK;
}

STAGE(.name = "journal", .version = "1.0.0",
	.summary = "Append items to a file of the server, and pass them on",
	.threads = STAGE_BLOCKING, .worker_size = sizeof(struct journal_worker),
	.open = journal_open, .worker_open = journal_worker_open,
	.worker_close = journal_worker_close, .run = journal_run,
	.config_size = sizeof(struct journal_config), .config = journal_config_rows,
	.run_batch = journal_run, .batch_items = 100);
