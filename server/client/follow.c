#include "client/follow.h"

#include <stdio.h>
#include <string.h>

#include "base/json_parse.h"
#include "base/mem.h"
#include "client/problem.h"
#include "client/view.h"

#define LINE_MAX_BYTES ((size_t)1 << 30)
#define POLL_MS        20000
#define WHY_SIZE       512

static const char before_cursor[] = "{\"cursor\":\"";
static const char before_value[] = ",\"value\":";

void follow_init(struct follow *follow, const struct follow_config *config)
{
	*follow = (struct follow){ .config = *config, .reply = REMOTE_REPLY_INIT };
	patience_init(&follow->patience, config->patience_ms);
	if (config->after != NULL)
		snprintf(follow->cursor, sizeof(follow->cursor), "%s", config->after);
}

void follow_done(struct follow *follow)
{
	remote_reply_done(&follow->reply);
	buf_done(&follow->carry);
	json_decref(follow->job);
}

/* ---- lines ---- */

static bool take_cursor(struct follow *follow, const char *line, size_t len)
{
	size_t before = strlen(before_cursor), size;
	const char *end;

	if (len < before || memcmp(line, before_cursor, before) != 0)
		return false;
	end = memchr(line + before, '"', len - before);
	size = end != NULL ? (size_t)(end - line) - before : FOLLOW_CURSOR_SIZE;
	if (size >= FOLLOW_CURSOR_SIZE)
		return false;
	memcpy(follow->cursor, line + before, size);
	follow->cursor[size] = '\0';
	return true;
}

/* What stands in the envelope, byte for byte. */
static bool find_value(struct follow_line *line)
{
	const char *at =
		memmem(line->whole, line->whole_len, before_value, strlen(before_value));

	if (at == NULL || line->whole[line->whole_len - 1] != '}')
		return false;
	line->value = at + strlen(before_value);
	line->value_len = (size_t)(line->whole + line->whole_len - 1 - line->value);
	return true;
}

static bool take_line(struct follow *follow, const char *bytes, size_t len)
{
	struct follow_line line = { .whole = bytes, .whole_len = len };
	bool results = strcmp(follow->config.what, "results") == 0;

	if (len == 0)
		return true;
	if ((results && !find_value(&line)) || !take_cursor(follow, bytes, len)) {
		follow->bad_line = true;
		return false;
	}
	follow->count++;
	follow->moved = true;
	return follow->config.line(follow->config.arg, &line);
}

static bool keep(struct follow *follow, const char *bytes, size_t len)
{
	return follow->carry.len + len <= LINE_MAX_BYTES &&
	       buf_append(&follow->carry, bytes, len) == 0;
}

static bool take_first(struct follow *follow, const char *bytes, size_t len)
{
	bool good;

	if (follow->carry.len == 0)
		return take_line(follow, bytes, len);
	good = keep(follow, bytes, len) &&
	       take_line(follow, follow->carry.data, follow->carry.len);
	buf_clear(&follow->carry);
	return good;
}

static bool on_bytes(void *arg, const char *bytes, size_t len)
{
	struct follow *follow = arg;
	const char *end = bytes + len, *next;

	for (; (next = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL; bytes = next + 1)
		if (!take_first(follow, bytes, (size_t)(next - bytes)))
			return false;
	if (!keep(follow, bytes, (size_t)(end - bytes)))
		return false;
	return follow->config.pause == NULL || follow->config.pause(follow->config.arg);
}

/* ---- again ---- */

/* FOLLOW_ALL: try again now. */
static enum follow_result wait_patiently(struct follow *follow, const char *why)
{
	const struct follow_config *config = &follow->config;
	unsigned wait_ms;

	if (!patience_next(
		    &follow->patience, (uint64_t)follow->reply.retry_after_s * 1000, &wait_ms))
		return FOLLOW_UNREACHABLE;
	if (follow->patience.failures == 1 && config->trouble != NULL)
		config->trouble(config->arg, why);
	if (remote_wait(config->remote, &config->interrupt_fd, 1, (int)wait_ms) == REMOTE_WOKEN)
		return FOLLOW_INTERRUPTED;
	return FOLLOW_ALL;
}

static void goes_on(struct follow *follow)
{
	if (patience_reset(&follow->patience) && follow->config.trouble != NULL)
		follow->config.trouble(follow->config.arg, NULL);
}

static enum follow_result after_no_reply(struct follow *follow)
{
	if (follow->reply.interrupted)
		return FOLLOW_INTERRUPTED;
	if (follow->bad_line) {
		error_set(&follow->err, ERR_BAD_REQUEST,
			"%s sent a line that is none of a job's; is that a leat server?",
			remote_url(follow->config.remote));
		return FOLLOW_UNREACHABLE;
	}
	if (follow->reply.given_up)
		return FOLLOW_GIVEN_UP;
	if (!follow->reply.retry)
		return FOLLOW_UNREACHABLE;
	return wait_patiently(follow, follow->err.text);
}

static enum follow_result after_problem(struct follow *follow)
{
	json_auto_t *problem = NULL;
	char why[WHY_SIZE];

	if (!problem_may_pass(&follow->reply))
		return FOLLOW_REFUSED;
	problem = problem_parse(&follow->reply);
	snprintf(why, sizeof(why), "%s answers %d%s%s", remote_url(follow->config.remote),
		follow->reply.status, problem != NULL ? ": " : "",
		problem != NULL ? view_string(problem, "detail") : "");
	error_set(&follow->err, ERR_BUSY, "%s", why);
	return wait_patiently(follow, why);
}

/* One attempt. FOLLOW_ALL with a 2xx in `reply`, or with none: it is to be tried again. */
static enum follow_result try_once(
	struct follow *follow, const struct remote_request *request, bool *ret_answered)
{
	*ret_answered = false;
	follow->moved = false;
	buf_clear(&follow->carry); /* half a line of a stream that broke comes again */
	if (remote_call(follow->config.remote, request, &follow->reply, &follow->err) < 0) {
		if (follow->moved)
			goes_on(follow);
		return after_no_reply(follow);
	}
	if (follow->reply.status / 100 != 2)
		return after_problem(follow);
	*ret_answered = true;
	return FOLLOW_ALL;
}

/* ---- the job ---- */

static int take_job(struct follow *follow)
{
	const struct remote_reply *reply = &follow->reply;
	json_t *job = json_parse(reply->body.data, reply->body.len, JSON_ALLOW_NUL, NULL);

	if (!json_is_object(job)) {
		json_decref(job);
		return error_set(&follow->err, ERR_BAD_REQUEST,
			"what %s answers is not a job; is that a leat server?",
			remote_url(follow->config.remote));
	}
	json_decref(follow->job);
	follow->job = job;
	return 0;
}

static bool is_over(const struct follow *follow)
{
	return json_is_true(json_object_get(follow->job, "done"));
}

/* The job as it is; with `wait`, as soon as it is newer than what was seen last. */
static enum follow_result look_at_job(struct follow *follow, bool wait)
{
	const char *id = follow->config.job;
	enum follow_result result;
	char path[256];
	bool answered;

	do {
		if (wait && follow->job != NULL)
			snprintf(path, sizeof(path), "/v1/jobs/%s?wait_ms=%d&version=%.0f", id,
				POLL_MS, view_number(follow->job, "version", NULL));
		else
			snprintf(path, sizeof(path), "/v1/jobs/%s", id);
		result = try_once(follow, &(struct remote_request){ .path = path }, &answered);
	} while (result == FOLLOW_ALL && !answered);
	if (result != FOLLOW_ALL)
		return result;
	goes_on(follow);
	return take_job(follow) == 0 ? FOLLOW_ALL : FOLLOW_UNREACHABLE;
}

/* Between two looks, more and more: a fast job changes all the time, a small one is over soon.
 */
#define CALM_MS      200
#define CALM_STEP_MS 10

enum follow_result follow_look(struct follow *follow)
{
	return look_at_job(follow, false);
}

enum follow_result follow_job(
	struct follow *follow, void (*seen)(void *arg, const json_t *job), void *arg)
{
	enum follow_result result;
	int calm_ms = 0;

	for (;;) {
		result = is_over(follow) ? FOLLOW_ALL : look_at_job(follow, true);
		if (result != FOLLOW_ALL)
			return result;
		if (seen != NULL)
			seen(arg, follow->job);
		if (is_over(follow))
			return FOLLOW_ALL;
		if (remote_wait(follow->config.remote, &follow->config.interrupt_fd, 1,
			    calm_ms) == REMOTE_WOKEN)
			return FOLLOW_INTERRUPTED;
		calm_ms = MIN(calm_ms + CALM_STEP_MS, CALM_MS);
	}
}

/* ---- the stream ---- */

static char *stream_path(const struct follow *follow, struct buf *path)
{
	const struct follow_config *config = &follow->config;
	int failed =
		buf_printf(path, "/v1/jobs/%s/%s?envelope=true", config->job, config->what);

	if (config->follow)
		failed |= buf_append_str(path, "&follow=true");
	if (follow->cursor[0] != '\0')
		failed |= buf_append_str(path, "&after=") | remote_escape(follow->cursor, path);
	if (config->limit > 0)
		failed |= buf_printf(path, "&limit=%llu",
			(unsigned long long)(config->limit - follow->count));
	failed |= buf_append(path, "", 1);
	return failed == 0 ? path->data : NULL;
}

/* One stream, to its end or until it breaks. */
static enum follow_result stream(struct follow *follow, bool *ret_whole)
{
	struct buf path = BUF_INIT;
	struct remote_request request = {
		.path = stream_path(follow, &path), .write = on_bytes, .arg = follow
	};
	enum follow_result result = FOLLOW_UNREACHABLE;

	if (request.path == NULL)
		error_no_memory(&follow->err);
	else
		result = try_once(follow, &request, ret_whole);
	buf_done(&path);
	return result;
}

static bool at_limit(const struct follow *follow)
{
	return follow->config.limit > 0 && follow->count >= follow->config.limit;
}

/* A server that shuts down ends its streams as if all had been said. */
static enum follow_result ended_early(struct follow *follow, bool moved)
{
	if (moved) {
		goes_on(follow);
		return FOLLOW_ALL;
	}
	return wait_patiently(follow, "the server ended the stream before the job was done");
}

enum follow_result follow_run(struct follow *follow)
{
	enum follow_result result = FOLLOW_ALL;
	bool was_over, moved, whole = false;

	while (!at_limit(follow)) {
		was_over = is_over(follow);
		result = stream(follow, &whole);
		if (result != FOLLOW_ALL)
			return result;
		if (whole && (was_over || !follow->config.follow || at_limit(follow)))
			break;
		if (!whole)
			continue;
		moved = follow->moved;
		result = look_at_job(follow, false);
		if (result == FOLLOW_ALL && !is_over(follow))
			result = ended_early(follow, moved);
		if (result != FOLLOW_ALL)
			return result;
	}
	goes_on(follow);
	return FOLLOW_ALL;
}
