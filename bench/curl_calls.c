/*
 * curl-calls URL REQUESTS CONNECTIONS: what libcurl itself costs, by hand.
 *
 * The least that a program in C on one thread can do with libcurl's multi interface: so
 * many GETs of URL/NUMBER, so many of them at once, the bodies kept and thrown away. What
 * bench/run holds the stage `http` against. As in the stage, a multi handle has no more
 * than 128 transfers, for libcurl goes through its idle connections one by one.
 * Prints one JSON line: its seconds, its CPU seconds.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

enum { SHARD_MAX = 128, EVENTS_MAX = 512 };

struct shard {
	CURLM *multi;
	unsigned index;
};

struct transfer {
	size_t len;
	char body[256];
};

static const char *base;
static unsigned next_number, requests, done;
static int epoll;

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "curl-calls: %s\n", what);
	exit(1);
}

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct shard *shard = arg;
	struct epoll_event event = {
		.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) |
			  (what & CURL_POLL_OUT ? EPOLLOUT : 0u),
		.data.u64 = (uint64_t)shard->index << 32 | (uint32_t)fd,
	};

	if (what == CURL_POLL_REMOVE)
		return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL), 0;
	if (known == NULL)
		curl_multi_assign(shard->multi, fd, shard);
	if (epoll_ctl(epoll, known == NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) != 0)
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	return 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct transfer *transfer = arg;
	size_t len = size * count;

	if (len > sizeof(transfer->body) - transfer->len)
		die("a longer body than expected");
	memcpy(transfer->body + transfer->len, bytes, len);
	transfer->len += len;
	return len;
}

/* The next request, if one is left. */
static void send_next(struct shard *shard, CURL *easy)
{
	struct transfer *transfer;
	char url[300];

	if (next_number == requests)
		return;
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
	transfer->len = 0;
	snprintf(url, sizeof(url), "%s/%u", base, next_number++);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	if (curl_multi_add_handle(shard->multi, easy) != CURLM_OK)
		die("libcurl takes no more");
}

static void take_ends(struct shard *shard)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(shard->multi, &left)) != NULL) {
		CURL *easy = message->easy_handle;

		if (message->data.result != CURLE_OK)
			die(curl_easy_strerror(message->data.result));
		done++;
		curl_multi_remove_handle(shard->multi, easy);
		send_next(shard, easy);
	}
}

static void new_transfer(struct shard *shard)
{
	struct transfer *transfer = calloc(1, sizeof(*transfer));
	CURL *easy = curl_easy_init();

	if (transfer == NULL || easy == NULL)
		die("no memory");
	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 8192L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	send_next(shard, easy);
}

static void start(struct shard *shards, unsigned count, unsigned connections)
{
	for (unsigned at = 0; at < count; at++) {
		struct shard *shard = &shards[at];

		shard->index = at;
		shard->multi = curl_multi_init();
		curl_multi_setopt(shard->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
		curl_multi_setopt(shard->multi, CURLMOPT_SOCKETDATA, shard);
		curl_multi_setopt(shard->multi, CURLMOPT_MAXCONNECTS, (long)SHARD_MAX);
		for (unsigned n = 0; n < SHARD_MAX && connections > 0; n++, connections--)
			new_transfer(shard);
	}
}

static void run(struct shard *shards, unsigned count)
{
	struct epoll_event events[EVENTS_MAX];
	int running;

	while (done < requests) {
		/* New transfers begin by the shard's timer, which is always "at once" here. */
		for (unsigned at = 0; at < count; at++)
			curl_multi_socket_action(
				shards[at].multi, CURL_SOCKET_TIMEOUT, 0, &running);
		int ready = epoll_wait(epoll, events, EVENTS_MAX, 1);

		for (int i = 0; i < ready; i++) {
			struct shard *shard = &shards[events[i].data.u64 >> 32];

			curl_multi_socket_action(shard->multi,
				(curl_socket_t)(uint32_t)events[i].data.u64,
				(events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
					(events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0),
				&running);
			take_ends(shard);
		}
	}
}

int main(int argc, char **argv)
{
	unsigned connections = argc == 4 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
	unsigned count = (connections + SHARD_MAX - 1) / SHARD_MAX;
	struct shard *shards = calloc(count + 1, sizeof(*shards));
	double began = seconds(CLOCK_MONOTONIC);

	if (connections == 0 || shards == NULL)
		die("usage: curl-calls URL REQUESTS CONNECTIONS");
	base = argv[1];
	requests = (unsigned)strtoul(argv[2], NULL, 10);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	start(shards, count, connections);
	run(shards, count);
	printf("{\"seconds\":%.3f,\"cpu_s\":%.3f}\n", seconds(CLOCK_MONOTONIC) - began,
		seconds(CLOCK_PROCESS_CPUTIME_ID));
	free(shards);
	return 0;
}
