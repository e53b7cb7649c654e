#include "exchange.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#define WINDOW     128 /* items under way */
#define LOOK_MS    50  /* how long a cancelled item may go unnoticed */
#define PIECES     64
#define SHORT_MS   50 /* before it is tried again */
#define STOOD_MS   1000
#define PATIENCE_S 30 /* beside the limit of time, tenfold: it is of CPU time */

enum outcome { ALL_DONE, DIED, CANCELLED, STUCK, NO_ROOM };

static struct stage_ctx *current(const struct jq_exchange *exchange)
{
	return exchange->item(exchange->ctx, exchange->answered);
}

static void over(struct jq_exchange *exchange)
{
	exchange->answered++;
	exchange->emitting = false;
	if (exchange->answered < exchange->count)
		exchange->failed = false;
}

static void fail_one(struct jq_exchange *exchange, enum stage_failure kind, const char *why)
{
	if (!exchange->failed)
		stage_fail(current(exchange), kind, "%s", why);
	exchange->failed = true;
	over(exchange);
}

static void fail_rest(struct jq_exchange *exchange, enum stage_failure kind, const char *why)
{
	while (exchange->answered < exchange->count)
		fail_one(exchange, kind, why);
}

/* ---- there ---- */

/* Heads and items that are still to be sent, as far as they fit into `pieces`. */
static size_t gather(const struct jq_exchange *exchange, size_t most, struct jq_head *heads,
	struct iovec *pieces)
{
	size_t count = 0, skip = exchange->offset;

	for (size_t i = exchange->sent; i < most && count < PIECES; i++, skip = 0) {
		size_t len, head = sizeof(*heads);
		const char *text = stage_input(exchange->item(exchange->ctx, i), &len);

		heads[count] = (struct jq_head){ (uint32_t)len, JQ_ITEM };
		if (skip < head)
			pieces[count] =
				(struct iovec){ (char *)&heads[count] + skip, head - skip };
		else
			pieces[count] = (struct iovec){ NULL, 0 };
		skip = skip < head ? 0 : skip - head;
		pieces[count + 1] =
			(struct iovec){ (char *)(uintptr_t)text + skip, len - skip };
		count += 2;
	}
	return count;
}

static void count_sent(struct jq_exchange *exchange, size_t done)
{
	size_t len;

	done += exchange->offset;
	while (done > 0) {
		stage_input(exchange->item(exchange->ctx, exchange->sent), &len);
		len += sizeof(struct jq_head);
		if (done < len)
			break;
		done -= len;
		exchange->sent++;
	}
	exchange->offset = done;
}

/* False: the helper does not listen any more. */
static bool send_some(struct jq_exchange *exchange, int fd, size_t most)
{
	struct jq_head heads[PIECES];
	struct iovec pieces[PIECES + 1];
	struct msghdr message = { .msg_iov = pieces };
	ssize_t len;

	while (exchange->sent < most) {
		message.msg_iovlen = gather(exchange, most, heads, pieces);
		len = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK;
		count_sent(exchange, (size_t)len);
	}
	return true;
}

/* ---- and back ---- */

static void take(struct jq_exchange *exchange, const struct jq_head *head, const char *text)
{
	switch (head->kind) {
	case JQ_VALUE:
		exchange->emitting = true;
		if (!exchange->failed)
			exchange->failed =
				stage_emit(current(exchange), text, head->len) != STAGE_OK;
		break;
	case JQ_ERROR:
		if (!exchange->failed)
			stage_fail(current(exchange), STAGE_PERMANENT, "%.*s", (int)head->len,
				text);
		exchange->failed = true;
		over(exchange);
		break;
	default:
		over(exchange);
		break;
	}
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum outcome talk(struct jq_exchange *exchange, struct jq_child *child, size_t window)
{
	int64_t patience_ms = exchange->pool->time_ms * 10 + PATIENCE_S * 1000;
	int64_t heard_ms = now_ms(), looked_ms = heard_ms;
	struct pollfd fd = { .fd = child->fd };
	struct jq_head head;
	const char *text;
	size_t most;
	int heard;

	for (;;) {
		while (exchange->answered < exchange->sent &&
			jq_child_message(child, &head, &text))
			take(exchange, &head, text);
		if (exchange->answered == exchange->count)
			return ALL_DONE;
		most = exchange->answered + window;
		if (most > exchange->count)
			most = exchange->count;
		if (!send_some(exchange, child->fd, most))
			return DIED;
		fd.events = (short)(POLLIN | (exchange->sent < most ? POLLOUT : 0));
		if (poll(&fd, 1, LOOK_MS) <= 0 && stage_cancelled(current(exchange)))
			return CANCELLED;
		if (now_ms() - looked_ms >
			STOOD_MS) /* we were stopped; that is not its fault */
			heard_ms += now_ms() - looked_ms;
		heard = jq_child_hear(child);
		if (heard < 0)
			return heard == -1 ? DIED : NO_ROOM;
		if (heard > 0)
			heard_ms = now_ms();
		else if (now_ms() - heard_ms > patience_ms)
			return STUCK;
		looked_ms = now_ms();
	}
}

/* ---- those that die ---- */

/* The item that was alone with the helper is told what it has done. */
static void blame(struct jq_exchange *exchange, int status)
{
	char why[JQ_WHY_SIZE];

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF)
		snprintf(why, sizeof(why), "the program takes more than %lld ms (time_ms)",
			(long long)exchange->pool->time_ms);
	else if (WIFEXITED(status) && WEXITSTATUS(status) == JQ_NOMEM)
		snprintf(why, sizeof(why), "the program takes more than %lld MiB (memory_mb)",
			(long long)(exchange->pool->memory_bytes >> 20));
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		fail_one(exchange, STAGE_TRANSIENT, "somebody has killed jq's process");
		return;
	} else if (WIFSIGNALED(status))
		snprintf(why, sizeof(why), "the program crashes jq (signal %d)%s",
			WTERMSIG(status),
			WTERMSIG(status) == SIGSEGV ? ": is something nested too deep?" : "");
	else
		snprintf(why, sizeof(why), "jq's process has ended with status %d",
			WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	fail_one(exchange, STAGE_PERMANENT, why);
}

/* Returns whether the next helper must be a new one. */
static bool bury(struct jq_exchange *exchange, struct jq_child *child, size_t *window)
{
	bool under_way = exchange->sent + (exchange->offset > 0) > exchange->answered + 1;
	bool fresh = child->fresh, slow;
	int status = jq_child_end(child);

	slow = WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF;
	if (exchange->emitting)
		fail_one(exchange, STAGE_TRANSIENT, "jq's process died while it answered");
	else if (under_way)
		*window = 1;
	else if (fresh || slow)
		blame(exchange, status);
	exchange->sent = exchange->answered;
	exchange->offset = 0;
	return true;
}

/* As long as the system is short of something, no item is to blame: it waits. */
static enum jq_start take_patiently(
	struct jq_exchange *exchange, bool fresh, struct jq_child **ret, char why[JQ_WHY_SIZE])
{
	enum jq_start start;
	bool told = false;

	while ((start = jq_pool_take(exchange->pool, fresh, ret, why)) == JQ_SHORT &&
		!stage_cancelled(current(exchange))) {
		if (!told)
			stage_log(current(exchange), "%s; it is tried again until it can", why);
		told = true;
		poll(NULL, 0, SHORT_MS);
	}
	return start;
}

void jq_exchange(struct jq_exchange *exchange)
{
	size_t window = WINDOW;
	struct jq_child *child;
	char why[JQ_WHY_SIZE];
	bool fresh = false;

	while (exchange->answered < exchange->count) {
		if (take_patiently(exchange, fresh, &child, why) != JQ_STARTED) {
			fail_rest(exchange, STAGE_TRANSIENT, why);
			return;
		}
		switch (talk(exchange, child, window)) {
		case ALL_DONE:
			jq_pool_give(exchange->pool, child);
			break;
		case DIED:
			fresh = bury(exchange, child, &window);
			break;
		case CANCELLED:
			jq_child_end(child);
			fail_rest(exchange, STAGE_TRANSIENT, "cancelled");
			break;
		case STUCK:
			jq_child_end(child);
			fail_rest(exchange, STAGE_TRANSIENT, "jq's process does not answer");
			break;
		case NO_ROOM:
			jq_child_end(child);
			fail_rest(exchange, STAGE_TRANSIENT, "no memory for what jq says");
			break;
		}
	}
}
