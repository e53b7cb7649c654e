#include "cli/feed.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/role.h"
#include "cli/line_map.h"
#include "cli/pool_io.h"
#include "engine/split.h"
#include "engine/upload.h"

#define PIECE_SIZE  (256u << 10)
#define PATIENCE_MS 10 /* of silence before what was gathered is sent off */

struct feed {
	struct feed_config config;
	struct job *job;
	struct upload *upload;
	struct json_check *check;
	struct pool_io io;
	struct pool_stop stop; /* ends a read that waits */
	struct line_map lines;

	unsigned file; /* under way */
	struct split split;
	bool splitting; /* split is initialized */
	bool file_ended, closing;
	bool over, failed; /* failed: why stands in err */
	struct error err;
	uint64_t read_bytes, total_bytes;
	char *piece;
};

int csv_delimiter(const char *name, char *ret, struct error *err)
{
	static const char *const names[] = { "comma", "semicolon", "tab", "pipe" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		if (ret != NULL)
			*ret = ",;\t|"[i];
		return 0;
	}
	return error_set(err, ERR_BAD_REQUEST,
		"--delimiter: must be comma, semicolon, tab or pipe, not '%.40s'", name);
}

/* ---- files ---- */

static bool is_stdin(const char *path)
{
	return strcmp(path, "-") == 0;
}

static int check_path(const char *path, struct stat *ret_st, struct error *err)
{
	int fd = is_stdin(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, ret_st) < 0) {
		error_set(err, ERR_BAD_REQUEST, "%s cannot be read: %m",
			is_stdin(path) ? "standard input" : path);
		if (fd > STDIN_FILENO)
			close(fd);
		return -1;
	}
	if (fd != STDIN_FILENO)
		close(fd);
	if (S_ISDIR(ret_st->st_mode))
		return error_set(err, ERR_BAD_REQUEST, "%s is a folder; name its files", path);
	return 0;
}

int feed_check(const struct feed_config *config, struct error *err)
{
	struct stat st;

	for (unsigned i = 0; i < config->path_count; i++)
		if (check_path(config->paths[i], &st, err) < 0)
			return -1;
	return 0;
}

/* The sum of plain files; 0 as soon as one is something else. */
static uint64_t total_size(const struct feed_config *config)
{
	uint64_t total = 0;
	struct stat st;

	for (unsigned i = 0; i < config->path_count; i++) {
		if (check_path(config->paths[i], &st, NULL) < 0 || !S_ISREG(st.st_mode))
			return 0;
		total += (uint64_t)st.st_size;
	}
	return total;
}

static enum split_shape shape_of(const struct feed *feed, const char *path)
{
	const char *dot = strrchr(path, '.');

	if (feed->config.all_json || (dot != NULL && strcmp(dot, ".json") == 0))
		return SPLIT_JSON;
	if (feed->config.all_csv || (dot != NULL && strcmp(dot, ".csv") == 0))
		return SPLIT_CSV;
	return SPLIT_LINES;
}

static int open_file(struct feed *feed, struct error *err)
{
	const char *path = feed->config.paths[feed->file];

	feed->io.fd = is_stdin(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (feed->io.fd < 0)
		return error_set(err, ERR_BAD_REQUEST, "%s cannot be read: %m", path);
	if (shape_of(feed, path) == SPLIT_CSV)
		split_init_csv(&feed->split, &feed->config.csv, feed->config.item_max);
	else
		split_init(&feed->split, shape_of(feed, path), feed->config.item_max);
	feed->splitting = true;
	feed->file_ended = false;
	return 0;
}

static void close_file(struct feed *feed)
{
	if (feed->io.fd > STDIN_FILENO)
		close(feed->io.fd);
	feed->io.fd = -1;
	if (feed->splitting)
		split_done(&feed->split);
	feed->splitting = false;
}

/* ---- the end ---- */

static void tell(struct feed *feed)
{
	close_file(feed);
	feed->config.ended(feed->config.arg, feed->failed ? &feed->err : NULL);
}

/* It is told when no thread reads the file any more. */
static void end(struct feed *feed, const struct error *err)
{
	if (feed->over)
		return;
	feed->over = true;
	feed->failed = err != NULL;
	if (err != NULL)
		feed->err = *err;
	if (feed->io.busy)
		pool_stop_now(&feed->stop);
	else
		tell(feed);
}

void feed_stop(struct feed *feed)
{
	struct error err;

	error_set(&err, ERR_STATE_CONFLICT, "stopped");
	end(feed, &err);
}

static void close_input(struct feed *feed)
{
	struct error err;

	if (feed->closing)
		return;
	feed->closing = true;
	close_file(feed);
	if (upload_flush_and_close_input(feed->upload, &err) < 0)
		end(feed, &err);
}

static void on_flushed(void *arg, const struct error *err)
{
	end(arg, err);
}

/* ---- from a piece to items ---- */

static void name_line(
	const struct feed *feed, unsigned file, uint64_t line, char *ret, size_t size)
{
	if (feed->config.path_count > 1)
		snprintf(ret, size, "%s line %llu", feed->config.paths[file],
			(unsigned long long)line);
	else
		snprintf(ret, size, "line %llu", (unsigned long long)line);
}

/* Returns false when the input ends here. */
static bool pass_over(struct feed *feed, uint64_t line, const struct error *why)
{
	char where[512];

	name_line(feed, feed->file, line, where, sizeof(where));
	feed->config.invalid(feed->config.arg, where, why);
	if (feed->config.skip_invalid)
		return true;
	close_input(feed);
	return false;
}

/* Returns false when nothing more is to be split now. */
static bool take_item(struct feed *feed, const struct split_item *item)
{
	struct error err;

	if (feed->split.shape != SPLIT_CSV &&
		json_check(feed->check, item->bytes, item->len, &err) < 0)
		return pass_over(feed, item->line, &err);
	if (upload_line(feed->upload, item->bytes, item->len, item->lines, &err) < 0) {
		end(feed, &err);
		return false;
	}
	line_map_add(&feed->lines, feed->file, item->line);
	return true;
}

/* A value that is no item, or a file that cannot be split any further. */
static bool take_error(struct feed *feed, const struct split_item *item)
{
	if (!pass_over(feed, item->line, &item->err))
		return false;
	if (item->fatal)
		feed->file_ended = true;
	return !item->fatal;
}

enum pumped { PUMPED_ALL, PUMPED_STOPPED };

/* Split what was read for as long as there is room. */
static enum pumped pump_piece(struct feed *feed)
{
	struct split_item item;
	struct error err;

	while (upload_has_room(feed->upload)) {
		switch (split_next(&feed->split, &item)) {
		case SPLIT_MORE:
			return PUMPED_ALL;
		case SPLIT_ITEM:
			if (!take_item(feed, &item))
				return PUMPED_STOPPED;
			break;
		case SPLIT_ERROR:
			if (!take_error(feed, &item))
				return feed->closing ? PUMPED_STOPPED : PUMPED_ALL;
			break;
		case SPLIT_NOMEM:
			error_no_memory(&err);
			end(feed, &err);
			return PUMPED_STOPPED;
		}
	}
	return PUMPED_STOPPED; /* room() goes on */
}

static void next_file(struct feed *feed)
{
	struct error err;

	close_file(feed);
	if (++feed->file == feed->config.path_count)
		close_input(feed);
	else if (open_file(feed, &err) < 0)
		end(feed, &err);
	else
		pool_io_read(&feed->io, feed->piece, PIECE_SIZE, PATIENCE_MS);
}

static void pump(struct feed *feed)
{
	if (feed->closing || feed->over || feed->io.busy || !feed->splitting)
		return;
	if (pump_piece(feed) == PUMPED_STOPPED)
		return;
	if (feed->file_ended)
		next_file(feed);
	else
		pool_io_read(&feed->io, feed->piece, PIECE_SIZE, PATIENCE_MS);
}

static void read_failed(struct feed *feed, int code)
{
	struct error err;

	error_set(&err, ERR_BAD_REQUEST, "%s cannot be read: %s",
		feed->config.paths[feed->file], strerror(code));
	end(feed, &err);
}

static void on_read(void *arg, ssize_t len)
{
	struct feed *feed = arg;

	if (feed->over) {
		tell(feed);
	} else if (len == -EAGAIN) {
		upload_nudge(feed->upload);
		pool_io_read(&feed->io, feed->piece, PIECE_SIZE, -1);
	} else if (len < 0) {
		read_failed(feed, (int)-len);
	} else if (len == 0) {
		feed->file_ended = true;
		split_end(&feed->split);
		pump(feed);
	} else {
		feed->read_bytes += (uint64_t)len;
		split_feed(&feed->split, feed->piece, (size_t)len);
		pump(feed);
	}
}

static void on_room(void *arg)
{
	pump(arg);
}

static void on_broken(void *arg, const struct error *err)
{
	end(arg, err);
}

/* ---- life ---- */

static int open_all(struct feed *feed, struct error *err)
{
	const struct upload_events events = {
		.arg = feed, .room = on_room, .broken = on_broken, .flushed = on_flushed
	};

	feed->piece = mem_alloc(PIECE_SIZE);
	if (feed->piece == NULL)
		return error_no_memory(err);
	if (pool_stop_init(&feed->stop, err) < 0 || json_check_new(&feed->check, err) < 0)
		return -1;
	if (upload_open(feed->job, NULL, 0, &events, &feed->upload, err) < 0)
		return -1;
	return open_file(feed, err);
}

int feed_start(
	const struct feed_config *config, struct job *job, struct feed **ret, struct error *err)
{
	struct feed *feed = mem_zalloc(sizeof(*feed));

	assert_on(ROLE_LOOP);
	if (feed == NULL)
		return error_no_memory(err);
	feed->config = *config;
	feed->job = job_ref(job);
	feed->stop.fd = -1;
	feed->io = (struct pool_io){ .loop = config->loop,
		.stop = &feed->stop,
		.fd = -1,
		.arg = feed,
		.done = on_read };
	feed->total_bytes = total_size(config);
	if (open_all(feed, err) < 0) {
		feed_free(feed);
		return -1;
	}
	pool_io_read(&feed->io, feed->piece, PIECE_SIZE, PATIENCE_MS);
	*ret = feed;
	return 0;
}

void feed_free(struct feed *feed)
{
	if (feed == NULL)
		return;
	assert(!feed->io.busy);
	close_file(feed);
	if (feed->upload != NULL)
		upload_close(feed->upload);
	json_check_free(feed->check);
	pool_stop_done(&feed->stop);
	line_map_done(&feed->lines);
	mem_free(feed->piece);
	job_unref(feed->job);
	mem_free(feed);
}

/* ---- asking ---- */

void feed_where(const struct feed *feed, uint64_t item, char *ret, size_t size)
{
	uint64_t line;
	unsigned file;

	if (line_map_find(&feed->lines, item, &file, &line))
		name_line(feed, file, line, ret, size);
	else
		*ret = '\0';
}

void feed_progress(const struct feed *feed, uint64_t *ret_read, uint64_t *ret_total)
{
	*ret_read = feed->read_bytes;
	*ret_total = feed->total_bytes;
}
