#include "swarm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <uv.h>

#define SHARD_MAX       128
#define SHARDS_MAX      1024
#define SPARES_MAX      1024  /* easy handles kept for the next ones */
#define RESOLVING_MAX   16    /* libcurl starts a thread for each */
#define KNOWN_MS        50000 /* libcurl forgets a host's address after 60 s */
#define KNOWN_BY_USE_MS 1000  /* an old connection was there: of its address we know little */
#define EVENTS_MAX      512
#define NEVER           UINT64_MAX

struct shard {
	struct swarm *swarm;
	CURLM *multi;
	unsigned index, active;
	uint64_t due_ms;
};

/* What is on the loop; freed when both are closed. */
struct handles {
	uv_poll_t poll;
	uv_timer_t timer;
	int open;
};

struct swarm {
	int epoll;
	CURLSH *share; /* addresses of hosts */
	struct shard *shards[SHARDS_MAX];
	unsigned shard_count;
	unsigned first_free; /* no shard before it has room */
	struct gates hosts;
	struct gate *all, *resolving;
	struct gates single; /* the two above */
	CURL *spares[SPARES_MAX];
	unsigned spare_count;
	size_t live; /* submitted, and not over */
	uint64_t timer_ms;
	struct handles *handles;
	uv_loop_t *loop;
	struct transfer *resolved, *broken;
};

static uint64_t now_ms(const struct swarm *swarm)
{
	return uv_now(swarm->loop);
}

/* ---- handles of the loop ---- */

static void on_closed(uv_handle_t *handle)
{
	struct handles *handles = handle->data;

	if (--handles->open == 0)
		free(handles);
}

static void close_handles(struct swarm *swarm)
{
	struct handles *handles = swarm->handles;

	swarm->handles = NULL;
	handles->poll.data = handles->timer.data = handles;
	uv_close((uv_handle_t *)&handles->poll, on_closed);
	uv_close((uv_handle_t *)&handles->timer, on_closed);
}

static void on_ready(uv_poll_t *poll, int status, int ready);
static void on_timer(uv_timer_t *timer);

static int open_handles(struct swarm *swarm, uv_loop_t *loop)
{
	struct handles *handles = calloc(1, sizeof(*handles));

	if (handles == NULL)
		return -1;
	if (uv_poll_init(loop, &handles->poll, swarm->epoll) != 0) {
		free(handles);
		return -1;
	}
	uv_timer_init(loop, &handles->timer);
	handles->open = 2;
	handles->poll.data = handles->timer.data = swarm;
	swarm->handles = handles;
	swarm->loop = loop;
	swarm->timer_ms = NEVER;
	uv_poll_start(&handles->poll, UV_READABLE, on_ready);
	return 0;
}

/* At the latest then. */
static void wake_at(struct swarm *swarm, uint64_t ms)
{
	uint64_t now;

	if (swarm->handles == NULL || ms >= swarm->timer_ms)
		return;
	swarm->timer_ms = ms;
	now = now_ms(swarm);
	uv_timer_start(&swarm->handles->timer, on_timer, ms > now ? ms - now : 0, 0);
}

/* ---- shards ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct shard *shard = arg;
	struct swarm *swarm = shard->swarm;
	struct epoll_event event = { .data.u64 = (uint64_t)shard->index << 32 | (uint32_t)fd };

	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(swarm->epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	event.events = what == CURL_POLL_IN    ? EPOLLIN
		       : what == CURL_POLL_OUT ? EPOLLOUT
					       : EPOLLIN | EPOLLOUT;
	if (known == NULL)
		curl_multi_assign(shard->multi, fd, shard);
	if (epoll_ctl(swarm->epoll, known == NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd,
		    &event) == 0)
		return 0;
	/* A closed one of the same number was taken out by the kernel, or not yet by us. */
	return epoll_ctl(swarm->epoll, errno == EEXIST ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd,
		       &event) == 0
		       ? 0
		       : -1;
}

static int on_multi_timer(CURLM *multi, long ms, void *arg)
{
	struct shard *shard = arg;

	if (shard->swarm->loop == NULL || ms < 0) {
		shard->due_ms = NEVER;
		return 0;
	}
	shard->due_ms = now_ms(shard->swarm) + (uint64_t)ms;
	wake_at(shard->swarm, shard->due_ms);
	return 0;
}

static struct shard *shard_new(struct swarm *swarm)
{
	struct shard *shard = calloc(1, sizeof(*shard));
	CURLM *multi = curl_multi_init();

	if (shard == NULL || multi == NULL) {
		curl_multi_cleanup(multi);
		free(shard);
		return NULL;
	}
	shard->swarm = swarm;
	shard->multi = multi;
	shard->index = swarm->shard_count;
	shard->due_ms = NEVER;
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, shard);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_multi_timer);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, shard);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)SHARD_MAX);
	curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)swarm->hosts.limit);
	swarm->shards[swarm->shard_count++] = shard;
	return shard;
}

/* The first with room; when there are as many as there may be, the last takes more. */
static struct shard *shard_with_room(struct swarm *swarm)
{
	while (swarm->first_free < swarm->shard_count &&
		swarm->shards[swarm->first_free]->active >= SHARD_MAX)
		swarm->first_free++;
	if (swarm->first_free < swarm->shard_count)
		return swarm->shards[swarm->first_free];
	if (swarm->shard_count == SHARDS_MAX)
		return swarm->shards[SHARDS_MAX - 1];
	return shard_new(swarm);
}

/* ---- a transfer in a shard ---- */

static CURL *take_easy(struct swarm *swarm)
{
	return swarm->spare_count > 0 ? swarm->spares[--swarm->spare_count] : curl_easy_init();
}

static void give_easy(struct swarm *swarm, CURL *easy)
{
	if (swarm->spare_count == SPARES_MAX) {
		curl_easy_cleanup(easy);
		return;
	}
	curl_easy_reset(easy);
	swarm->spares[swarm->spare_count++] = easy;
}

/* From within libcurl: only noted. */
static void on_resolved(struct exchange *exchange, bool fresh)
{
	struct transfer *transfer;

	curl_easy_getinfo(exchange->easy, CURLINFO_PRIVATE, (char **)&transfer);
	if (transfer->resolved)
		return;
	transfer->resolved = true;
	transfer->known_ms = fresh ? KNOWN_MS : KNOWN_BY_USE_MS;
	transfer->next = transfer->swarm->resolved;
	transfer->swarm->resolved = transfer;
}

static void break_later(struct transfer *transfer, CURLcode code)
{
	struct swarm *swarm = transfer->swarm;

	transfer->code = code;
	transfer->next = swarm->broken;
	swarm->broken = transfer;
	wake_at(swarm, now_ms(swarm));
}

static int start(struct transfer *transfer)
{
	struct swarm *swarm = transfer->swarm;
	struct shard *shard = shard_with_room(swarm);
	CURL *easy = shard == NULL ? NULL : take_easy(swarm);

	if (easy == NULL)
		return -1;
	transfer->exchange.on_resolved = on_resolved;
	if (exchange_arm(&transfer->exchange, easy) < 0 ||
		curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) != CURLE_OK ||
		curl_easy_setopt(easy, CURLOPT_SHARE, swarm->share) != CURLE_OK ||
		curl_multi_add_handle(shard->multi, easy) != CURLM_OK) {
		transfer->exchange.easy = NULL;
		curl_easy_cleanup(easy);
		return -1;
	}
	transfer->shard = shard;
	shard->active++;
	return 0;
}

/* ---- through the gates ---- */

static void proceed(struct transfer *transfer)
{
	struct swarm *swarm = transfer->swarm;

	for (; transfer->step < STEP_COUNT; transfer->step++) {
		struct gate *gate = transfer->gates[transfer->step];

		/* Only who asks for an address has to wait for others who do. */
		if (transfer->step == STEP_RESOLVE &&
			transfer->gates[STEP_HOST]->scout != &transfer->queuer)
			gate = transfer->gates[STEP_RESOLVE] = NULL;
		if (gate != NULL && !gate_enter(gate, &transfer->queuer, now_ms(swarm)))
			return;
	}
	if (start(transfer) < 0)
		break_later(transfer, CURLE_OUT_OF_MEMORY);
}

static void admit(struct swarm *swarm, struct gate *gate)
{
	struct queuer *queuer;

	while (gate != NULL && (queuer = gate_admit(gate, now_ms(swarm))) != NULL) {
		struct transfer *transfer = (struct transfer *)queuer;

		transfer->step++;
		proceed(transfer);
	}
}

/* Out of its shard and its gates; others may then come in. */
static void leave(struct transfer *transfer)
{
	struct swarm *swarm = transfer->swarm;
	struct shard *shard = transfer->shard;

	swarm->live--;
	if (transfer->queuer.waits_at != NULL)
		gate_give_up(&transfer->queuer);
	if (shard != NULL) {
		curl_multi_remove_handle(shard->multi, transfer->exchange.easy);
		shard->active--;
		if (shard->index < swarm->first_free)
			swarm->first_free = shard->index;
		transfer->shard = NULL;
	}
	while (transfer->step > 0) {
		struct gate *gate = transfer->gates[--transfer->step];

		if (gate != NULL)
			gate_leave(gate, &transfer->queuer);
	}
	for (unsigned step = STEP_COUNT; step-- > 0;)
		admit(swarm, transfer->gates[step]);
	gate_put(transfer->gates[STEP_JOB]);
	gate_put(transfer->gates[STEP_HOST]);
}

/* ---- ends ---- */

/* All who wait to ask for the same address would be told the same. */
static void fail_line(struct transfer *transfer)
{
	struct gate *gate = transfer->gates[STEP_HOST];

	if (gate == NULL || gate->scout != &transfer->queuer)
		return;
	while (gate->first != NULL) {
		struct transfer *other = (struct transfer *)gate->first;

		gate_give_up(&other->queuer);
		memcpy(other->exchange.error, transfer->exchange.error,
			sizeof(other->exchange.error));
		break_later(other, CURLE_COULDNT_RESOLVE_HOST);
	}
}

static void finish(struct transfer *transfer, CURLcode code)
{
	struct swarm *swarm = transfer->swarm;
	CURL *easy = transfer->exchange.easy;

	if (code == CURLE_COULDNT_RESOLVE_HOST)
		fail_line(transfer);
	leave(transfer);
	transfer->done(transfer, code); /* which may be the end of its memory */
	if (easy != NULL)
		give_easy(swarm, easy);
}

static void take_ends(struct shard *shard)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(shard->multi, &left)) != NULL) {
		struct transfer *transfer;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		finish(transfer, code);
	}
}

static void take_resolved(struct swarm *swarm)
{
	struct transfer *transfer;

	while ((transfer = swarm->resolved) != NULL) {
		struct gate *gate = transfer->gates[STEP_RESOLVE];
		struct gate *host = transfer->gates[STEP_HOST];

		swarm->resolved = transfer->next;
		gate_know(host, &transfer->queuer, now_ms(swarm) + transfer->known_ms);
		if (gate != NULL)
			gate_leave(gate, &transfer->queuer);
		transfer->gates[STEP_RESOLVE] = NULL;
		admit(swarm, gate);
		admit(swarm, host);
	}
}

static void take_broken(struct swarm *swarm)
{
	struct transfer *transfer;

	while ((transfer = swarm->broken) != NULL) {
		swarm->broken = transfer->next;
		finish(transfer, transfer->code);
	}
}

static void close_if_idle(struct swarm *swarm)
{
	if (swarm->live == 0 && swarm->handles != NULL)
		close_handles(swarm);
}

/* ---- events ---- */

static void act(struct swarm *swarm, struct shard *shard, curl_socket_t fd, int events)
{
	int running;

	curl_multi_socket_action(shard->multi, fd, events, &running);
	take_resolved(swarm);
	take_ends(shard);
}

static void settle(struct swarm *swarm)
{
	take_resolved(swarm);
	take_broken(swarm);
	close_if_idle(swarm);
}

static void on_ready(uv_poll_t *poll, int status, int ready)
{
	struct swarm *swarm = poll->data;
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(swarm->epoll, events, EVENTS_MAX, 0);

	for (int i = 0; i < count; i++) {
		struct shard *shard = swarm->shards[events[i].data.u64 >> 32];
		uint32_t what = events[i].events;

		act(swarm, shard, (curl_socket_t)(uint32_t)events[i].data.u64,
			(what & EPOLLIN ? CURL_CSELECT_IN : 0) |
				(what & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
				(what & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
	}
	settle(swarm);
}

static void on_timer(uv_timer_t *timer)
{
	struct swarm *swarm = timer->data;
	uint64_t now = now_ms(swarm), next = NEVER;

	swarm->timer_ms = NEVER;
	for (unsigned i = 0; i < swarm->shard_count; i++) {
		struct shard *shard = swarm->shards[i];

		if (shard->due_ms > now)
			continue;
		shard->due_ms = NEVER;
		act(swarm, shard, CURL_SOCKET_TIMEOUT, 0);
	}
	settle(swarm);
	for (unsigned i = 0; i < swarm->shard_count; i++)
		if (swarm->shards[i]->due_ms < next)
			next = swarm->shards[i]->due_ms;
	if (next != NEVER)
		wake_at(swarm, next);
}

/* ---- what the stage calls ---- */

int swarm_submit(struct swarm *swarm, struct transfer *transfer, void *loop)
{
	const char *origin = transfer->exchange.target.origin;

	if (swarm->handles == NULL && open_handles(swarm, loop) < 0)
		return -1;
	swarm->live++;
	transfer->swarm = swarm;
	transfer->step = 0;
	transfer->resolved = false;
	transfer->exchange.easy = NULL;
	memset(transfer->gates, 0, sizeof(transfer->gates));
	if (transfer->job != NULL)
		transfer->gates[STEP_JOB] = gates_get(transfer->job, origin);
	transfer->gates[STEP_HOST] = gates_get(&swarm->hosts, origin);
	transfer->gates[STEP_ALL] = swarm->all;
	transfer->gates[STEP_RESOLVE] = swarm->resolving;
	if (transfer->gates[STEP_HOST] == NULL ||
		(transfer->job != NULL && transfer->gates[STEP_JOB] == NULL))
		break_later(transfer, CURLE_OUT_OF_MEMORY);
	else
		proceed(transfer);
	return 0;
}

static void unlink_broken(struct transfer *transfer)
{
	struct transfer **at = &transfer->swarm->broken;

	while (*at != NULL && *at != transfer)
		at = &(*at)->next;
	if (*at != NULL)
		*at = transfer->next;
}

void swarm_cancel(struct transfer *transfer)
{
	struct swarm *swarm = transfer->swarm;
	CURL *easy = transfer->exchange.easy;

	unlink_broken(transfer);
	leave(transfer);
	if (easy != NULL)
		curl_easy_cleanup(easy); /* it may be in the middle of anything */
	transfer->exchange.easy = NULL;
	close_if_idle(swarm);
}

struct swarm *swarm_new(unsigned per_host, unsigned connections)
{
	struct swarm *swarm = calloc(1, sizeof(*swarm));

	if (swarm == NULL)
		return NULL;
	swarm->timer_ms = NEVER;
	swarm->hosts.limit = per_host;
	swarm->hosts.scouted = true;
	swarm->single.limit = connections;
	swarm->all = gates_get(&swarm->single, "all");
	swarm->single.limit = RESOLVING_MAX;
	swarm->resolving = gates_get(&swarm->single, "resolving");
	swarm->epoll = epoll_create1(EPOLL_CLOEXEC);
	swarm->share = curl_share_init();
	if (swarm->all == NULL || swarm->resolving == NULL || swarm->epoll < 0 ||
		swarm->share == NULL ||
		curl_share_setopt(swarm->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) !=
			CURLSHE_OK) {
		swarm_free(swarm);
		return NULL;
	}
	return swarm;
}

void swarm_free(struct swarm *swarm)
{
	if (swarm == NULL)
		return;
	for (unsigned i = 0; i < swarm->spare_count; i++)
		curl_easy_cleanup(swarm->spares[i]);
	swarm->loop = NULL;
	for (unsigned i = 0; i < swarm->shard_count; i++) {
		curl_multi_setopt(swarm->shards[i]->multi, CURLMOPT_SOCKETFUNCTION, NULL);
		curl_multi_setopt(swarm->shards[i]->multi, CURLMOPT_TIMERFUNCTION, NULL);
		curl_multi_cleanup(swarm->shards[i]->multi);
		free(swarm->shards[i]);
	}
	if (swarm->share != NULL)
		curl_share_cleanup(swarm->share);
	gates_done(&swarm->hosts);
	gates_done(&swarm->single);
	if (swarm->epoll >= 0)
		close(swarm->epoll);
	free(swarm);
}
