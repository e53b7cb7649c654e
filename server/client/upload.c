#include "client/upload.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json_parse.h"
#include "base/mem.h"
#include "client/problem.h"
#include "client/view.h"

#define WHY_SIZE 512

/* What a request of this upload is made of. */
struct attempt {
	struct remote_request request;
	struct buf path;
	int fd; /* of a document; -1: the body is in memory */
	int read_errno;
};

void upload_init(struct upload *upload, const struct upload_config *config)
{
	*upload = (struct upload){ .config = *config, .reply = REMOTE_REPLY_INIT };
	patience_init(&upload->patience, config->patience_ms);
}

void upload_done(struct upload *upload)
{
	remote_reply_done(&upload->reply);
}

/* ---- trying, and trying again ---- */

static void tell_trouble(struct upload *upload, const char *why)
{
	if (upload->patience.failures == 1 && upload->config.trouble != NULL)
		upload->config.trouble(upload->config.arg, why);
}

/* Waits before the next attempt; UPLOAD_STORED: now. */
static enum upload_result wait_patiently(struct upload *upload, const char *why)
{
	const struct upload_config *config = &upload->config;
	unsigned wait_ms;

	if (!patience_next(
		    &upload->patience, (uint64_t)upload->reply.retry_after_s * 1000, &wait_ms))
		return UPLOAD_UNREACHABLE;
	tell_trouble(upload, why);
	if (remote_wait(config->remote, &config->interrupt_fd, 1, (int)wait_ms) == REMOTE_WOKEN)
		return UPLOAD_INTERRUPTED;
	return UPLOAD_STORED;
}

static enum upload_result after_no_reply(struct upload *upload, const struct attempt *attempt)
{
	if (upload->reply.interrupted)
		return UPLOAD_INTERRUPTED;
	if (upload->reply.given_up) {
		errno = attempt->read_errno;
		error_set(&upload->err, ERR_BAD_REQUEST, "cannot be read: %m");
		return UPLOAD_UNREADABLE;
	}
	if (!upload->reply.retry)
		return UPLOAD_UNREACHABLE;
	return wait_patiently(upload, upload->err.text);
}

/* "503: the server is shutting down": what stands behind the numbers is for people. */
static enum upload_result after_problem(struct upload *upload)
{
	json_auto_t *problem = NULL;
	char why[WHY_SIZE];

	if (!problem_may_pass(&upload->reply))
		return UPLOAD_REFUSED;
	problem = problem_parse(&upload->reply);
	snprintf(why, sizeof(why), "%s answers %d%s%s", remote_url(upload->config.remote),
		upload->reply.status, problem != NULL ? ": " : "",
		problem != NULL ? view_string(problem, "detail") : "");
	error_set(&upload->err, ERR_BUSY, "%s", why);
	return wait_patiently(upload, why);
}

static enum upload_result call_until_answered(
	struct upload *upload, const struct attempt *attempt)
{
	enum upload_result result;

	do {
		if (attempt->fd >= 0)
			lseek(attempt->fd, 0, SEEK_SET);
		if (remote_call(upload->config.remote, &attempt->request, &upload->reply,
			    &upload->err) < 0)
			result = after_no_reply(upload, attempt);
		else if (upload->reply.status / 100 == 2)
			break;
		else
			result = after_problem(upload);
		if (result != UPLOAD_STORED)
			return result;
	} while (true);
	if (patience_reset(&upload->patience) && upload->config.trouble != NULL)
		upload->config.trouble(upload->config.arg, NULL);
	return UPLOAD_STORED;
}

/* ---- what the reply says ---- */

static void tell_invalid(struct upload *upload, const json_t *errors)
{
	const json_t *error;
	size_t i;

	if (upload->config.invalid == NULL)
		return;
	json_array_foreach(errors, i, error)
	{
		upload->config.invalid(upload->config.arg,
			upload->first_line + (uint64_t)view_number(error, "line", NULL),
			view_string(error, "detail"));
	}
}

static int read_reply(struct upload *upload)
{
	const struct remote_reply *reply = &upload->reply;
	json_auto_t *root = json_parse(reply->body.data, reply->body.len, 0, NULL);

	if (!json_is_object(root))
		return error_set(&upload->err, ERR_BAD_REQUEST,
			"what %s answers is not JSON; is that a leat server?",
			remote_url(upload->config.remote));
	upload->accepted += (uint64_t)view_number(root, "accepted", NULL);
	upload->duplicates += (uint64_t)view_number(root, "duplicates", NULL);
	upload->rejected += (uint64_t)view_number(root, "rejected", NULL);
	tell_invalid(upload, json_object_get(root, "errors"));
	return 0;
}

/* ---- requests ---- */

/* "/v1/jobs/{id}/items?offset=12&on_invalid=skip" */
static int make_path(struct upload *upload, struct attempt *attempt, uint64_t offset)
{
	const struct upload_config *config = &upload->config;

	buf_clear(&attempt->path);
	if (buf_printf(&attempt->path, "/v1/jobs/%s/items?offset=%llu%s%s", config->job,
		    (unsigned long long)offset, config->skip_invalid ? "&on_invalid=skip" : "",
		    config->query != NULL ? config->query : "") < 0 ||
		buf_append(&attempt->path, "", 1) < 0)
		return error_no_memory(&upload->err);
	attempt->request.path = attempt->path.data;
	return 0;
}

static void attempt_init(struct upload *upload, struct attempt *attempt)
{
	const struct upload_config *config = &upload->config;

	*attempt = (struct attempt){ .request = { .method = "POST",
					     .content_type = config->json ? "application/json"
							     : config->csv
								     ? "text/csv"
								     : "application/x-ndjson",
					     .content_encoding = config->encoding,
					     .key = config->key },
		.fd = -1 };
}

static enum upload_result send_once(
	struct upload *upload, struct attempt *attempt, uint64_t first_line)
{
	enum upload_result result;

	upload->first_line = first_line;
	if (make_path(upload, attempt, first_line) < 0)
		return UPLOAD_UNREADABLE;
	result = call_until_answered(upload, attempt);
	if (result == UPLOAD_STORED && read_reply(upload) < 0)
		return UPLOAD_UNREACHABLE;
	return result;
}

/* ---- NDJSON ---- */

static enum upload_result no_chunk(struct upload *upload, enum chunks_result result)
{
	switch (result) {
	case CHUNKS_INTERRUPTED:
		return UPLOAD_INTERRUPTED;
	case CHUNKS_FAILED:
		return UPLOAD_UNREADABLE;
	default:
		return UPLOAD_STORED;
	}
}

/* Lines that the server has under this key are not sent again. */
static enum upload_result skip_known(struct upload *upload, struct chunks *chunks)
{
	struct attempt attempt = { .fd = -1 };
	json_auto_t *root = NULL;
	enum upload_result result = UPLOAD_UNREADABLE;

	if (buf_printf(&attempt.path, "/v1/jobs/%s/items?key=", upload->config.job) == 0 &&
		remote_escape(upload->config.key, &attempt.path) == 0 &&
		buf_append(&attempt.path, "", 1) == 0) {
		attempt.request.path = attempt.path.data;
		result = call_until_answered(upload, &attempt);
	} else {
		error_no_memory(&upload->err);
	}
	buf_done(&attempt.path);
	if (result != UPLOAD_STORED)
		return result;
	root = json_parse(upload->reply.body.data, upload->reply.body.len, 0, NULL);
	upload->lines = (uint64_t)view_number(root, "next_offset", NULL);
	upload->duplicates += upload->lines;
	return no_chunk(upload, chunks_skip(chunks, upload->lines, &upload->err));
}

static enum upload_result send_chunks(
	struct upload *upload, struct chunks *chunks, struct attempt *attempt)
{
	enum upload_result result = UPLOAD_STORED;
	enum chunks_result got;
	struct chunk chunk;

	while ((got = chunks_next(chunks, &chunk, &upload->err)) == CHUNKS_CHUNK) {
		attempt->request.body = chunk.bytes;
		attempt->request.body_len = chunk.len;
		result = send_once(upload, attempt, chunk.first_line);
		if (result != UPLOAD_STORED)
			return result;
		upload->lines = chunk.first_line + chunk.lines;
		upload->bytes += chunk.len;
		if (upload->config.progress != NULL)
			upload->config.progress(
				upload->config.arg, upload->lines, upload->bytes);
	}
	return no_chunk(upload, got);
}

enum upload_result upload_lines(struct upload *upload, struct chunks *chunks)
{
	enum upload_result result = UPLOAD_STORED;
	struct attempt attempt;

	attempt_init(upload, &attempt);
	if (upload->config.resume)
		result = skip_known(upload, chunks);
	if (result == UPLOAD_STORED)
		result = send_chunks(upload, chunks, &attempt);
	buf_done(&attempt.path);
	return result;
}

/* ---- in one piece ---- */

static long read_piece(void *arg, char *into, size_t size)
{
	struct attempt *attempt = arg;
	ssize_t got;

	do
		got = read(attempt->fd, into, size);
	while (got < 0 && errno == EINTR);
	attempt->read_errno = errno;
	return (long)got;
}

/* A pipe cannot be read again, so all of it is kept. */
static enum upload_result keep_all(struct upload *upload, int fd, struct buf *to)
{
	struct chunks chunks;
	struct chunk chunk;
	enum chunks_result got;
	int failed = 0;

	chunks_init(&chunks, fd, upload->config.interrupt_fd);
	while (failed == 0 &&
		(got = chunks_next(&chunks, &chunk, &upload->err)) == CHUNKS_CHUNK) {
		failed = buf_append(to, chunk.bytes, chunk.len);
		if (failed < 0)
			error_no_memory(&upload->err);
		else if (to->len > UPLOAD_KEPT_MAX)
			failed = error_set(&upload->err, ERR_BAD_REQUEST,
				"has more than %zu MiB that cannot be sent in pieces; give it as a "
				"file, or one item a line",
				UPLOAD_KEPT_MAX >> 20);
	}
	chunks_done(&chunks);
	return failed < 0 ? UPLOAD_UNREADABLE : no_chunk(upload, got);
}

enum upload_result upload_whole(struct upload *upload, int fd)
{
	struct buf kept = BUF_INIT;
	enum upload_result result = UPLOAD_STORED;
	struct attempt attempt;

	attempt_init(upload, &attempt);
	if (lseek(fd, 0, SEEK_SET) < 0) {
		result = keep_all(upload, fd, &kept);
		attempt.request.body = kept.data;
		attempt.request.body_len = kept.len;
	} else {
		attempt.fd = fd;
		attempt.request.read = read_piece;
		attempt.request.arg = &attempt;
	}
	if (result == UPLOAD_STORED)
		result = send_once(upload, &attempt, 0);
	if (result == UPLOAD_STORED && upload->config.progress != NULL) {
		upload->lines += upload->accepted + upload->duplicates;
		upload->config.progress(upload->config.arg, upload->lines, upload->bytes);
	}
	buf_done(&kept);
	buf_done(&attempt.path);
	return result;
}

enum upload_result upload_post(struct upload *upload, const char *path)
{
	const struct attempt attempt = { .request = { .method = "POST", .path = path },
		.fd = -1 };

	return call_until_answered(upload, &attempt);
}
